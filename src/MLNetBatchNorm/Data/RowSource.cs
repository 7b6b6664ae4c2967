using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>A stretch of an epoch's rows that lie in one table.</summary>
/// <param name="table">Where they are.</param>
/// <param name="rows">Their numbers in it, in order.</param>
internal readonly ref struct RowRun(TrainingTable table, ReadOnlySpan<int> rows)
{
    public TrainingTable Table { get; } = table;

    public ReadOnlySpan<int> Rows { get; } = rows;
}

/// <summary>Rows in the order in which an epoch reads them, wherever they are kept.</summary>
internal abstract class RowSource
{
    /// <summary>What a row has.</summary>
    public abstract RowShape Shape { get; }

    /// <summary>Number of rows.</summary>
    public abstract int Count { get; }

    /// <summary>Begins an epoch from its first row; shuffled, in an order that depends on seed and epoch.</summary>
    public abstract void BeginEpoch(ulong seed, int epoch, bool shuffle);

    /// <summary>Brings the order to what it was behind so many epochs, so that the next one is the same as in a training that was not interrupted.</summary>
    public abstract void Replay(ulong seed, int epochs, bool shuffle);

    /// <summary>Begins another pass from the first row, in the order of the last epoch.</summary>
    public abstract void Restart();

    /// <summary>Makes rows [first, first + count) of the order readable by <see cref="Run"/>; those before them are given up. For the thread that trains.</summary>
    public abstract void Prepare(int first, int count);

    /// <summary>The longest stretch from row <paramref name="first"/> on that lies in one table, at most <paramref name="count"/> rows. For any thread.</summary>
    public abstract RowRun Run(int first, int count);
}

/// <summary>Rows of a table in memory.</summary>
internal sealed class TableRows(TrainingTable table, int[] rows) : RowSource
{
    /// <summary>The table.</summary>
    public TrainingTable Table => table;

    /// <summary>Row numbers in the table.</summary>
    public int[] Rows => rows;

    public override RowShape Shape => table.Shape;

    public override int Count => rows.Length;

    public override void BeginEpoch(ulong seed, int epoch, bool shuffle)
    {
        if (shuffle)
            new RandomStream(seed, RandomStream.Mix(RandomPurpose.RowOrder) + (ulong)epoch).Shuffle(rows);
    }

    public override void Replay(ulong seed, int epochs, bool shuffle)
    {
        for (int epoch = 1; epoch <= epochs; epoch++)
            BeginEpoch(seed, epoch, shuffle);
    }

    public override void Restart()
    {
    }

    public override void Prepare(int first, int count)
    {
    }

    public override RowRun Run(int first, int count) => new(table, rows.AsSpan(first, count));
}
