namespace MLNetBatchNorm.Data;

/// <summary>
/// Takes rows one by one and keeps them: in a table in memory while they fit the budget, all of them in a temporary file from then on.
/// </summary>
/// <remarks>
/// Rows come sparse or dense as they like, and are kept in one form. Where the form is not given, the first rows decide which it is, by the
/// number of their entries; whatever it is, what is learned from the rows is the same.
/// </remarks>
internal sealed class RowCollector : IDisposable
{
    private readonly long _budget;
    private readonly Func<SpillFile> _createFile;
    private readonly ulong _seed;
    private bool _isDecided;
    private RowStore _rows;

    // A row in the form it does not come in.
    private float[] _dense = [];
    private int[] _indices = [];
    private float[] _values = [];

    /// <param name="shape">What a row has; whether it is sparse only where <paramref name="isDecided"/>.</param>
    /// <param name="budgetBytes">Most memory for rows, here and in all that reads them later.</param>
    /// <param name="createFile">Makes the file when it is needed.</param>
    /// <param name="seed">Chooses the sample for quantiles.</param>
    /// <param name="isDecided">Whether the form of the rows is given.</param>
    public RowCollector(RowShape shape, long budgetBytes, Func<SpillFile> createFile, ulong seed, bool isDecided = true)
    {
        _budget = budgetBytes;
        _createFile = createFile;
        _seed = seed;
        _isDecided = isDecided || !RowForm.AreWide(shape.Inputs);
        Shape = isDecided ? shape : shape with { IsSparse = !_isDecided };
        _rows = new MemoryRows(Shape.CreateTable(), seed);
    }

    /// <summary>What a row has, as it is kept.</summary>
    public RowShape Shape { get; private set; }

    /// <summary>Number of rows.</summary>
    public int Rows => _rows.Rows;

    /// <summary>Adds a dense row.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        Decide(atEnd: false);
        if (!Shape.IsSparse)
        {
            MakeRoom(0);
            _rows.Add(features, target, weight);
            return;
        }
        if (_indices.Length == 0)
            (_indices, _values) = (new int[Shape.Inputs], new float[Shape.Inputs]);
        int count = 0;
        for (int i = 0; i < features.Length; i++)
        {
            if (features[i] == 0)
                continue;
            (_indices[count], _values[count]) = (i, features[i]);
            count++;
        }
        AddEntries(_indices.AsSpan(0, count), _values.AsSpan(0, count), target, weight);
    }

    /// <summary>Adds a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        Decide(atEnd: false);
        if (Shape.IsSparse)
        {
            AddEntries(indices, values, target, weight);
            return;
        }
        if (_dense.Length == 0)
            _dense = new float[Shape.Inputs];
        for (int i = 0; i < indices.Length; i++)
            _dense[indices[i]] = values[i];
        MakeRoom(0);
        _rows.Add(_dense, target, weight);
        foreach (int index in indices)
            _dense[index] = 0;
    }

    /// <summary>All rows have been added; they belong to the caller.</summary>
    public RowStore Complete()
    {
        Decide(atEnd: true);
        _rows.Complete();
        return _rows;
    }

    /// <summary>Gives the rows up.</summary>
    public void Dispose() => _rows.Dispose();

    private void AddEntries(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        MakeRoom(indices.Length);
        _rows.AddSparse(indices, values, target, weight);
    }

    /// <summary>Chooses the form once there are enough rows; until then they are sparse, which loses nothing.</summary>
    private void Decide(bool atEnd)
    {
        if (_isDecided || (Rows < RowForm.RowsThatDecide && !atEnd && _rows.IsInMemory))
            return;
        _isDecided = true;
        if (Rows == 0 || RowForm.AreSparse(_rows.EntriesOfRow, Shape.Inputs) || _rows is not MemoryRows few)
            return;
        Shape = Shape with { IsSparse = false };
        _rows = new MemoryRows(Shape.CreateTable(), _seed);
        Copy(few.Table, (indices, values, target, weight) => AddSparse(indices, values, target, weight));
    }

    private void MakeRoom(int entries)
    {
        if (_rows is MemoryRows { Rows: > 0 } memory && memory.BytesInMemory + Shape.RowBytes(entries) > _budget)
        {
            _rows = MoveToFile(memory.Table);
            memory = null!;
            // The table is as large as the budget, and the windows are to take its place, not to come on top of it.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
    }

    private FileRows MoveToFile(TrainingTable table)
    {
        var rows = new FileRows(_createFile(), Shape, _budget, _seed);
        try
        {
            if (Shape.IsSparse)
                Copy(table, rows.AddSparse);
            for (int row = 0; row < table.Rows && !Shape.IsSparse; row++)
                rows.Add(table.Features(row), TargetOf(table, row), WeightOf(table, row));
        }
        catch
        {
            rows.Dispose();
            throw;
        }
        return rows;
    }

    private delegate void RowReceiver(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight);

    private static void Copy(TrainingTable table, RowReceiver receiver)
    {
        for (int row = 0; row < table.Rows; row++)
            receiver(table.Sparse!.Indices(row), table.Sparse.Values(row), TargetOf(table, row), WeightOf(table, row));
    }

    private static ReadOnlySpan<float> TargetOf(TrainingTable table, int row) =>
        table.Targets.Slice(row * table.TargetColumns, table.TargetColumns);

    private static float WeightOf(TrainingTable table, int row) => table.IsWeighted ? table.Weights[row] : 1;
}
