using System.Diagnostics;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>The work of <c>throughput</c>'s case through the public trainer's <c>Fit</c> on an <see cref="IDataView"/>, reading included.</summary>
/// <remarks>
/// throughput CASE THREADS rows/s before and after; fit CASE THREADS rows/s RATIO to the mean of the two. Rows of <c>Fit</c> are counted once in each epoch.
/// "scaled" leaves the scaling of the features on, as a user would, which <c>throughput</c> does not have.
/// </remarks>
internal static class FitCommand
{
    private const int Epochs = 10;

    private sealed class Example
    {
        public required float[] Features { get; init; }

        public required uint Label { get; init; }
    }

    public static int Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        int rows = args.Length > 1 ? int.Parse(args[1]) : 1_000_000;
        bool scaled = args.Length > 2 && args[2] == "scaled";
        NetworkCase c = NetworkCase.Get("medium");
        var mlContext = new MLContext(seed: 1);
        IDataView data = CreateView(mlContext, c, rows);

        double before = MeasureLoop(c, threads);
        double fit = MeasureFit(mlContext, c, data, rows, threads, scaled);
        double after = MeasureLoop(c, threads);
        Console.WriteLine($"fit{(scaled ? "-scaled" : "")}\t{c.Name}\t{threads}\t{fit:F0}\t{fit / ((before + after) / 2):F3}");
        return 0;
    }

    /// <summary>A view over objects in memory: the most common source, and not the cheapest to read.</summary>
    private static IDataView CreateView(MLContext mlContext, NetworkCase c, int rows)
    {
        var examples = new Example[rows];
        var random = new RandomStream(1, 0);
        for (int r = 0; r < rows; r++)
        {
            examples[r] = new Example { Features = new float[c.Inputs], Label = (uint)random.Next(c.Classes) + 1 };
            NetworkCase.FillNormal(examples[r].Features, ref random);
        }
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Example));
        schema[nameof(Example.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, c.Inputs);
        schema[nameof(Example.Label)].ColumnType = new KeyDataViewType(typeof(uint), c.Classes);
        return mlContext.Data.LoadFromEnumerable(examples, schema);
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
            HiddenUnits = c.Hidden, BatchSize = c.Batch, MaximumNumberOfEpochs = Epochs, LearningRate = 1e-3, LearningRateSchedule = new ConstantSchedule(),
            DropoutRate = 0, ValidationFraction = 0, ScaleInputs = scaled, NumberOfThreads = threads, Seed = 1,
        });
        long start = Stopwatch.GetTimestamp();
        trainer.Fit(data);
        return Epochs * (double)rows / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
