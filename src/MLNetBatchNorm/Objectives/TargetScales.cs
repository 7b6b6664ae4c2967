using System.Collections;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Objectives;

/// <summary>What labels become for training: a <see cref="TargetScale"/> for each target of a row, mostly a single one.</summary>
/// <remarks>Equal where all scales are.</remarks>
internal sealed class TargetScales : IReadOnlyList<TargetScale>, IEquatable<TargetScales>
{
    private readonly TargetScale[] _scales;

    /// <param name="scales">One for each target; at least one.</param>
    public TargetScales(IEnumerable<TargetScale> scales)
    {
        _scales = [.. scales];
        ArgumentOutOfRangeException.ThrowIfZero(_scales.Length, nameof(scales));
    }

    /// <summary>Number of targets.</summary>
    public int Count => _scales.Length;

    /// <summary>The scale of a target.</summary>
    public TargetScale this[int target] => _scales[target];

    /// <summary>The scale where there is one target; null where there are several.</summary>
    public TargetScale? Only => _scales.Length == 1 ? _scales[0] : null;

    /// <summary>Writes the numbers of each.</summary>
    public void Write(BinaryWriter writer)
    {
        foreach (TargetScale scale in _scales)
            scale.Write(writer);
    }

    /// <summary>Reads those of so many targets.</summary>
    /// <exception cref="NetworkFormatException">A number is not allowed, or they are fewer.</exception>
    public static TargetScales Read(BinaryReader reader, int targets)
    {
        reader.RequireBytes("means and deviations of targets", targets, 2 * sizeof(double));
        return new TargetScales(Enumerable.Range(0, targets).Select(_ => TargetScale.Read(reader)));
    }

    public bool Equals(TargetScales? other) => other is not null && _scales.SequenceEqual(other._scales);

    public override bool Equals(object? obj) => Equals(obj as TargetScales);

    public override int GetHashCode() => _scales.Aggregate(0, HashCode.Combine);

    public IEnumerator<TargetScale> GetEnumerator() => _scales.AsEnumerable().GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
