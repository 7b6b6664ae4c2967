using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Rows of which the pieces are rows of a table (<see cref="PieceTable"/>); all other columns are written out in panels or, of sparse
/// rows, the entries that are not zero.
/// </summary>
internal sealed class TableInput : NodeInput
{
    private readonly PieceTable _table;
    private readonly int[] _indices;
    private readonly float[] _fractions;

    // Rows in which a slot is missing, slot by slot, and where each slot's begin.
    private readonly int[] _missing;
    private readonly int[] _missingStarts;

    /// <param name="table">How rows of the table follow from weights.</param>
    /// <param name="sparse">Whether rows are sparse.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    public TableInput(PieceTable table, bool sparse, int rowCapacity)
    {
        _table = table;
        _indices = new int[rowCapacity * table.Slots];
        _fractions = new float[rowCapacity * table.Slots];
        _missing = new int[table.HasMissingRows ? rowCapacity * table.Slots : 0];
        _missingStarts = new int[table.Slots + 1];
        Order = new TableOrder(table.Layout);
        if (sparse)
            Entries = new SparseBatch(table.Columns.EncodedInputs);
        else
            Columns = new PanelMatrix(rowCapacity, table.Columns.EncodedInputs);
    }

    /// <summary>How rows of the table follow from weights.</summary>
    public PieceTable Table => _table;

    /// <summary>The columns beside the pieces; null where they are <see cref="Entries"/>.</summary>
    public PanelMatrix? Columns { get; }

    /// <summary>The entries beside the pieces, of sparse rows.</summary>
    public SparseBatch? Entries { get; }

    /// <summary>The mini-batch by row of the table; made by <see cref="Finish"/>.</summary>
    public TableOrder Order { get; }

    /// <summary>The first rows of the mini-batch.</summary>
    public TableBatch Batch(int rows) => new(_indices, _fractions, rows, _table.Slots, lines: _table.Slots);

    public override void Prepare(EncodedRows data, int first, int count)
    {
        if (Entries is not null)
            data.GatherSparse(_table.Columns, first, count, Entries);
    }

    public override void Fill(EncodedRows data, int first, int begin, int end)
    {
        if (Columns is not null)
            data.GatherFeatures(_table.Columns, first + begin, end - begin, Columns.Span, Columns.RowCapacity, begin);
        int at = begin * _table.Slots;
        data.GatherPieces(first + begin, end - begin, _indices.AsSpan(at), _fractions.AsSpan(at));
    }

    /// <summary>Takes raw rows.</summary>
    /// <param name="raw">The rows, one behind the other.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="line">Room for one row of columns in whole lines of 16.</param>
    public void Encode(ReadOnlySpan<float> raw, int rows, Span<float> line)
    {
        PanelMatrix columns = Columns!;
        int inputs = _table.Columns.RawInputs;
        if (columns.RowCapacity == 1)                  // panels of one row are a plain vector
            _table.Columns.Encode(raw, columns.Span);
        else
            _table.Columns.EncodeBlock(raw, rows, line, columns.Span, columns.RowCapacity);
        for (int row = 0; row < rows; row++)
            _table.Encode(raw.Slice(row * inputs, inputs), _indices.AsSpan(row * _table.Slots), _fractions.AsSpan(row * _table.Slots));
    }

    /// <summary>Takes one sparse row.</summary>
    public void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values)
    {
        Entries!.Clear();
        _table.Columns.EncodeSparse(indices, values, Entries);
        _table.EncodeSparse(indices, values, _indices, _fractions);
    }

    public override bool NeedsFinish => true;

    public override void Finish(int rows)
    {
        if (_table.HasMissingRows)
            TakeMissing(rows);
        Order.Sort(Batch(rows));
    }

    /// <summary>Rows of the finished mini-batch in which a slot's value is missing.</summary>
    public ReadOnlySpan<int> MissingIn(int slot) => _missing.AsSpan(_missingStarts[slot], _missingStarts[slot + 1] - _missingStarts[slot]);

    /// <summary>Puts missing values down by themselves; in the batch they become the row that is always 0.</summary>
    private void TakeMissing(int rows)
    {
        int slots = _table.Slots, firstMissingRow = _table.Layout.Rows, count = 0;
        bool any = TensorPrimitives.Max<int>(_indices.AsSpan(0, rows * slots)) >= firstMissingRow;
        for (int slot = 0; slot < slots; slot++)
        {
            for (int row = 0; any && row < rows; row++)
            {
                ref int index = ref _indices[row * slots + slot];
                if (index < firstMissingRow)
                    continue;
                index = _table.Layout.BorderRow(slot, 0);
                _missing[count++] = row;
            }
            _missingStarts[slot + 1] = count;
        }
    }
}
