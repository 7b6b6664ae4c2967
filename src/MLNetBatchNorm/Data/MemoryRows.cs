namespace MLNetBatchNorm.Data;

/// <summary>Rows in one table in memory.</summary>
/// <param name="table">The rows.</param>
/// <param name="seed">Chooses samples.</param>
internal sealed class MemoryRows(TrainingTable table, ulong seed = 0) : RowStore
{
    // Memory of the rows of a block that travels, roughly: small enough for a message, large enough that there are few of them.
    private const int BlockBytes = 1 << 20;

    private long _bytes;
    private int _blocksAdded;

    /// <summary>The rows.</summary>
    public TrainingTable Table => table;

    public override RowShape Shape => table.Shape;

    public override int Rows => table.Rows;

    public override bool IsInMemory => true;

    public override long FileBytes => 0;

    public override long BytesInMemory => _bytes;

    public override double EntriesOfRow => (double)table.Sparse!.Entries / Math.Max(1, Rows);

    public override SlotSummary Slots => field ??= SlotSummary.Of(table);

    public override IReadOnlyList<TargetMoments> Targets => TargetMoments.Of(table);

    public override TableRows Sample(int atMost)
    {
        var sample = new RowSample(Math.Min(Rows, atMost), seed);
        int[] rows = new int[sample.Size];
        for (int row = 0; row < Rows; row++)
        {
            if (sample.PlaceOf(row) is >= 0 and int place)
                rows[place] = row;
        }
        return new TableRows(table, rows);
    }

    public override void StandardizeTargets(IReadOnlyList<(double Mean, double Deviation)> scales)
    {
        Span<float> targets = table.Targets;
        for (int column = 0; column < scales.Count; column++)
        {
            (double mean, double deviation) = scales[column];
            for (int i = column; i < targets.Length; i += scales.Count)
                targets[i] = (float)((targets[i] - mean) / deviation);
        }
    }

    public override RowSource All(int largestBatch) => new TableRows(table);

    public override (RowSource Training, TableRows? Validation) Split(
        double fraction, ulong seed, bool byClass, int part, int largestBatch, CancellationToken cancellation)
    {
        var all = new TableRows(table);
        // Two rows must be left to train on.
        if (fraction == 0 || Rows < 3)
            return (all, null);
        (TableRows training, TableRows validation) = Groups is null
            ? all.Split(fraction, seed, byClass, part)
            : SplitGroups(Groups.Part(fraction, seed, part, mostRows: long.MaxValue), byClass);
        return validation.Count == 0 ? (all, null) : (training, validation);
    }

    public override TrainingTable ToTable(CancellationToken cancellation) => table;

    public override int Blocks => (int)((Rows + (long)RowsOfBlock - 1) / RowsOfBlock);

    private int RowsOfBlock => (int)Math.Clamp((long)BlockBytes * Rows / Math.Max(1, table.MemoryBytes), 1, Math.Max(1, Rows));

    public override int FirstRowOf(int block) => block * RowsOfBlock;

    public override byte[] CopyBlock(int block)
    {
        int first = block * RowsOfBlock, end = (int)Math.Min(Rows, (long)first + RowsOfBlock);
        var writer = new RowBlockWriter(Shape, (int)((end - first) * (table.MemoryBytes / Math.Max(1, Rows))));
        for (int row = first; row < end; row++)
            writer.AddFrom(table, row);
        return writer.Close(block).ToArray();
    }

    private (TableRows Training, TableRows Validation) SplitGroups(RowPart aside, bool byClass)
    {
        if (byClass)
            aside = aside.Without(Classes!.FirstRowsOfClassesAllIn(RowsOf(aside).Select(row => table.Targets[row])));
        return (new TableRows(table, RowsOf(aside.Rest)), new TableRows(table, RowsOf(aside)));
    }

    private int[] RowsOf(RowPart part) => [.. Enumerable.Range(0, Rows).Where(part.Contains)];

    public override IEnumerable<TrainingTable> Tables() => [table];

    public override void Dispose()
    {
    }

    internal override void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        table.Add(features, target, weight);
        _bytes += Shape.RowBytes(0);
    }

    internal override void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        table.AddSparse(indices, values, target, weight);
        _bytes += Shape.RowBytes(indices.Length);
    }

    internal override void AddBlock(ReadOnlySpan<byte> bytes, RowAdded added)
    {
        _bytes += CheckBlock(bytes, _blocksAdded, added, out _);
        var reader = new RowBlockReader(bytes, Shape, _blocksAdded++);
        while (reader.Next())
            reader.AddTo(table, reader.Target);
    }

    internal override void Complete() => table.Trim();
}
