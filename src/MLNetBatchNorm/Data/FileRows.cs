using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>Rows in a temporary file.</summary>
/// <remarks>
/// What is learned from all of them is taken as they pass: the columns' ranges, mean and deviation of the targets, and a sample for quantiles, in which every
/// row has the same chance (reservoir sampling, Vitter 1985, algorithm R).
/// </remarks>
internal sealed class FileRows : RowStore
{
    private readonly long _budget;
    private readonly SpilledRows _rows;
    private readonly SlotSummary _slots;
    private readonly TargetSummary _targets = new();
    private readonly TrainingTable _sample;
    private readonly int _sampleRows;
    private RandomStream _random;

    /// <param name="file">Where rows go; disposed with this object.</param>
    /// <param name="shape">What a row has.</param>
    /// <param name="budgetBytes">Most memory for all that reads the rows.</param>
    /// <param name="seed">Chooses the sample.</param>
    public FileRows(SpillFile file, RowShape shape, long budgetBytes, ulong seed)
    {
        _budget = budgetBytes;
        // A window has 128 of them, so that rows which came sorted are well mixed; and a disk reads one in one go.
        _rows = new SpilledRows(file, shape, (int)Math.Clamp(budgetBytes / 512, 1 << 14, 4 << 20));
        _slots = new SlotSummary(shape);
        _sample = shape.CreateTable(1 << 20);
        _sampleRows = (int)Math.Clamp(budgetBytes / 16 / shape.RowBytes(0), 100, LargestSample);
        _random = new RandomStream(seed, RandomPurpose.QuantileSample);
    }

    /// <summary>The rows in their file.</summary>
    public SpilledRows Spilled => _rows;

    public override RowShape Shape => _rows.Shape;

    public override int Rows => _rows.Rows;

    public override bool IsInMemory => false;

    public override long FileBytes => _rows.FileBytes;

    public override long BytesInMemory => _budget;

    public override double EntriesOfRow => _rows.MemoryBytes / (2.0 * sizeof(float)) / Math.Max(1, Rows);

    public override SlotSummary Slots => _slots;

    public override TargetMoments Targets => _targets.Moments;

    /// <summary>Memory for each of the two windows in which rows are read.</summary>
    public long WindowBytes => _budget / 4;

    public override TableRows Sample(int atMost)
    {
        int[] rows = new int[Math.Min(_sample.Rows, atMost)];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = (int)((long)i * _sample.Rows / rows.Length);
        return new TableRows(_sample, rows);
    }

    public override void StandardizeTargets(double mean, double deviation) => _rows.TargetScale = (mean, deviation);

    public override RowSource All(int largestBatch) => Read(RowPart.All, largestBatch);

    public override (RowSource Training, TableRows? Validation) Split(
        double fraction, ulong seed, bool byClass, int part, int largestBatch, CancellationToken cancellation)
    {
        if (fraction == 0)
            return (All(largestBatch), null);
        RowPart aside = RowPart.Of(ShareInMemory(fraction), seed, part);
        TrainingTable validation = Load(aside, cancellation);
        if (byClass && FirstRowsOfClassesAllIn(validation) is { Length: > 0 } needed)
        {
            aside = aside.Without(needed);
            validation = Load(aside, cancellation);
        }

        return (Read(aside.Rest, largestBatch), validation.Rows > 0 ? new TableRows(validation) : null);
    }

    public override TrainingTable ToTable(CancellationToken cancellation) => Load(RowPart.Of(ShareInMemory(1), 0, 0), cancellation);

    /// <summary>Takes a part of the rows into memory.</summary>
    public TrainingTable Load(RowPart part, CancellationToken cancellation)
    {
        TrainingTable table = Shape.CreateTable();
        byte[] buffer = [];
        for (int block = 0; block < _rows.Blocks; block++)
        {
            cancellation.ThrowIfCancellationRequested();
            _rows.Read(block, part, ref buffer, table);
        }
        return table;
    }

    /// <summary>Reads a part of the rows epoch by epoch.</summary>
    public StreamedRows Read(RowPart part, int largestBatch) => new(_rows, part, WindowBytes, largestBatch);

    public override void Dispose() => _rows.Dispose();

    internal override void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        _slots.Add(features);
        _targets.Add(target[0], weight);
        if (_sample.Rows < _sampleRows)
            _sample.Add(features, target, weight);
        else if (_random.Next(_rows.Rows + 1) is int place && place < _sampleRows)
            features.CopyTo(_sample.Features(place));
        _rows.Add(features, target, weight);
    }

    internal override void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        _slots.AddSparse(indices, values);
        _targets.Add(target[0], weight);
        _rows.AddSparse(indices, values, target, weight);
    }

    internal override void Complete() => _rows.Complete();

    /// <summary>The first rows of the classes that would have none left.</summary>
    private int[] FirstRowsOfClassesAllIn(TrainingTable part)
    {
        int[] left = [.. Classes!.Rows];
        foreach (float target in part.Targets)
            left[(int)target]--;
        return [.. Enumerable.Range(0, left.Length).Where(c => left[c] == 0 && Classes.Rows[c] > 0).Select(c => Classes.FirstRows[c])];
    }

    // The share of the rows that fits a quarter of the budget.
    private double ShareInMemory(double fraction) => Math.Min(fraction, _budget / 4.0 / _rows.MemoryBytes);
}
