using System.Runtime.Intrinsics.X86;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>Rows in the order in which they are read, and the encoder they pass on their way into a mini-batch.</summary>
/// <remarks>
/// Rows are encoded anew each time they are read, so that the table stays as small as the raw data. That costs from a fiftieth to a fifth
/// of a training step, the more the narrower the network.
/// </remarks>
internal sealed class EncodedRows
{
    /// <summary>All rows of a table in its order; without an encoder rows are read as they are.</summary>
    public EncodedRows(TrainingTable table, InputEncoder? encoder = null) : this(new TableRows(table), encoder)
    {
    }

    /// <summary>The rows of a source.</summary>
    public EncodedRows(RowSource source, InputEncoder? encoder = null)
    {
        Source = source;
        Encoder = encoder ?? InputEncoder.Identity(source.Shape.Inputs);
        if (Encoder.Slots != source.Shape.Inputs)
        {
            throw new ArgumentException(
                $"The table has {source.Shape.Inputs} columns, the encoder {Encoder.Slots} slots.", nameof(encoder));
        }
    }

    /// <summary>Where the rows come from.</summary>
    public RowSource Source { get; }

    /// <summary>From raw rows to the network's inputs.</summary>
    public InputEncoder Encoder { get; }

    /// <summary>The same rows behind another encoder.</summary>
    public EncodedRows EncodedBy(InputEncoder encoder) => new(Source, encoder);

    /// <summary>Number of rows.</summary>
    public int Count => Source.Count;

    /// <summary>What a row has.</summary>
    public RowShape Shape => Source.Shape;

    /// <summary>The first rows of the present order by themselves, in memory.</summary>
    public EncodedRows Head(int count) => new(Source.Head(count), Encoder);

    /// <summary>Encodes rows [first, first + count) of this order into the rows [firstRow, ...) of a mini-batch in panels.</summary>
    public void GatherFeatures(int first, int count, Span<float> panels, int rowCapacity, int firstRow) =>
        GatherFeatures(Encoder, first, count, panels, rowCapacity, firstRow);

    /// <summary>The same with some parts of the encoder alone.</summary>
    public void GatherFeatures(InputEncoder parts, int first, int count, Span<float> panels, int rowCapacity, int firstRow)
    {
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            GatherFeatures(parts, run.Table, run.Rows, panels, rowCapacity, firstRow + done);
            done += run.Rows.Length;
        }
    }

    /// <summary>Encodes rows [first, first + count) of this order one behind the other.</summary>
    /// <param name="first">First row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="rows">Room for them.</param>
    /// <param name="stride">Numbers from one row to the next.</param>
    public void GatherRows(int first, int count, Span<float> rows, int stride)
    {
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            foreach (int row in run.Rows)
                Encoder.Encode(run.Table.Features(row), rows.Slice(done++ * stride, stride));
        }
    }

    /// <summary>Encodes the pieces of rows [first, first + count) of this order as rows of a table.</summary>
    /// <param name="first">First row.</param>
    /// <param name="count">Number of rows.</param>
    /// <param name="indices">Rows of the table, for these rows one behind the other.</param>
    /// <param name="fractions">Fractions, likewise.</param>
    public void GatherPieces(int first, int count, Span<int> indices, Span<float> fractions)
    {
        PieceTable table = Encoder.Table!;
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            SparseRows? sparse = run.Table.Sparse;
            foreach (int row in run.Rows)
            {
                int at = done++ * table.Slots;
                if (sparse is null)
                    table.Encode(run.Table.PaddedFeatures(row), indices[at..], fractions[at..]);
                else
                    table.EncodeSparse(sparse.Indices(row), sparse.Values(row), indices[at..], fractions[at..]);
            }
        }
    }

    /// <summary>
    /// Copies targets, and weights unless <paramref name="weights"/> is empty, of rows [first, first + count) of this order.
    /// </summary>
    public void GatherTargets(int first, int count, Span<float> targets, Span<float> weights)
    {
        int columns = Shape.TargetColumns;
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            ReadOnlySpan<float> allTargets = run.Table.Targets, allWeights = run.Table.Weights;
            foreach (int row in run.Rows)
            {
                if (columns == 1)                      // a call for a single number costs more than the number
                    targets[done] = allTargets[row];
                else
                    allTargets.Slice(row * columns, columns).CopyTo(targets[(done * columns)..]);
                if (!weights.IsEmpty)
                    weights[done] = allWeights[row];
                done++;
            }
        }
    }

    /// <summary>Encodes rows [first, first + count) of this order, sparse or not, into a sparse mini-batch.</summary>
    public void GatherSparse(int first, int count, SparseBatch batch) => GatherSparse(Encoder, 0, first, count, batch);

    /// <summary>The same with some parts of the encoder alone, or those from one on.</summary>
    public void GatherSparse(InputEncoder parts, int firstPart, int first, int count, SparseBatch batch)
    {
        batch.Clear();
        for (int done = 0; done < count;)
        {
            RowRun run = Source.Run(first + done, count - done);
            TrainingTable table = run.Table;
            ReadOnlySpan<int> rows = run.Rows;
            for (int r = 0; r < rows.Length; r++)
            {
                if (table.Sparse is { } sparse)
                {
                    parts.EncodeSparse(sparse.Indices(rows[r]), sparse.Values(rows[r]), batch, firstPart);
                    continue;
                }
                if (r + PrefetchDistance < rows.Length)
                    Prefetch(table.PaddedFeatures(rows[r + PrefetchDistance]));
                parts.EncodeFilled(table.Features(rows[r]), batch, firstPart);
            }
            done += rows.Length;
        }
        batch.FindTouched();
    }

    private static void GatherFeatures(
        InputEncoder encoder, TrainingTable table, ReadOnlySpan<int> rows, Span<float> panels, int rowCapacity, int firstRow)
    {
        for (int r = 0; r < rows.Length; r++)
        {
            if (r + PrefetchDistance < rows.Length)
                Prefetch(table.PaddedFeatures(rows[r + PrefetchDistance]));
            encoder.EncodeToPanels(table.PaddedFeatures(rows[r]), panels, rowCapacity, firstRow + r);
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
