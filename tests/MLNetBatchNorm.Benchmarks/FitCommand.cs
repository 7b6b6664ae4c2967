using System.Diagnostics;
using Microsoft.ML;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// The work of <c>throughput</c>'s case through the public trainer's <c>Fit</c> on an <see cref="IDataView"/>, reading included.
/// </summary>
/// <remarks>
/// throughput CASE THREADS rows/s before and after; fit CASE THREADS rows/s RATIO to the mean of the two. Rows of <c>Fit</c> are counted
/// once in each epoch. "scaled" leaves the scaling of the features on, as a user would, which <c>throughput</c> does not have.
/// </remarks>
internal static class FitCommand
{
    private const int Epochs = 10;

    public static int Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        int rows = args.Length > 1 ? int.Parse(args[1]) : 1_000_000;
        bool scaled = args.Length > 2 && args[2] == "scaled";
        NetworkCase c = NetworkCase.Get("medium");
        var mlContext = new MLContext(seed: 1);
        IDataView data = NetworkCaseView.Create(mlContext, c, rows);

        double before = MeasureLoop(c, threads);
        double fit = MeasureFit(mlContext, c, data, rows, threads, scaled);
        double after = MeasureLoop(c, threads);
        Console.WriteLine($"fit{(scaled ? "-scaled" : "")}\t{c.Name}\t{threads}\t{fit:F0}\t{fit / ((before + after) / 2):F3}");
        return 0;
    }

    private static double MeasureLoop(NetworkCase c, int threads)
    {
        double rowsPerSecond = c.Train(c.CreateParameters(), c.RandomTable(), threads, seconds: 8).RowsPerSecond;
        Console.WriteLine($"throughput\t{c.Name}\t{threads}\t{rowsPerSecond:F0}");
        return rowsPerSecond;
    }

    private static double MeasureFit(MLContext mlContext, NetworkCase c, IDataView data, int rows, int threads, bool scaled)
    {
        var trainer = mlContext.MulticlassClassification.Trainers.BatchNormNetwork(new BatchNormNetworkMulticlassTrainer.Options
        {
            HiddenUnits = c.Hidden, BatchSize = c.Batch, MaximumNumberOfEpochs = Epochs, LearningRate = 1e-3,
            LearningRateSchedule = new ConstantSchedule(),
            DropoutRate = 0, ValidationFraction = 0, NumberOfInputPieces = 0, NumberOfEnsembleMembers = 1, ScaleInputs = scaled,
            NumberOfThreads = threads, Seed = 1,
        });
        long start = Stopwatch.GetTimestamp();
        trainer.Fit(data);
        return Epochs * (double)rows / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
