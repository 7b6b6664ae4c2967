using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>
/// A random part of the rows of a stream, told from a row's number alone: nothing is stored for a row, but for the
/// few that are left out of it by their numbers.
/// </summary>
/// <remarks>
/// Row r has a random number u in [0, 1), and belongs to the part if u lies in [start, start + fraction), taken around the circle, or
/// outside of it. Where rows have groups, the groups of a part are listed instead.
/// </remarks>
internal readonly struct RowPart
{
    private readonly ulong _key;
    private readonly double _start;
    private readonly double _fraction;
    private readonly bool _outside;
    private readonly int[] _leftOut;
    private readonly RowGroups? _groups;
    private readonly HashSet<uint>? _chosen;

    private RowPart(ulong key, double start, double fraction, bool outside, int[] leftOut)
    {
        _key = key;
        _start = start;
        _fraction = fraction;
        _outside = outside;
        _leftOut = leftOut;
    }

    private RowPart(RowGroups groups, HashSet<uint> chosen, bool outside)
    {
        _groups = groups;
        _chosen = chosen;
        _outside = outside;
        _leftOut = [];
    }

    /// <summary>All rows.</summary>
    public static RowPart All => new(0, 0, 0, outside: true, []);

    /// <summary>The rows that are not in this part.</summary>
    public RowPart Rest => _groups is null ? new(_key, _start, _fraction, !_outside, _leftOut) : new(_groups, _chosen!, !_outside);

    /// <summary>The rows of some groups.</summary>
    public static RowPart OfGroups(RowGroups groups, HashSet<uint> chosen) => new(groups, chosen, outside: false);

    /// <summary>One of the 1 / <paramref name="fraction"/> disjoint parts; later numbers are parts of another random choice.</summary>
    public static RowPart Of(double fraction, ulong seed, int part)
    {
        int parts = Math.Max(1, (int)Math.Round(1 / fraction));
        return new RowPart(
            RandomStream.Mix(seed ^ RandomStream.Mix(RandomPurpose.ValidationPart + (ulong)(part / parts))), part % parts * fraction,
            fraction, outside: false, []);
    }

    /// <summary>This part without some rows, which come to the rest, each with its group.</summary>
    public RowPart Without(IEnumerable<int> rows)
    {
        if (_groups is not { } groups)
            return new(_key, _start, _fraction, _outside, [.. rows.Order()]);
        return new(groups, [.. _chosen!.Except(rows.Select(groups.Of))], _outside);
    }

    /// <summary>Whether the row belongs to the part.</summary>
    public bool Contains(int row)
    {
        if (_groups is not null)
            return _chosen!.Contains(_groups.Of(row)) != _outside;
        if (_fraction == 0)
            return _outside;
        if (_leftOut.Length > 0 && Array.BinarySearch(_leftOut, row) >= 0)
            return _outside;
        double u = (RandomStream.Mix(_key + (ulong)row * 0x9E3779B97F4A7C15) >> 11) * (1.0 / (1UL << 53));
        double distance = u - _start;
        return (distance < 0 ? distance + 1 : distance) < _fraction != _outside;
    }
}
