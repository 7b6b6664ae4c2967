namespace MLNetBatchNorm.Data;

/// <summary>Rows in the order in which an epoch reads them, wherever they are kept.</summary>
internal abstract class RowSource : IDisposable
{
    /// <summary>What a row has.</summary>
    public abstract RowShape Shape { get; }

    /// <summary>Number of rows.</summary>
    public abstract int Count { get; }

    /// <summary>Begins an epoch from its first row; shuffled, in an order that depends on seed and epoch.</summary>
    public abstract void BeginEpoch(ulong seed, int epoch, bool shuffle);

    /// <summary>
    /// Brings the order to what it was behind so many epochs, so that the next one is the same as in a training that was not interrupted.
    /// </summary>
    public abstract void Replay(ulong seed, int epochs, bool shuffle);

    /// <summary>Begins another pass from the first row, in the order of the last epoch.</summary>
    public abstract void Restart();

    /// <summary>
    /// Makes rows [first, first + count) of the order readable by <see cref="Run"/>; those before
    /// them are given up. For the thread that trains.
    /// </summary>
    public abstract void Prepare(int first, int count);

    /// <summary>
    /// The longest stretch from row <paramref name="first"/> on that lies in one table, at most
    /// <paramref name="count"/> rows. For any thread.
    /// </summary>
    public abstract RowRun Run(int first, int count);

    /// <summary>The first rows of the present order by themselves, in memory.</summary>
    public virtual TableRows Head(int count)
    {
        Restart();
        Prepare(0, count);
        TrainingTable head = Shape.CreateTable();
        for (int done = 0; done < count; done = head.Rows)
        {
            RowRun run = Run(done, count - done);
            foreach (int row in run.Rows)
                head.AddFrom(run.Table, row);
        }
        return new TableRows(head);
    }

    /// <summary>Ends the reading; the rows remain where they are.</summary>
    public virtual void Dispose()
    {
    }
}
