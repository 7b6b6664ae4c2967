using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>
/// Which rows belong together, so that they are never spread over training and validation: a number for each row, the same for all rows of
/// a group.
/// </summary>
/// <remarks>
/// Numbers may be hashes of what the groups are called: two groups of one number stay together, which does no harm. They take 4 bytes a
/// row, also for rows in a file.
/// </remarks>
internal sealed class RowGroups
{
    private readonly List<uint> _groups = [];
    private readonly Dictionary<uint, int> _rowsOfGroup = [];

    /// <summary>Number of groups.</summary>
    public int Count => _rowsOfGroup.Count;

    /// <summary>The next row belongs to the group.</summary>
    public void Add(uint group)
    {
        _groups.Add(group);
        _rowsOfGroup[group] = _rowsOfGroup.GetValueOrDefault(group) + 1;
    }

    /// <summary>The group of a row.</summary>
    public uint Of(int row) => _groups[row];

    /// <summary>
    /// The rows of one of the 1 / <paramref name="fraction"/> parts of the groups; later numbers are parts of another random order.
    /// </summary>
    /// <remarks>
    /// Groups in random order lie one behind the other, each as long as its rows; a part has those whose middle it covers, and where there
    /// is none, the one nearest to it. Parts are as large as groups allow, and disjoint if there are groups enough.
    /// </remarks>
    /// <param name="fraction">Share of the rows.</param>
    /// <param name="seed">Decides the order.</param>
    /// <param name="part">Number of the part.</param>
    /// <param name="mostRows">Most rows of the part; two rows of other groups are left in any case.</param>
    /// <returns>No rows where no group can be spared.</returns>
    public RowPart Part(double fraction, ulong seed, int part, long mostRows)
    {
        int parts = Math.Max(1, (int)Math.Round(1 / fraction));
        ulong key = RandomStream.Mix(seed ^ RandomStream.Mix(RandomPurpose.ValidationPart + (ulong)(part / parts)));
        uint[] order = [.. _rowsOfGroup.Keys.OrderBy(group => RandomStream.Mix(key + group * 0x9E3779B97F4A7C15)).ThenBy(group => group)];
        double start = part % parts * fraction, middle = start + fraction / 2;
        var aside = new HashSet<uint>();
        long rows = 0, before = 0;
        (double Distance, uint Group) nearest = (double.PositiveInfinity, 0);
        foreach (uint group in order)
        {
            double place = (before + _rowsOfGroup[group] / 2.0) / _groups.Count;
            before += _rowsOfGroup[group];
            if (Math.Abs(place - middle) < nearest.Distance)
                nearest = (Math.Abs(place - middle), group);
            // Around the circle, where the last part goes beyond the last group.
            if ((place >= start ? place : place + 1) >= start + fraction)
                continue;
            aside.Add(group);
            rows += _rowsOfGroup[group];
        }

        if (aside.Count == 0)
        {
            aside.Add(nearest.Group);
            rows = _rowsOfGroup[nearest.Group];
        }

        foreach (uint group in aside.OrderByDescending(group => _rowsOfGroup[group]).ThenBy(group => group).ToArray())
        {
            if (rows <= Math.Min(mostRows, _groups.Count - 2))
                break;
            aside.Remove(group);
            rows -= _rowsOfGroup[group];
        }

        return RowPart.OfGroups(this, aside);
    }
}
