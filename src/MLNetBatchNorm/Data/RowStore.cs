namespace MLNetBatchNorm.Data;

/// <summary>All rows of a set, wherever they are kept, with what is known of all of them.</summary>
/// <remarks>Rows are added, then completed, and from then on read by any number of <see cref="RowSource"/>s.</remarks>
internal abstract class RowStore : IDisposable
{
    /// <summary>Most rows of a sample for quantiles; more would not move these by anything that matters.</summary>
    public const int LargestSample = 50_000;

    /// <summary>What a row has.</summary>
    public abstract RowShape Shape { get; }

    /// <summary>Number of rows.</summary>
    public abstract int Rows { get; }

    /// <summary>Whether all rows are in memory.</summary>
    public abstract bool IsInMemory { get; }

    /// <summary>Bytes of the temporary file that the rows are in, if they are.</summary>
    public abstract long FileBytes { get; }

    /// <summary>Memory that the rows take, or that is kept for reading them.</summary>
    public abstract long BytesInMemory { get; }

    /// <summary>Mean number of entries of a row; of sparse rows only.</summary>
    public abstract double EntriesOfRow { get; }

    /// <summary>Ranges of the columns, of all rows.</summary>
    public abstract SlotSummary Slots { get; }

    /// <summary>Mean and variance of each target, of all rows in which it is not missing, as they were added.</summary>
    public abstract IReadOnlyList<TargetMoments> Targets { get; }

    /// <summary>How the rows are spread over the classes, where targets are classes; told by whoever adds the rows.</summary>
    public ClassSummary? Classes { get; set; }

    /// <summary>
    /// Targets that are the same in all rows and for that reason not learned; empty where training goes on from a model, which may know
    /// more of them. Told by whoever adds the rows.
    /// </summary>
    public IReadOnlyList<ConstantTarget> ConstantTargets { get; set; } = [];

    /// <summary>Which rows are never to be parted by <see cref="Split"/>; null: each is alone. Told by whoever adds the rows.</summary>
    public RowGroups? Groups { get; set; }

    /// <summary>Some rows to take quantiles from, at most so many; of dense rows only.</summary>
    public abstract TableRows Sample(int atMost);

    /// <summary>
    /// Makes each target <c>(target - mean) / deviation</c>, with numbers of its own, now or whenever it is read; what is missing stays so.
    /// </summary>
    public abstract void StandardizeTargets(IReadOnlyList<(double Mean, double Deviation)> scales);

    /// <summary>All rows.</summary>
    /// <param name="largestBatch">Most rows that are read at once.</param>
    public abstract RowSource All(int largestBatch);

    /// <summary>
    /// Some rows for training and the others, as many as may be and can be kept in memory, for
    /// validation. Every class keeps a row for training.
    /// </summary>
    /// <remarks>Where there are <see cref="Groups"/> they decide, and classes give as many rows as their groups have.</remarks>
    /// <param name="fraction">Share of the rows set aside for validation.</param>
    /// <param name="seed">Decides which.</param>
    /// <param name="byClass">
    /// Whether the first target is a class number, and each class is to give its part; then <see cref="Classes"/> is known.
    /// </param>
    /// <param name="part">
    /// Which of the 1 / fraction disjoint parts is set aside, counted from 0; later numbers are parts of another random order.
    /// </param>
    /// <param name="largestBatch">Most rows that are read at once.</param>
    /// <param name="cancellation">Asked while a file is read.</param>
    /// <returns>Validation is null where no rows can be set aside.</returns>
    public abstract (RowSource Training, TableRows? Validation) Split(
        double fraction, ulong seed, bool byClass, int part, int largestBatch, CancellationToken cancellation);

    /// <summary>A table of all rows; of those that do not fit into memory as many as do, chosen at random.</summary>
    public abstract TrainingTable ToTable(CancellationToken cancellation);

    /// <summary>Number of blocks in which the rows can be taken to another machine.</summary>
    public abstract int Blocks { get; }

    /// <summary>Number of the first row of a block.</summary>
    public abstract int FirstRowOf(int block);

    /// <summary>The bytes of a block, see <see cref="RowBlockWriter"/>, with targets as they are kept. For any thread.</summary>
    public abstract byte[] CopyBlock(int block);

    /// <summary>All rows so far, a table at a time, each to be read before the next is asked for; no rows may follow.</summary>
    public abstract IEnumerable<TrainingTable> Tables();

    public abstract void Dispose();

    /// <summary>Adds a dense row.</summary>
    internal abstract void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight);

    /// <summary>Adds a sparse row.</summary>
    internal abstract void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight);

    /// <summary>Adds a block that <see cref="CopyBlock"/> of a store of the same kind and shape gave; all come in order.</summary>
    /// <remarks>The rows come out in the order that they have there. What only planning asks for is not known of them: slots, targets,
    /// samples.</remarks>
    /// <param name="bytes">The block, or something that is to look like one.</param>
    /// <param name="added">Told about each row before any is added.</param>
    /// <exception cref="InvalidDataException">It is no such block.</exception>
    internal abstract void AddBlock(ReadOnlySpan<byte> bytes, RowAdded added);

    /// <summary>Goes through a block before it is added, and gives back the memory that its rows take.</summary>
    /// <exception cref="InvalidDataException">It is no block of this number and shape.</exception>
    private protected long CheckBlock(ReadOnlySpan<byte> bytes, int number, RowAdded added, out int rows)
    {
        var reader = new RowBlockReader(bytes, Shape, number);
        long memory = 0;
        rows = 0;
        for (; reader.Next(); rows++)
        {
            if (Shape.IsSparse)
                CheckIndices(reader.Indices);
            if (Shape.Ranges is { } ranges)
                CheckCategories(ranges, reader);
            memory += reader.RowBytes;
            added(Rows + rows, reader.Target, reader.Weight);
        }

        if (reader.BytesLeft != 0)
            throw new InvalidDataException($"There are {reader.BytesLeft} bytes behind the last row of block {number}.");
        return memory;
    }

    /// <summary>Numbers of categories are places in arrays later.</summary>
    private void CheckCategories(CategoryRanges ranges, in RowBlockReader row)
    {
        int first = Shape.IsSparse ? row.Entries : ranges.Numbers;
        while (Shape.IsSparse && first > 0 && row.Indices[first - 1] >= ranges.Numbers)
            first--;
        ReadOnlySpan<float> values = Shape.IsSparse ? row.Values : row.Features;
        for (int i = first; i < values.Length; i++)
        {
            int range = (Shape.IsSparse ? row.Indices[i] : i) - ranges.Numbers;
            if (!ranges.IsNumberOf(range, values[i]))
                throw new InvalidDataException($"A row has category {values[i]} of the {ranges[range].Count} of range {range}.");
        }
    }

    private void CheckIndices(ReadOnlySpan<int> indices)
    {
        int last = -1;
        foreach (int index in indices)
        {
            if (index <= last || index >= Shape.Inputs)
                throw new InvalidDataException($"Column {index} stands behind column {last} of a row of {Shape.Inputs} columns.");
            last = index;
        }
    }

    /// <summary>All rows have been added.</summary>
    internal abstract void Complete();
}
