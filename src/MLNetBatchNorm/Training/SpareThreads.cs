namespace MLNetBatchNorm.Training;

/// <summary>
/// Threads of trainings that have ended, for those that still run: of five networks on two threads the last one would keep one of them
/// waiting. How many a training uses has no influence on what it comes to.
/// </summary>
/// <param name="all">Threads of all trainings together, more than which none can ever have.</param>
internal sealed class SpareThreads(int all)
{
    private int _free;
    private int _taken;

    /// <summary>Threads of all trainings together.</summary>
    public int All => all;

    /// <summary>How many have been taken in all, those that were left again included.</summary>
    public int Taken => Volatile.Read(ref _taken);

    /// <summary>Leaves threads to the others.</summary>
    public void Leave(int threads) => Interlocked.Add(ref _free, threads);

    /// <summary>Takes as many as there are, at most so many; whoever takes some leaves them again at its end.</summary>
    public int Take(int most)
    {
        while (true)
        {
            int free = Volatile.Read(ref _free), taken = Math.Min(free, most);
            if (taken <= 0)
                return 0;
            if (Interlocked.CompareExchange(ref _free, free - taken, free) != free)
                continue;
            Interlocked.Add(ref _taken, taken);
            return taken;
        }
    }
}
