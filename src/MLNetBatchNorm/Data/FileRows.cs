namespace MLNetBatchNorm.Data;

/// <summary>Rows in a temporary file.</summary>
/// <remarks>
/// What is learned from all of them is taken as they pass: facts of the columns, mean and
/// deviation of the targets, and a sample for quantiles.
/// </remarks>
internal sealed class FileRows : RowStore
{
    // Entries of a sparse row for which there is to be room in the sample.
    private const int TypicalEntries = 100;

    private const int SampleChunkBytes = 1 << 20;

    private readonly long _budget;
    private readonly SpilledRows _rows;
    private readonly SlotSummary _slots;
    private readonly TargetSummary[] _targets;
    private TrainingTable _sample;
    private readonly List<int> _places = [];
    private RowSample _chosen;

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
        _targets = [.. Enumerable.Range(0, shape.TargetColumns).Select(_ => new TargetSummary())];
        _sample = shape.CreateTable(SampleChunkBytes);
        _chosen = new RowSample((int)Math.Clamp(budgetBytes / 32 / shape.RowBytes(TypicalEntries), 100, LargestSample), seed);
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

    public override IReadOnlyList<TargetMoments> Targets => [.. _targets.Select(target => target.Moments)];

    /// <summary>Memory for each of the two windows in which rows are read.</summary>
    public long WindowBytes => _budget / 4;

    public override TableRows Sample(int atMost)
    {
        int[] rows = new int[Math.Min(_places.Count, atMost)];
        for (int i = 0; i < rows.Length; i++)
            rows[i] = _places[(int)((long)i * _places.Count / rows.Length)];
        return new TableRows(_sample, rows);
    }

    public override void StandardizeTargets(IReadOnlyList<(double Mean, double Deviation)> scales) => _rows.TargetScales = [.. scales];

    public override RowSource All(int largestBatch) => Read(RowPart.All, largestBatch);

    public override (RowSource Training, TableRows? Validation) Split(
        double fraction, ulong seed, bool byClass, int part, int largestBatch, CancellationToken cancellation)
    {
        if (fraction == 0)
            return (All(largestBatch), null);
        // Groups, which cannot be cut, may take half of the budget instead of a quarter.
        RowPart aside = Groups is null
            ? RowPart.Of(ShareInMemory(fraction), seed, part)
            : Groups.Part(ShareInMemory(fraction), seed, part, mostRows: (long)(Rows * Math.Min(1, _budget / 2.0 / _rows.MemoryBytes)));
        TrainingTable validation = Load(aside, cancellation);
        if (byClass && Classes!.FirstRowsOfClassesAllIn(validation.Targets.ToArray()) is { Length: > 0 } needed)
        {
            aside = aside.Without(needed);
            validation = Load(aside, cancellation);
        }

        RowPart chosen = aside;
        return (
            Read(aside.Rest, largestBatch),
            validation.Rows > 0 ? new TableRows(validation) { NumbersInStore = () => NumbersOf(chosen) } : null);
    }

    /// <summary>In the order in which the part is loaded.</summary>
    private int[] NumbersOf(RowPart part) => [.. Enumerable.Range(0, Rows).Where(part.Contains)];

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

    public override IEnumerable<TrainingTable> Tables()
    {
        _rows.Complete();
        TrainingTable table = Shape.CreateTable(SampleChunkBytes);
        byte[] buffer = [];
        for (int block = 0; block < _rows.Blocks; block++)
        {
            table.Clear();
            _rows.Read(block, RowPart.All, ref buffer, table);
            yield return table;
        }
    }

    public override void Dispose() => _rows.Dispose();

    internal override void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        _slots.Add(features);
        AddTargets(target, weight);
        if (_chosen.PlaceOf(Rows) is >= 0 and int place)
        {
            _sample.Add(features, target, weight);
            Place(place);
        }
        _rows.Add(features, target, weight);
    }

    internal override void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        _slots.AddSparse(indices, values);
        AddTargets(target, weight);
        if (_chosen.PlaceOf(Rows) is >= 0 and int place)
        {
            _sample.AddSparse(indices, values, target, weight);
            Place(place);
        }
        _rows.AddSparse(indices, values, target, weight);
    }

    public override int Blocks => _rows.Blocks;

    public override int FirstRowOf(int block) => _rows.RowsOf(block).First;

    public override byte[] CopyBlock(int block) => _rows.Copy(block);

    internal override void AddBlock(ReadOnlySpan<byte> bytes, RowAdded added)
    {
        long memory = CheckBlock(bytes, _rows.Blocks, added, out int rows);
        _rows.AddBlock(bytes, rows, memory);
    }

    internal override void Complete() => _rows.Complete();

    private void AddTargets(ReadOnlySpan<float> target, float weight)
    {
        for (int column = 0; column < target.Length; column++)
            _targets[column].Add(target[column], weight);
    }

    // The share of the rows that fits a quarter of the budget.
    private double ShareInMemory(double fraction) => Math.Min(fraction, _budget / 4.0 / _rows.MemoryBytes);

    /// <summary>The last row of the table takes a place in the sample; now and then the rows that were driven out are given up.</summary>
    private void Place(int place)
    {
        if (place == _places.Count)
            _places.Add(0);
        _places[place] = _sample.Rows - 1;
        if (_sample.Rows < 2 * _chosen.Size)
            return;
        TrainingTable kept = Shape.CreateTable(SampleChunkBytes);
        for (int i = 0; i < _places.Count; i++)
        {
            kept.AddFrom(_sample, _places[i]);
            _places[i] = i;
        }
        _sample = kept;
    }
}
