using System.Diagnostics;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Steady-state speed of the training loop that <c>Fit</c> runs, and of scoring.</summary>
/// <remarks>
/// train CASE THREADS rows/s; score1 CASE THREADS microseconds for one row; score CASE THREADS rows/s in blocks of 1,024, of pictures 256;
/// memory CASE THREADS bytes beyond the data, bytes of these for the activations of one batch, and the rest as a multiple of the
/// parameters. With the name of a native library instead: train CASE THREADS rows/s, and native CASE THREADS rows/s RATIO with the
/// library's matrix products, each the median of rounds in which the two take turns.
/// AdamW, ReLU, batch normalization at placement A, softmax cross-entropy, no dropout, no
/// validation, data in memory, rows shuffled every epoch.
/// </remarks>
internal static class Throughput
{
    private const int NativeRounds = 5;

    public static int Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        double seconds = args.Length > 1 ? double.Parse(args[1]) : 4;
        string? only = args.Length > 2 ? args[2] : null;
        MatrixProducts? native = args.Length > 3 ? new NativeMatrixMultiply(NativeBlas.Load(args[3])) : null;
        foreach (NetworkCase c in only is null or "all" ? NetworkCase.All : [NetworkCase.Get(only)])
        {
            if (native is not null)
            {
                CompareProducts(c, threads, seconds, native);
                continue;
            }
            NetworkParameters parameters = c.CreateParameters();
            TrainingTable table = c.RandomTable();
            TrainingSpeed speed = c.Train(parameters, table, threads, seconds);
            Console.WriteLine($"train\t{c.Name}\t{threads}\t{speed.RowsPerSecond:F0}");
            double copies = (speed.Memory - speed.Activations) / (4.0 * parameters.ParameterCount);
            Console.WriteLine($"memory\t{c.Name}\t{threads}\t{speed.Memory}\t{speed.Activations}\t{copies:F2}");
            Score(c, threads, seconds / 4, parameters);
        }
        return 0;
    }

    private static void CompareProducts(NetworkCase c, int threads, double seconds, MatrixProducts native)
    {
        TrainingTable table = c.RandomTable();
        double[] managedSpeeds = new double[NativeRounds], nativeSpeeds = new double[NativeRounds];
        for (int round = 0; round < NativeRounds; round++)
        {
            managedSpeeds[round] = c.Train(c.CreateParameters(), table, threads, seconds).RowsPerSecond;
            nativeSpeeds[round] = c.Train(c.CreateParameters(), table, threads, seconds, native).RowsPerSecond;
        }
        double managedSpeed = managedSpeeds.Order().ElementAt(NativeRounds / 2),
            nativeSpeed = nativeSpeeds.Order().ElementAt(NativeRounds / 2);
        Console.WriteLine($"train\t{c.Name}\t{threads}\t{managedSpeed:F0}");
        Console.WriteLine($"native\t{c.Name}\t{threads}\t{nativeSpeed:F0}\t{nativeSpeed / managedSpeed:F2}");
    }

    private static void Score(NetworkCase c, int threads, double seconds, NetworkParameters parameters)
    {
        FoldedNetwork network = FoldedNetwork.Create(InputEncoder.Identity(c.Inputs), parameters);
        int blockRows = c.Picture is null ? 1024 : 256;
        var random = new RandomStream(2, 0);
        var raw = new float[blockRows * c.Inputs];
        NetworkCase.FillNormal(raw, ref random);
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
}
