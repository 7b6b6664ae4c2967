using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>Takes rows one by one and keeps them: in a table in memory while they fit the budget, all of them in a temporary file from then on.</summary>
/// <remarks>
/// Of rows in a file, what is learned from all of them is taken as they pass: the columns' ranges, mean and deviation of the targets, and a sample for
/// quantiles, in which every row has the same chance (reservoir sampling, Vitter 1985, algorithm R).
/// </remarks>
internal sealed class RowCollector : IDisposable
{
    /// <summary>Most rows of a sample for quantiles; more would not move these by anything that matters.</summary>
    public const int LargestSample = 50_000;

    private readonly long _budget;
    private readonly Func<SpillFile> _createFile;
    private readonly int _sampleRows;
    private RandomStream _random;
    private long _bytes;

    /// <param name="shape">What a row has.</param>
    /// <param name="budgetBytes">Most memory for rows, here and in all that reads them later.</param>
    /// <param name="createFile">Makes the file when it is needed.</param>
    /// <param name="seed">Chooses the sample.</param>
    public RowCollector(RowShape shape, long budgetBytes, Func<SpillFile> createFile, ulong seed)
    {
        _budget = budgetBytes;
        _createFile = createFile;
        _random = new RandomStream(seed, RandomPurpose.QuantileSample);
        _sampleRows = (int)Math.Clamp(budgetBytes / 16 / shape.RowBytes(0), 100, LargestSample);
        Shape = shape;
        Table = shape.CreateTable();
    }

    /// <summary>What a row has.</summary>
    public RowShape Shape { get; }

    /// <summary>The rows where they fit the budget, else null.</summary>
    public TrainingTable? Table { get; private set; }

    /// <summary>The rows where they do not fit, else null.</summary>
    public SpilledRows? Spilled { get; private set; }

    /// <summary>Ranges of the columns, of spilled rows.</summary>
    public SlotSummary? Slots { get; private set; }

    /// <summary>Mean and variance of the targets, of spilled rows.</summary>
    public TargetSummary? Targets { get; private set; }

    /// <summary>Some of the rows, chosen at random, of spilled dense rows.</summary>
    public TrainingTable? Sample { get; private set; }

    /// <summary>Sum of the weights of the rows of each class, where targets are classes; told by whoever adds the rows.</summary>
    public double[] WeightOfClass { get; set; } = [];

    /// <summary>Number of rows.</summary>
    public int Rows => Table?.Rows ?? Spilled!.Rows;

    /// <summary>Memory that the rows take, or that is kept for reading them.</summary>
    public long BytesInMemory => Table is null ? _budget : _bytes;

    /// <summary>Memory for each of the two windows in which spilled rows are read.</summary>
    public long WindowBytes => _budget / 4;

    /// <summary>Adds a dense row.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        MakeRoom(0);
        if (Table is not null)
            Table.Add(features, target, weight);
        else
            Spill(features, target, weight);
    }

    /// <summary>Adds a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        MakeRoom(indices.Length);
        if (Table is not null)
            Table.AddSparse(indices, values, target, weight);
        else
            SpillSparse(indices, values, target, weight);
    }

    /// <summary>All rows have been added.</summary>
    public void Complete() => Spilled?.Complete();

    /// <summary>Takes a part of the spilled rows into memory.</summary>
    public TrainingTable Load(RowPart part, CancellationToken cancellation)
    {
        TrainingTable table = Shape.CreateTable();
        byte[] buffer = [];
        for (int block = 0; block < Spilled!.Blocks; block++)
        {
            cancellation.ThrowIfCancellationRequested();
            Spilled.Read(block, part, ref buffer, table);
        }
        return table;
    }

    /// <summary>The share of the spilled rows that fits a quarter of the budget, at most <paramref name="fraction"/>.</summary>
    public double ShareInMemory(double fraction) => Math.Min(fraction, _budget / 4.0 / Spilled!.MemoryBytes);

    public void Dispose() => Spilled?.Dispose();

    private void MakeRoom(int entries)
    {
        if (Table is null)
            return;
        _bytes += Shape.RowBytes(entries);
        if (_bytes > _budget && Table.Rows > 0)
            MoveToFile();
    }

    private void MoveToFile()
    {
        TrainingTable table = Table!;
        // A window has 128 of them, so that rows which came sorted are well mixed; and a disk reads one in one go.
        Spilled = new SpilledRows(_createFile(), Shape, (int)Math.Clamp(_budget / 512, 1 << 14, 4 << 20));
        Slots = new SlotSummary(Shape);
        Targets = new TargetSummary();
        Sample = Shape.CreateTable(1 << 20);
        for (int row = 0; row < table.Rows; row++)
        {
            ReadOnlySpan<float> target = table.Targets.Slice(row * Shape.TargetColumns, Shape.TargetColumns);
            float weight = Shape.IsWeighted ? table.Weights[row] : 1;
            if (table.Sparse is { } sparse)
                SpillSparse(sparse.Indices(row), sparse.Values(row), target, weight);
            else
                Spill(table.Features(row), target, weight);
        }
        // The table is as large as the budget, and the windows are to take its place, not to come on top of it.
        Table = null;
        table = null!;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    private void Spill(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        Slots!.Add(features);
        Targets!.Add(target[0], weight);
        if (Sample!.Rows < _sampleRows)
            Sample.Add(features, target, weight);
        else if (_random.Next(Spilled!.Rows + 1) is int place && place < _sampleRows)
            features.CopyTo(Sample.Features(place));
        Spilled!.Add(features, target, weight);
    }

    private void SpillSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        Slots!.AddSparse(indices, values);
        Targets!.Add(target[0], weight);
        Spilled!.AddSparse(indices, values, target, weight);
    }
}
