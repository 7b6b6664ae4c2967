using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Persistence;

/// <summary>
/// What the networks of a file will take in memory, of all its blocks together, held against the bytes that they are made of.
/// </summary>
/// <remarks>
/// The spread of intervals and the trials stand in blocks of their own. What is free to a file, <see cref="NetworkFormat.SmallNetworks"/>,
/// is free to it once: there may be a thousand blocks.
/// </remarks>
internal sealed class NetworkMemory
{
    private double _taken;
    private double _allowed;
    private long _data;

    /// <summary>Counts the bytes of a block's networks, before they are checked.</summary>
    /// <param name="bytes">How many there are.</param>
    /// <param name="growth">Times as many the networks may take.</param>
    public void AddData(long bytes, int growth)
    {
        _data += bytes;
        _allowed += (double)growth * bytes;
    }

    /// <summary>Refuses networks that together with all before would take more than they may.</summary>
    public void Check(double bytes)
    {
        double all = _taken + bytes;
        if (all > Math.Max(NetworkFormat.SmallNetworks, _allowed))
        {
            string most = CheckedBytes.Text($"{_allowed / _data:0.#} times the data of {_data}");
            throw new NetworkFormatException(CheckedBytes.Text($"The networks would take {all:0} bytes of memory, more than {most}."));
        }
    }

    /// <summary>Counts networks that are about to be made.</summary>
    /// <inheritdoc cref="Check"/>
    public void Take(double bytes)
    {
        Check(bytes);
        _taken += bytes;
    }
}
