using System.Diagnostics;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Steady-state speed of the training loop that <c>Fit</c> runs, and of scoring.</summary>
/// <remarks>
/// train CASE THREADS rows/s; score1 CASE THREADS microseconds for one row; score CASE THREADS rows/s in blocks of 1,024;
/// memory CASE THREADS bytes over the data, and as a multiple of the parameters.
/// AdamW, ReLU, batch normalization at placement A, softmax cross-entropy, no dropout, no validation, data in memory, rows shuffled every epoch.
/// </remarks>
internal static class Throughput
{
    private sealed record Case(string Name, int Batch, int Inputs, int[] Hidden, int Classes, int Rows);

    private static readonly Case[] Cases =
    [
        new("small", 256, 32, [128, 64], 2, 50_000),
        new("mnist", 60, 784, [100, 100, 100], 10, 30_000),
        new("medium", 256, 100, [512, 256, 128], 10, 50_000),
        new("wide", 1024, 100, [512, 512, 512], 10, 50_000),
    ];

    public static int Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        double seconds = args.Length > 1 ? double.Parse(args[1]) : 4;
        string? only = args.Length > 2 ? args[2] : null;
        foreach (Case c in Cases.Where(c => only is null || c.Name == only))
        {
            var definition = new NetworkDefinition { Inputs = c.Inputs, HiddenUnits = c.Hidden, Outputs = c.Classes };
            NetworkParameters parameters = Initialization.Create(definition, seed: 1);
            TrainingTable table = RandomTable(c);
            Train(c, threads, seconds, parameters, table);
            Score(c, threads, seconds / 4, parameters);
        }
        return 0;
    }

    private static TrainingTable RandomTable(Case c)
    {
        var table = new TrainingTable(c.Inputs, 1, weighted: false);
        var random = new RandomStream(1, 0);
        for (int r = 0; r < c.Rows; r++)
        {
            Span<float> features = table.Add([random.Next(c.Classes)], 1);
            for (int i = 0; i < features.Length; i++)
                features[i] = Normal(ref random);
        }
        return table;
    }

    // The sum of twelve uniform numbers: near enough to a normal one for a benchmark's input.
    private static float Normal(ref RandomStream random)
    {
        double sum = -6;
        for (int i = 0; i < 12; i++)
            sum += random.NextDouble();
        return (float)sum;
    }

    private static void Train(Case c, int threads, double seconds, NetworkParameters parameters, TrainingTable table)
    {
        var settings = new TrainingSettings
        {
            Loss = LossFunction.SoftmaxCrossEntropy, BatchSize = c.Batch, MaximumEpochs = 1_000_000, LearningRate = 1e-3, Threads = threads, Seed = 1,
        };
        long before = GC.GetTotalMemory(forceFullCollection: true);
        using var stop = new CancellationTokenSource();
        var clock = new EpochClock(seconds, stop);
        try
        {
            TrainingLoop.Train(parameters, new TrainingData(table), null, settings, clock, stop.Token);
        }
        catch (OperationCanceledException)
        {
        }
        Console.WriteLine($"train\t{c.Name}\t{threads}\t{clock.Epochs * (double)c.Rows / clock.Seconds:F0}");
        long used = clock.PeakMemory - before;
        Console.WriteLine($"memory\t{c.Name}\t{threads}\t{used}\t{used / (4.0 * parameters.ParameterCount):F2}");
    }

    private static void Score(Case c, int threads, double seconds, NetworkParameters parameters)
    {
        FoldedNetwork network = FoldedNetwork.Create(InputEncoder.Identity(c.Inputs), parameters);
        const int blockRows = 1024;
        var random = new RandomStream(2, 0);
        var raw = new float[blockRows * c.Inputs];
        foreach (ref float value in raw.AsSpan())
            value = Normal(ref random);
        var outputs = new float[blockRows * c.Classes];

        ScoringScratch one = network.CreateScratch(1);
        var clock = new Stopwatch();
        long calls = Repeat(seconds, clock, 500, () => network.Score(raw.AsSpan(0, c.Inputs), 1, outputs, one));
        Console.WriteLine($"score1\t{c.Name}\t{threads}\t{clock.Elapsed.TotalMicroseconds / calls:F3}");

        using var team = new WorkerTeam(threads);
        ScoringScratch[] scratches = [.. Enumerable.Range(0, threads).Select(_ => network.CreateScratch())];
        Action<Worker> body = worker =>
        {
            (int first, int end) = worker.Share(blockRows);
            network.Score(
                raw.AsSpan(first * c.Inputs, (end - first) * c.Inputs), end - first,
                outputs.AsSpan(first * c.Classes, (end - first) * c.Classes), scratches[worker.Index]);
        };
        calls = Repeat(seconds, clock, 20, () => team.Run(body));
        Console.WriteLine($"score\t{c.Name}\t{threads}\t{calls * blockRows / clock.Elapsed.TotalSeconds:F0}");
    }

    private static long Repeat(double seconds, Stopwatch clock, int warmUp, Action call)
    {
        // Warm-up until tiered compilation has settled, then the measured part, timed in batches so that the clock costs nothing.
        for (int round = 0; round < 3; round++)
        {
            for (int i = 0; i < warmUp; i++)
                call();
            Thread.Sleep(150);
        }
        long calls = 0;
        clock.Restart();
        while (clock.Elapsed.TotalSeconds < seconds)
        {
            for (int i = 0; i < 16; i++)
                call();
            calls += 16;
        }
        clock.Stop();
        return calls;
    }

    /// <summary>Times epochs after a warm-up of a second, then asks training to stop.</summary>
    private sealed class EpochClock(double seconds, CancellationTokenSource stop) : ITrainingObserver
    {
        private const double WarmUpSeconds = 1;
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private bool _warm;

        public int Epochs { get; private set; }

        public double Seconds { get; private set; }

        public long PeakMemory { get; private set; }

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs)
        {
            if (!_warm)
            {
                if (_clock.Elapsed.TotalSeconds < WarmUpSeconds)
                    return;
                _warm = true;
                PeakMemory = GC.GetTotalMemory(forceFullCollection: true);
                _clock.Restart();
                return;
            }
            Epochs++;
            Seconds = _clock.Elapsed.TotalSeconds;
            if (Seconds >= seconds)
                stop.Cancel();
        }
    }
}
