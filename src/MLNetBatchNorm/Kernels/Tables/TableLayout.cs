namespace MLNetBatchNorm.Kernels;

/// <summary>How the rows of a table follow from trained weights; the slots' rows lie one behind the other, from row 0 on.</summary>
/// <remarks>
/// For a slot of K pieces with the weights w_1 to w_K the table has S_0 = 0, S_k = S_(k-1) + w_k and then its plain rows. A slot without
/// pieces has the plain rows alone: they are trained as they are, as categories without fractions or as the heights of a line with them.
/// </remarks>
internal sealed class TableLayout
{
    private readonly TableSlot[] _slots;
    private readonly int[] _firstRows;
    private readonly int[] _lastRows;

    public TableLayout(ReadOnlySpan<TableSlot> slots)
    {
        _slots = slots.ToArray();
        _firstRows = new int[slots.Length];
        _lastRows = new int[slots.Length];
        long rows = 0;
        for (int s = 0; s < slots.Length; s++)
        {
            TableSlot slot = slots[s];
            bool negative = slot.FirstWeight < 0 || slot.Pieces < 0 || slot.PlainRows < 0;
            if (negative || (long)slot.Pieces + slot.PlainRows is 0 or > int.MaxValue / 2)
                throw new ArgumentException($"Slot {s} is {slot}; a slot has at least one row and no negative number.", nameof(slots));
            _firstRows[s] = (int)rows;
            rows += slot.TableRows;
            _lastRows[s] = (int)rows - 1;
            WeightRows = Math.Max(WeightRows, checked(slot.FirstWeight + slot.WeightRows));
            if (rows > int.MaxValue / PanelLayout.Width)
                throw new ArgumentException($"A panel of the first {s + 1} slots would have {rows} rows.", nameof(slots));
        }
        Rows = (int)rows;
        RequireNoOverlap(slots);
    }

    public int Slots => _slots.Length;

    /// <summary>Rows of the table.</summary>
    public int Rows { get; }

    /// <summary>Rows that the weights have at least.</summary>
    public int WeightRows { get; }

    /// <summary>Row of the table for each slot: the first and the last one that is the slot's.</summary>
    public ReadOnlySpan<int> FirstRows => _firstRows;

    /// <inheritdoc cref="FirstRows"/>
    public ReadOnlySpan<int> LastRows => _lastRows;

    public TableSlot Slot(int slot) => _slots[slot];

    /// <summary>Row of the table that stands for the border <paramref name="border"/>, 0 to the slot's pieces.</summary>
    public int BorderRow(int slot, int border)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)border, (uint)_slots[slot].Pieces, nameof(border));
        return _firstRows[slot] + border;
    }

    /// <summary>Row of the table that is plain row <paramref name="plainRow"/> of the slot.</summary>
    public int PlainRow(int slot, int plainRow)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)plainRow, (uint)_slots[slot].PlainRows, nameof(plainRow));
        return _lastRows[slot] + 1 - _slots[slot].PlainRows + plainRow;
    }

    private static void RequireNoOverlap(ReadOnlySpan<TableSlot> slots)
    {
        TableSlot[] sorted = slots.ToArray();
        Array.Sort(sorted, (a, b) => a.FirstWeight.CompareTo(b.FirstWeight));
        for (int s = 1; s < sorted.Length; s++)
        {
            if (sorted[s].FirstWeight < sorted[s - 1].FirstWeight + sorted[s - 1].WeightRows)
                throw new ArgumentException($"Two slots share rows of the weights: {sorted[s - 1]} and {sorted[s]}.", nameof(slots));
        }
    }
}
