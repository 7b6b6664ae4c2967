using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Rows in the form that <see cref="EncodedForm"/> gives them: columns written out in panels, entries, and pieces as rows of a table.
/// </summary>
internal sealed class TableInput : NodeInput
{
    private readonly EncodedForm _form;
    private readonly bool _sparse;
    private readonly int[] _indices = [];
    private readonly float[] _fractions = [];

    // Rows in which a slot is missing, slot by slot, and where each slot's begin.
    private readonly int[] _missing = [];
    private readonly int[] _missingStarts = [];

    /// <param name="form">What is what.</param>
    /// <param name="sparse">Whether rows are sparse; then all but pieces are entries.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    public TableInput(EncodedForm form, bool sparse, int rowCapacity)
    {
        _form = form;
        _sparse = sparse;
        if (sparse || form.HasEntries)
            Entries = new SparseBatch(form.Front.EncodedInputs);
        if (!sparse && form.Columns is not null)
            Columns = new PanelMatrix(rowCapacity, form.Columns.EncodedInputs);
        Projections = new ProjectedInput[form.Projected.Length];
        for (int i = 0, first = form.FirstUnit; i < Projections.Length; first += Projections[i++].Units.Columns)
            Projections[i] = new ProjectedInput(form.Projected[i], first, rowCapacity);
        if (form.Table is not { } table)
            return;
        _indices = new int[rowCapacity * table.Slots];
        _fractions = new float[rowCapacity * table.Slots];
        _missing = new int[table.HasMissingRows ? rowCapacity * table.Slots : 0];
        _missingStarts = new int[table.Slots + 1];
        Order = new TableOrder(table.Layout);
    }

    /// <summary>How rows of the table follow from weights; null where there are no pieces.</summary>
    public PieceTable? Table => _form.Table;

    /// <summary>The first columns; null where they are entries, or there are none.</summary>
    public PanelMatrix? Columns { get; }

    /// <summary>The entries; null where there are none.</summary>
    public SparseBatch? Entries { get; }

    /// <summary>The entries that are projected.</summary>
    public ProjectedInput[] Projections { get; }

    /// <summary>The mini-batch by row of the table; made by <see cref="Finish"/>. Null without a table.</summary>
    public TableOrder? Order { get; }

    /// <summary>The first rows of the mini-batch, where there is a table.</summary>
    public TableBatch Batch(int rows) => new(_indices, _fractions, rows, Table!.Slots, lines: Table.Slots);

    public override void Prepare(EncodedRows data, int first, int count)
    {
        if (Entries is not null)
            data.GatherSparse(_form.Front, _sparse ? 0 : _form.FirstEntryPart, first, count, Entries);
        foreach (ProjectedInput projection in Projections)
            data.GatherSparse(projection.Encoder, 0, first, count, projection.Entries);
    }

    public override void Fill(EncodedRows data, int first, int begin, int end)
    {
        if (Columns is not null)
            data.GatherFeatures(_form.Columns!, first + begin, end - begin, Columns.Span, Columns.RowCapacity, begin);
        if (Table is null)
            return;
        int at = begin * Table.Slots;
        data.GatherPieces(first + begin, end - begin, _indices.AsSpan(at), _fractions.AsSpan(at));
    }

    /// <summary>Takes rows as they are kept, written out.</summary>
    /// <param name="kept">The rows, one behind the other.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="line">Room for one row of columns in whole lines of 16.</param>
    public void Encode(ReadOnlySpan<float> kept, int rows, Span<float> line)
    {
        int slots = _form.Front.Slots;
        if (Columns is { RowCapacity: 1 })             // panels of one row are a plain vector
            _form.Columns!.EncodeKept(kept, Columns.Span);
        else if (Columns is not null)
            _form.Columns!.EncodeBlock(kept, rows, line, Columns.Span, Columns.RowCapacity);
        Entries?.Clear();
        foreach (ProjectedInput projection in Projections)
            projection.Entries.Clear();
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> own = kept.Slice(row * slots, slots);
            if (Entries is not null)
                _form.Front.EncodeFilled(own, Entries, _form.FirstEntryPart);
            foreach (ProjectedInput projection in Projections)
                projection.Encoder.EncodeFilled(own, projection.Entries);
            Table?.Encode(own, _indices.AsSpan(row * Table.Slots), _fractions.AsSpan(row * Table.Slots));
        }
    }

    /// <summary>Takes one sparse row.</summary>
    public void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values)
    {
        Entries!.Clear();
        _form.Front.EncodeSparse(indices, values, Entries);
        foreach (ProjectedInput projection in Projections)
        {
            projection.Entries.Clear();
            projection.Encoder.EncodeSparse(indices, values, projection.Entries);
        }
        Table?.EncodeSparse(indices, values, _indices, _fractions);
    }

    public override bool NeedsFinish => Table is not null;

    public override void Finish(int rows)
    {
        if (Table!.HasMissingRows)
            TakeMissing(rows);
        Order!.Sort(Batch(rows));
    }

    /// <summary>Rows of the finished mini-batch in which a slot's value is missing.</summary>
    public ReadOnlySpan<int> MissingIn(int slot) => _missing.AsSpan(_missingStarts[slot], _missingStarts[slot + 1] - _missingStarts[slot]);

    /// <summary>Puts missing values down by themselves; in the batch they become the row that is always 0.</summary>
    private void TakeMissing(int rows)
    {
        int slots = Table!.Slots, firstMissingRow = Table.Layout.Rows, count = 0;
        bool any = TensorPrimitives.Max<int>(_indices.AsSpan(0, rows * slots)) >= firstMissingRow;
        for (int slot = 0; slot < slots; slot++)
        {
            for (int row = 0; any && row < rows; row++)
            {
                ref int index = ref _indices[row * slots + slot];
                if (index < firstMissingRow)
                    continue;
                index = Table.Layout.BorderRow(slot, 0);
                _missing[count++] = row;
            }
            _missingStarts[slot + 1] = count;
        }
    }
}
