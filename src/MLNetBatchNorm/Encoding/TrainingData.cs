using System.Runtime.Intrinsics.X86;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>Some rows of a table, in the order in which they are read, and the encoder they pass on their way into a mini-batch.</summary>
/// <remarks>Rows are encoded anew each time they are read: that costs a hundredth of a training step, and the table stays as small as the raw data.</remarks>
internal sealed class TrainingData
{
    /// <summary>All rows in the table's order; without an encoder rows are read as they are.</summary>
    public TrainingData(TrainingTable table, InputEncoder? encoder = null) : this(table, [.. Enumerable.Range(0, table.Rows)], encoder)
    {
    }

    /// <summary>The given rows of a table.</summary>
    public TrainingData(TrainingTable table, int[] rows, InputEncoder? encoder = null) : this(new TableRows(table, rows), encoder)
    {
    }

    /// <summary>The rows of a source.</summary>
    public TrainingData(RowSource source, InputEncoder? encoder = null)
    {
        Source = source;
        Encoder = encoder ?? InputEncoder.Identity(source.Shape.Inputs);
        if (Encoder.RawInputs != source.Shape.Inputs)
            throw new ArgumentException($"The table has {source.Shape.Inputs} columns, the encoder {Encoder.RawInputs} slots.", nameof(encoder));
    }

    /// <summary>Where the rows come from.</summary>
    public RowSource Source { get; }

    /// <summary>The table in memory that the rows are in. Not for streamed rows.</summary>
    public TrainingTable Table => InMemory.Table;

    /// <summary>Row numbers in <see cref="Table"/>. Not for streamed rows.</summary>
    public int[] Rows => InMemory.Rows;

    /// <summary>From raw rows to the network's inputs.</summary>
    public InputEncoder Encoder { get; }

    /// <summary>The same rows behind another encoder.</summary>
    public TrainingData EncodedBy(InputEncoder encoder) => new(Source, encoder);

    /// <summary>Number of rows.</summary>
    public int Count => Source.Count;

    /// <summary>What a row has.</summary>
    public RowShape Shape => Source.Shape;

    /// <summary>The first rows of the present order as data of their own, in memory.</summary>
    public TrainingData Head(int count)
    {
        if (Source is TableRows table)
            return new TrainingData(table.Table, table.Rows[..count], Encoder);
        Source.Restart();
        Source.Prepare(0, count);
        TrainingTable head = Shape.CreateTable();
        for (int done = 0; done < count; done = head.Rows)
        {
            RowRun run = Source.Run(done, count - done);
            foreach (int row in run.Rows)
                head.AddFrom(run.Table, row);
        }
        return new TrainingData(head, Encoder);
    }

    /// <summary>
    /// Sets aside a part of the rows for validation, at random but the same for the same seed; for class numbers every class gives its part.
    /// Neither side is empty if there are two rows or more.
    /// </summary>
    /// <param name="fraction">Share of the rows set aside.</param>
    /// <param name="seed">Decides which.</param>
    /// <param name="byClass">Whether the first target is a class number.</param>
    /// <param name="part">
    /// Which of the 1 / fraction disjoint parts is set aside, as in cross-validation, counted from 0; later numbers are parts of another random order.
    /// </param>
    public (TrainingData Training, TrainingData Validation) Split(double fraction, ulong seed, bool byClass, int part = 0)
    {
        int parts = Math.Max(1, (int)Math.Round(1 / fraction));
        var random = new RandomStream(seed, RandomPurpose.ValidationRows + (ulong)(part / parts));
        int[] order = [.. Rows];
        random.Shuffle(order);
        if (byClass)
        {
            // After a stable sort by class, every k-th row is validation: each class gives its part, to within a row.
            float[] classes = [.. order.Select(row => Table.Targets[row])];
            order = [.. Enumerable.Range(0, order.Length).OrderBy(i => classes[i]).Select(i => order[i])];
        }
        int wanted = Math.Clamp((int)Math.Round(fraction * order.Length), Math.Min(1, order.Length - 1), order.Length - 1);
        var training = new List<int>(order.Length - wanted);
        var validation = new List<int>(wanted);
        for (int i = 0; i < order.Length; i++)
        {
            int position = (i + part % parts) % order.Length;
            bool taken = (long)(position + 1) * wanted / order.Length > (long)position * wanted / order.Length;
            (taken ? validation : training).Add(order[i]);
        }
        int[] trainingRows = [.. training], validationRows = [.. validation];
        Array.Sort(trainingRows);
        Array.Sort(validationRows);
        return (new TrainingData(Table, trainingRows, Encoder), new TrainingData(Table, validationRows, Encoder));
    }

    /// <summary>Encodes rows [first, first + count) of this order into the rows [firstRow, ...) of a mini-batch in panels.</summary>
    public void GatherFeatures(int first, int count, Span<float> panels, int rowCapacity, int firstRow)
    {
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            GatherFeatures(run.Table, run.Rows, panels, rowCapacity, firstRow + done);
            done += run.Rows.Length;
        }
    }

    /// <summary>Copies targets, and weights unless <paramref name="weights"/> is empty, of rows [first, first + count) of this order.</summary>
    public void GatherTargets(int first, int count, Span<float> targets, Span<float> weights)
    {
        int columns = Shape.TargetColumns;
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            ReadOnlySpan<float> allTargets = run.Table.Targets, allWeights = run.Table.Weights;
            foreach (int row in run.Rows)
            {
                allTargets.Slice(row * columns, columns).CopyTo(targets[(done * columns)..]);
                if (!weights.IsEmpty)
                    weights[done] = allWeights[row];
                done++;
            }
        }
    }

    /// <summary>Encodes rows [first, first + count) of this order into a sparse mini-batch.</summary>
    public void GatherSparse(int first, int count, SparseBatch batch)
    {
        batch.Clear();
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            SparseRows sparse = run.Table.Sparse!;
            foreach (int row in run.Rows)
                Encoder.EncodeSparse(sparse.Indices(row), sparse.Values(row), batch);
            done += run.Rows.Length;
        }
        batch.FindTouched();
    }

    private TableRows InMemory => Source as TableRows ?? throw new InvalidOperationException("The rows are not in memory.");

    private void GatherFeatures(TrainingTable table, ReadOnlySpan<int> rows, Span<float> panels, int rowCapacity, int firstRow)
    {
        for (int r = 0; r < rows.Length; r++)
        {
            if (r + PrefetchDistance < rows.Length)
                Prefetch(table.PaddedFeatures(rows[r + PrefetchDistance]));
            Encoder.EncodeToPanels(table.PaddedFeatures(rows[r]), panels, rowCapacity, firstRow + r);
        }
    }

    // Rows of a shuffled table are cache misses; asking for them this many rows ahead hides most of the memory's latency.
    private const int PrefetchDistance = 4;

    private static unsafe void Prefetch(ReadOnlySpan<float> row)
    {
        if (!Sse.IsSupported)
            return;
        // Chunks are pinned; a prefetch of any address is harmless in any case.
        fixed (float* start = row)
        {
            for (int i = 0; i < row.Length; i += PanelLayout.Width)
                Sse.Prefetch0(start + i);
        }
    }
}
