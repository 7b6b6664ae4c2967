using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// A batch the other way round: for every row of a table the rows of the batch that name it, in order, and their fractions.
/// </summary>
/// <remarks>
/// Made once a batch, then read by all who train on it (<see cref="TableSums.ForwardFromWeights"/>,
/// <see cref="TableSums.WeightGradient"/>). What belongs to a row of the table, its values on the way forward and its sums on the way back,
/// stays in registers while the batch's rows come by. It can be used again; its arrays grow to the largest batch. One writer, then any
/// number of readers.
/// </remarks>
internal sealed unsafe class TableOrder
{
    private int[] _starts;
    private TableEntry[] _entries = [];

    public TableOrder(TableLayout layout)
    {
        Layout = layout;
        _starts = new int[layout.Rows + 2];
    }

    public TableLayout Layout { get; }

    /// <summary>Rows of the batch that was sorted last.</summary>
    public int BatchRows { get; private set; }

    /// <summary>Its slots with a fraction, the first ones.</summary>
    public int BatchLines { get; private set; }

    /// <summary>The entries of row t of the table are [Starts[t], Starts[t + 1]).</summary>
    internal ReadOnlySpan<int> Starts => _starts;

    internal ReadOnlySpan<TableEntry> Entries => _entries;

    /// <summary>Takes a batch, whose slots must be the layout's and keep to their rows.</summary>
    /// <remarks>Counting sort by row of the table; rows of the batch keep their order, and so do slots.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Sort(in TableBatch batch)
    {
        batch.RequireRowsOf(Layout, 0, batch.Rows);
        int count = checked(batch.Rows * batch.Slots);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch.Rows, int.MaxValue / PanelLayout.Width, nameof(batch));
        if (_entries.Length < count)
            _entries = new TableEntry[count];
        BatchRows = batch.Rows;
        BatchLines = batch.Lines;
        Array.Clear(_starts);
        fixed (int* pi = batch.Indices, starts = _starts)
        fixed (float* pf = batch.Fractions)
        fixed (TableEntry* entries = _entries)
        {
            // Counted two places behind their row, summed up, the starts stand one place behind it; filling moves each to its end, the next
            // row's start.
            for (nint i = 0; i < count; i++)
                starts[pi[i] + 2]++;
            int sum = 0;
            for (nint t = 2; t < _starts.Length; t++)
                starts[t] = sum += starts[t];

            int* indices = pi;
            float* fractions = pf;
            for (int r = 0; r < batch.Rows; r++, indices += batch.Slots, fractions += batch.Lines)
            {
                int s = 0;
                for (; s < batch.Lines; s++)
                    entries[starts[indices[s] + 1]++] = new TableEntry(r * PanelLayout.Width, fractions[s]);
                for (; s < batch.Slots; s++)
                    entries[starts[indices[s] + 1]++] = new TableEntry(r * PanelLayout.Width, 0f);
            }
        }
    }
}
