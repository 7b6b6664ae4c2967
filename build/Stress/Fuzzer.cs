using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Stress;

/// <summary>Counts the branches that an input takes.</summary>
internal interface ICoverage
{
    /// <summary>An input is about to be read.</summary>
    void Begin();

    /// <summary>It has been read. True if it took a branch, or took one clearly more often, than any input before it.</summary>
    bool End();
}

/// <summary>
/// Feeds mutated inputs to a target. Inputs that take a way through the reader that none took before join those that are mutated further: a
/// branch where branches are counted, else an ending (exception and message) stands for the way. The same seed gives the same inputs.
/// </summary>
internal sealed class Fuzzer(FuzzTarget target, ulong seed, ICoverage? coverage = null)
{
    /// <summary>Processor time that no input may take. Not the clock's: a loaded machine, or one that is paused, is no hang.</summary>
    private static readonly TimeSpan s_timeLimit = TimeSpan.FromSeconds(10);

    private readonly List<byte[]> _inputs = [.. target.Seeds];
    private long _inputUnderWay;
    private byte[] _current = [];

    /// <summary>How often each ending came.</summary>
    public Dictionary<string, long> Signatures { get; } = [];

    /// <summary>Inputs and what is wrong with them.</summary>
    public List<(byte[] Input, string Fault)> Faults { get; } = [];

    /// <summary>Inputs that mutations start from by now.</summary>
    public int Inputs => _inputs.Count;

    /// <summary>The largest share of the allowed allocations that an input has taken.</summary>
    public double LargestAllocation { get; private set; }

    /// <summary>Reads the seeds, which must be read, and so many mutated inputs.</summary>
    /// <param name="count">Number of inputs.</param>
    /// <param name="hung">Told about an input that takes too long; the process cannot go on.</param>
    public void Run(long count, Action<byte[]> hung)
    {
        foreach (byte[] input in target.Seeds)
        {
            target.Read(target.Mend(input));
            FuzzResult.Of(target, target.Mend(input));  // what is made only once is made now
        }

        using var timer = Watch(hung);
        var random = new RandomStream(seed, 0);
        for (long i = 0; i < count; i++)
        {
            // The inputs that were kept are mostly damaged ones, of which few changes make a good one: some start from a good one always.
            IReadOnlyList<byte[]> from = random.Next(4) == 0 ? target.Seeds : _inputs;
            byte[] input = target.Mend(
                Mutator.Mutate(ref random, from[random.Next(from.Count)], _inputs[random.Next(_inputs.Count)]));
            _current = input;
            Interlocked.Exchange(ref _inputUnderWay, i);
            coverage?.Begin();
            FuzzResult result = FuzzResult.Of(target, input);
            Note(input, result, coverage?.End() == true);
        }

        Interlocked.Exchange(ref _inputUnderWay, -1);
    }

    private void Note(byte[] input, FuzzResult result, bool newBranch)
    {
        if (result.Fault is { } fault && Faults.Count < 100)
            Faults.Add((input, fault));
        LargestAllocation = Math.Max(LargestAllocation, (double)result.Allocated / target.AllowedBytes(input.Length));
        Signatures[result.Signature] = Signatures.GetValueOrDefault(result.Signature) + 1;
        if ((newBranch || Signatures[result.Signature] == 1) && input.Length is > 0 and < 1 << 16)
            _inputs.Add(input);
    }

    private Timer Watch(Action<byte[]> hung)
    {
        long seen = -1;
        TimeSpan since = TimeSpan.Zero;
        return new Timer(_ =>
        {
            long now = Interlocked.Read(ref _inputUnderWay);
            TimeSpan used = Environment.CpuUsage.TotalTime;
            if (now != seen)
                (seen, since) = (now, used);
            else if (now >= 0 && used - since > s_timeLimit)
                hung(_current);
        }, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }
}
