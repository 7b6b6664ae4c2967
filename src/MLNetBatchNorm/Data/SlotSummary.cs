using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>What is known of all values of all columns, exactly: taken row by row, in memory of the size of a few rows.</summary>
internal sealed class SlotSummary
{
    private readonly SlotFacts[] _slots;

    // Of each range of categories, the rows of each.
    private readonly int[][] _categories;

    /// <summary>No rows yet.</summary>
    public SlotSummary(RowShape shape)
    {
        IsSparse = shape.IsSparse;
        _slots = new SlotFacts[shape.Inputs];
        Numbers = shape.Ranges?.Numbers ?? shape.Inputs;
        _categories = [.. Enumerable.Range(0, shape.Inputs - Numbers).Select(range => new int[shape.Ranges![range].Count + 1])];
    }

    /// <summary>The summary of all rows of a table.</summary>
    public static SlotSummary Of(TrainingTable table)
    {
        var summary = new SlotSummary(table.Shape);
        for (int row = 0; row < table.Rows; row++)
        {
            if (table.Sparse is { } sparse)
                summary.AddSparse(sparse.Indices(row), sparse.Values(row));
            else
                summary.Add(table.Features(row));
        }
        return summary;
    }

    /// <summary>Number of columns.</summary>
    public int Inputs => _slots.Length;

    /// <summary>Columns that are no numbers of categories: the first ones.</summary>
    public int Numbers { get; }

    /// <summary>Whether the rows are sparse.</summary>
    public bool IsSparse { get; }

    /// <summary>Number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>
    /// Sum of a hash of every row's number; the sum of a set of rows tells whether it is all of them (up to chance, 2^-64).
    /// </summary>
    public ulong AllHashes { get; private set; }

    /// <summary>One column; what sparse rows leave out is 0.</summary>
    public SlotFacts this[int slot] => IsSparse ? _slots[slot].WithZeros(Rows, AllHashes) : _slots[slot];

    /// <summary>Of a range of categories, the rows that have none and those of each.</summary>
    public int[] CategoriesOf(int range)
    {
        int[] counts = [.. _categories[range]];
        counts[0] = Rows - _slots[Numbers + range].Missing - counts.AsSpan(1).ToArray().Sum();
        return counts;
    }

    /// <summary>Takes a dense row.</summary>
    public void Add(ReadOnlySpan<float> features)
    {
        ulong hash = NextRow();
        for (int slot = 0; slot < features.Length; slot++)
            Add(slot, features[slot], hash);
    }

    /// <summary>Takes a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values)
    {
        ulong hash = NextRow();
        for (int i = 0; i < indices.Length; i++)
            Add(indices[i], values[i], hash);
    }

    private void Add(int slot, float value, ulong hash)
    {
        _slots[slot].Add(value, hash);
        if (slot >= Numbers && value > 0)
            _categories[slot - Numbers][(int)value]++;
    }

    private ulong NextRow()
    {
        ulong hash = RandomStream.Mix((ulong)Rows++);
        AllHashes += hash;
        return hash;
    }
}
