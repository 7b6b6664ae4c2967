namespace MLNetBatchNorm.Data;

/// <summary>Takes rows one by one and keeps them: in a table in memory while they fit the budget, all of them in a temporary file from then on.</summary>
/// <param name="shape">What a row has.</param>
/// <param name="budgetBytes">Most memory for rows, here and in all that reads them later.</param>
/// <param name="createFile">Makes the file when it is needed.</param>
/// <param name="seed">Chooses the sample for quantiles.</param>
internal sealed class RowCollector(RowShape shape, long budgetBytes, Func<SpillFile> createFile, ulong seed) : IDisposable
{
    private RowStore _rows = new MemoryRows(shape.CreateTable());

    /// <summary>What a row has.</summary>
    public RowShape Shape => shape;

    /// <summary>Number of rows.</summary>
    public int Rows => _rows.Rows;

    /// <summary>Adds a dense row.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        MakeRoom(0);
        _rows.Add(features, target, weight);
    }

    /// <summary>Adds a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        MakeRoom(indices.Length);
        _rows.AddSparse(indices, values, target, weight);
    }

    /// <summary>All rows have been added; they belong to the caller.</summary>
    public RowStore Complete()
    {
        _rows.Complete();
        return _rows;
    }

    /// <summary>Gives the rows up.</summary>
    public void Dispose() => _rows.Dispose();

    private void MakeRoom(int entries)
    {
        if (_rows is MemoryRows { Rows: > 0 } memory && memory.BytesInMemory + shape.RowBytes(entries) > budgetBytes)
        {
            _rows = MoveToFile(memory.Table);
            memory = null!;
            // The table is as large as the budget, and the windows are to take its place, not to come on top of it.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
    }

    private FileRows MoveToFile(TrainingTable table)
    {
        var rows = new FileRows(createFile(), shape, budgetBytes, seed);
        try
        {
            for (int row = 0; row < table.Rows; row++)
            {
                ReadOnlySpan<float> target = table.Targets.Slice(row * shape.TargetColumns, shape.TargetColumns);
                float weight = shape.IsWeighted ? table.Weights[row] : 1;
                if (table.Sparse is { } sparse)
                    rows.AddSparse(sparse.Indices(row), sparse.Values(row), target, weight);
                else
                    rows.Add(table.Features(row), target, weight);
            }
        }
        catch
        {
            rows.Dispose();
            throw;
        }
        return rows;
    }
}
