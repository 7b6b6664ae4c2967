using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// The model parameters' <c>Score</c> against ONNX Runtime on the exported model, on one thread: blocks of 1,024 rows and single rows.
/// </summary>
/// <remarks>
/// blocks CASE rows/s OTHERS_rows/s RATIO; row CASE microseconds OTHERS_microseconds RATIO: medians of rounds in which the two take turns,
/// and how many times ours is as fast. Then blocks-threads CASE THREADS rows/s RATIO: 64 blocks in one call on all processors, against one
/// thread. Both compute probabilities. ONNX Runtime gets its input and output memory once, as a careful caller would.
/// </remarks>
internal static class BlocksCommand
{
    private const int BlockRows = 1024;
    private const int Rounds = 9;
    private const double RoundSeconds = 0.15;

    public static int Run(string[] args)
    {
        foreach (string name in args.Length > 0 ? args : ["small", "medium"])
            Compare(NetworkCase.Get(name));
        return 0;
    }

    private static void Compare(NetworkCase c)
    {
        var mlContext = new MLContext(seed: 1);
        BatchNormNetworkMulticlassModelParameters model = c.TrainBriefly(mlContext, out _);
        using var stream = new MemoryStream();
        mlContext.Model.ConvertBatchNormNetworkToOnnx(model, stream);

        int manyRows = 64 * BlockRows;
        float[] features = new float[manyRows * c.Inputs], scores = new float[manyRows * c.Classes];
        var random = new RandomStream(2, 0);
        NetworkCase.FillNormal(features, ref random);
        using var block = new OnnxScorer(stream.ToArray(), features, BlockRows, c);
        using var single = new OnnxScorer(stream.ToArray(), features, 1, c);

        (double ours, double theirs) = Race(() => model.Score(features.AsSpan(0, BlockRows * c.Inputs), BlockRows, scores), block.Run);
        Print($"blocks\t{c.Name}\t{BlockRows / ours * 1e6:F0}\t{BlockRows / theirs * 1e6:F0}\t{theirs / ours:F2}");
        (ours, theirs) = Race(() => model.Score(features.AsSpan(0, c.Inputs), 1, scores), single.Run);
        Print($"row\t{c.Name}\t{ours:F3}\t{theirs:F3}\t{theirs / ours:F2}");

        int threads = Environment.ProcessorCount;
        (double one, double all) = Race(
            () => model.Score(features, manyRows, scores), () => model.Score(features, manyRows, scores, threads));
        Print($"blocks-threads\t{c.Name}\t{threads}\t{manyRows / all * 1e6:F0}\t{one / all:F2}");
    }

    /// <summary>Microseconds of a call of each, the median of rounds in turn.</summary>
    private static (double First, double Second) Race(Action first, Action second)
    {
        Span<double> firsts = stackalloc double[Rounds], seconds = stackalloc double[Rounds];
        Time(first);
        Time(second);
        Thread.Sleep(200);                             // tiered compilation replaces code in the background
        for (int round = 0; round < Rounds; round++)
        {
            firsts[round] = Time(first);
            seconds[round] = Time(second);
        }
        firsts.Sort();
        seconds.Sort();
        return (firsts[Rounds / 2], seconds[Rounds / 2]);
    }

    private static double Time(Action call)
    {
        var clock = Stopwatch.StartNew();
        long calls = 0;
        do
        {
            for (int i = 0; i < 8; i++)
                call();
            calls += 8;
        }
        while (clock.Elapsed.TotalSeconds < RoundSeconds);
        return clock.Elapsed.TotalMicroseconds / calls;
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
