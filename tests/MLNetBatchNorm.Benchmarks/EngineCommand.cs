using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// One prediction at a time: <see cref="PredictionEngine{TSrc, TDst}"/> over our network and over ML.NET's own trainers, on the same rows.
/// </summary>
/// <remarks>
/// engine NAME MICROSECONDS BYTES: the median of rounds in which the engines take turns, and what a call allocates. The caller's prediction
/// object is used again for every call, so that the bytes are those of the models. With names of networks of <c>throughput</c>:
/// <see cref="EngineCaseCommand"/>.
/// </remarks>
internal static class EngineCommand
{
    private const int Inputs = 32;
    private const int TrainingRows = 5000;
    private const int Rounds = 9;
    private const int CallsPerRound = 20_000;

    private sealed class Example
    {
        [VectorType(Inputs)]
        public float[] Features { get; set; } = [];

        public bool Label { get; set; }
    }

    private sealed class Prediction
    {
        public bool PredictedLabel { get; set; }

        public float Score { get; set; }

        public float Probability { get; set; }
    }

    public static int Run(string[] args)
    {
        if (args.Length > 0)
            return EngineCaseCommand.Run(args);
        var mlContext = new MLContext(seed: 1);
        Example[] examples = Examples(TrainingRows);
        IDataView data = mlContext.Data.LoadFromEnumerable(examples);
        var trainers = mlContext.BinaryClassification.Trainers;
        (string Name, IEstimator<ITransformer> Trainer)[] all =
        [
            // One network on the slots alone, the shape other libraries are measured with; then what a user gets who sets nothing.
            ("BatchNormNetwork", trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
            {
                HiddenUnits = [128, 64], MaximumNumberOfEpochs = 5, NumberOfEnsembleMembers = 1, NumberOfInputPieces = 0,
            })),
            ("BatchNormNetwork, defaults", trainers.BatchNormNetwork(maximumNumberOfEpochs: 5)),
            ("LbfgsLogisticRegression", trainers.LbfgsLogisticRegression()),
            ("FastTree", trainers.FastTree()),
            ("LightGbm", trainers.LightGbm()),
        ];
        EngineTimer[] timers = [.. all.Select(t =>
            new EngineTimer(t.Name, mlContext.Model.CreatePredictionEngine<Example, Prediction>(t.Trainer.Fit(data)), examples))];

        foreach (EngineTimer timer in timers)
            timer.WarmUp();
        for (int round = 0; round < Rounds; round++)
        {
            foreach (EngineTimer timer in timers)
                timer.Measure();
        }
        foreach (EngineTimer timer in timers)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"engine\t{timer.Name}\t{timer.MedianMicroseconds:F3}\t{timer.BytesPerCall:F1}"));
        }
        return 0;
    }

    /// <summary>
    /// Rows whose label is a noisy curved function of the features, so that every trainer builds a model of its usual size.
    /// </summary>
    private static Example[] Examples(int count)
    {
        var random = new RandomStream(1, 0);
        var examples = new Example[count];
        for (int i = 0; i < count; i++)
        {
            var features = new float[Inputs];
            NetworkCase.FillNormal(features, ref random);
            double signal = features[0] * features[1] + Math.Sin(2 * features[2]) + features[3] + 0.5 * features[4] * features[5]
                + random.NextDouble() - 0.5;
            examples[i] = new Example { Features = features, Label = signal > 0 };
        }
        return examples;
    }

    private sealed class EngineTimer(string name, PredictionEngine<Example, Prediction> engine, Example[] examples)
    {
        private readonly List<double> _microseconds = [];
        private long _bytes;
        private Prediction _prediction = new();

        public string Name => name;

        public double MedianMicroseconds => _microseconds.Order().ElementAt(_microseconds.Count / 2);

        public double BytesPerCall => _bytes / ((double)Rounds * CallsPerRound);

        public void WarmUp()
        {
            // Tiered compilation replaces code after 30 calls and in the background.
            for (int round = 0; round < 3; round++)
            {
                Call();
                Thread.Sleep(200);
            }
        }

        public void Measure()
        {
            long bytes = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            Call();
            _microseconds.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds / CallsPerRound);
            _bytes += GC.GetAllocatedBytesForCurrentThread() - bytes;
        }

        private void Call()
        {
            for (int i = 0; i < CallsPerRound; i++)
                engine.Predict(examples[i % examples.Length], ref _prediction);
        }
    }
}
