using System.Numerics.Tensors;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Rows of which the pieces are rows of a table (<see cref="PieceTable"/>), and all other columns are written out in panels.
/// </summary>
internal sealed class TableInput(PieceTable table, int rowCapacity) : NodeInput
{
    private readonly int[] _indices = new int[rowCapacity * table.Slots];
    private readonly float[] _fractions = new float[rowCapacity * table.Slots];

    // Rows in which a slot is missing, slot by slot, and where each slot's begin.
    private readonly int[] _missing = new int[table.HasMissingRows ? rowCapacity * table.Slots : 0];
    private readonly int[] _missingStarts = new int[table.Slots + 1];

    /// <summary>How rows of the table follow from weights.</summary>
    public PieceTable Table => table;

    /// <summary>The columns beside the pieces.</summary>
    public PanelMatrix Columns { get; } = new(rowCapacity, table.Columns.EncodedInputs);

    /// <summary>The mini-batch by row of the table; made by <see cref="Finish"/>.</summary>
    public TableOrder Order { get; } = new(table.Layout);

    /// <summary>The first rows of the mini-batch.</summary>
    public TableBatch Batch(int rows) => new(_indices, _fractions, rows, table.Slots, lines: table.Slots);

    public override void Fill(EncodedRows data, int first, int begin, int end) =>
        data.GatherTable(first + begin, end - begin, Columns.Span, Columns.RowCapacity, begin, _indices, _fractions);

    /// <summary>Takes raw rows.</summary>
    /// <param name="raw">The rows, one behind the other.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="line">Room for one row of columns in whole lines of 16.</param>
    public void Encode(ReadOnlySpan<float> raw, int rows, Span<float> line)
    {
        int inputs = table.Columns.RawInputs;
        if (Columns.RowCapacity == 1)                  // panels of one row are a plain vector
            table.Columns.Encode(raw, Columns.Span);
        else
            table.Columns.EncodeBlock(raw, rows, line, Columns.Span, Columns.RowCapacity);
        for (int row = 0; row < rows; row++)
            table.Encode(raw.Slice(row * inputs, inputs), _indices.AsSpan(row * table.Slots), _fractions.AsSpan(row * table.Slots));
    }

    public override bool NeedsFinish => true;

    public override void Finish(int rows)
    {
        if (table.HasMissingRows)
            TakeMissing(rows);
        Order.Sort(Batch(rows));
    }

    /// <summary>Rows of the finished mini-batch in which a slot's value is missing.</summary>
    public ReadOnlySpan<int> MissingIn(int slot) => _missing.AsSpan(_missingStarts[slot], _missingStarts[slot + 1] - _missingStarts[slot]);

    /// <summary>Puts missing values down by themselves; in the batch they become the row that is always 0.</summary>
    private void TakeMissing(int rows)
    {
        int slots = table.Slots, firstMissingRow = table.Layout.Rows, count = 0;
        bool any = TensorPrimitives.Max<int>(_indices.AsSpan(0, rows * slots)) >= firstMissingRow;
        for (int slot = 0; slot < slots; slot++)
        {
            for (int row = 0; any && row < rows; row++)
            {
                ref int index = ref _indices[row * slots + slot];
                if (index < firstMissingRow)
                    continue;
                index = table.Layout.BorderRow(slot, 0);
                _missing[count++] = row;
            }
            _missingStarts[slot + 1] = count;
        }
    }
}
