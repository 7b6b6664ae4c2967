namespace MLNetBatchNorm.Network;

/// <summary>What one node of a network has learned, in the form in which it is trained and saved.</summary>
internal abstract class NodeParameters
{
    /// <summary>Whether all numbers, statistics included, are finite.</summary>
    public abstract bool IsFinite { get; }

    /// <summary>Writes all numbers as they are in a model.</summary>
    public abstract void Write(BinaryWriter writer);

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <param name="reader">At the first number.</param>
    /// <param name="layer">The layer, for messages.</param>
    /// <exception cref="Formats.NetworkFormatException">A number is not allowed.</exception>
    public abstract void Read(BinaryReader reader, int layer);

    /// <summary>Takes over all numbers of the parameters of a node of the same kind and shape.</summary>
    public abstract void CopyFrom(NodeParameters other);

    /// <summary>Comes closer to the parameters of a node of the same kind and shape: every number <c>x += share (other - x)</c>.</summary>
    public abstract void Approach(NodeParameters other, double share);
}
