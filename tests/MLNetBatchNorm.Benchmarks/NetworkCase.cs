using System.Diagnostics;
using Microsoft.ML;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>A network and random data to train it on: ReLU, batch normalization at placement A, softmax.</summary>
internal sealed record NetworkCase(string Name, int Batch, int Inputs, int[] Hidden, int Classes, int Rows)
{
    /// <summary>The networks on which speed is compared with others.</summary>
    public static readonly NetworkCase[] All =
    [
        new("small", 256, 32, [128, 64], 2, 50_000),
        new("mnist", 60, 784, [100, 100, 100], 10, 30_000),
        new("medium", 256, 100, [512, 256, 128], 10, 50_000),
        new("wide", 1024, 100, [512, 512, 512], 10, 50_000),
        new("lenet", 128, 28 * 28, [128], 10, 12_800) { Picture = new MapShape(28, 28, 1), Filters = [32, 64] },
        new("cifar", 128, 3 * 32 * 32, [], 10, 12_800)
        {
            Picture = new MapShape(32, 32, 3), Filters = [32, 64, 128], AveragesPixels = true,
        },
    ];

    /// <summary>The size of a row that is a picture; null where it is none.</summary>
    public MapShape? Picture { get; init; }

    /// <summary>Filters of the convolutional layers: 3 x 3, padding 1, maximum pooling 2 x 2.</summary>
    public int[] Filters { get; init; } = [];

    /// <summary>Whether the mean over the pixels goes to the layers behind.</summary>
    public bool AveragesPixels { get; init; }

    /// <summary>The case of that name.</summary>
    public static NetworkCase Get(string name) =>
        All.FirstOrDefault(c => c.Name == name)
            ?? throw new ArgumentException($"There is no case '{name}'; there are {string.Join(", ", All.Select(c => c.Name))}.");

    /// <summary>The network before training.</summary>
    public NetworkParameters CreateParameters() =>
        Initialization.Create(
        new NetworkDefinition
        {
            Inputs = Inputs, HiddenUnits = Hidden, Outputs = Classes, Picture = Picture, AveragesPixels = AveragesPixels,
            Convolutions = [.. Filters.Select(filters => new ConvolutionDefinition
            {
                Filters = filters, KernelHeight = 3, KernelWidth = 3, Top = 1, Bottom = 1, Left = 1, Right = 1,
                Pooling = new PoolingDefinition(TakesMaximum: true, 2, 2, 2, 2),
            })],
        },
        seed: 1);

    /// <summary>Normal features, random classes.</summary>
    public TrainingTable RandomTable()
    {
        var table = new TrainingTable(Inputs, 1, weighted: false);
        var random = new RandomStream(1, 0);
        for (int r = 0; r < Rows; r++)
        {
            Span<float> features = table.Add([random.Next(Classes)], 1);
            FillNormal(features, ref random);
        }
        return table;
    }

    /// <summary>
    /// Trains epoch after epoch with AdamW, no dropout, no validation, rows shuffled, and times the epochs after a second of warm-up.
    /// </summary>
    /// <param name="parameters">The network; trained on return.</param>
    /// <param name="table">The rows, in memory.</param>
    /// <param name="threads">Threads that train.</param>
    /// <param name="seconds">How long to measure at least.</param>
    /// <param name="products">What multiplies the matrices; null: managed code.</param>
    public TrainingSpeed Train(
        NetworkParameters parameters, TrainingTable table, int threads, double seconds, MatrixProducts? products = null)
    {
        var settings = new TrainingSettings
        {
            Objective = new SoftmaxCrossEntropy(), BatchSize = Batch, MaximumEpochs = 1_000_000, LearningRate = 1e-3, Seed = 1,
            Products = products ?? MatrixProducts.Managed,
        };
        var data = new EncodedRows(table);            // the order of the rows belongs to the data
        long before = GC.GetTotalMemory(forceFullCollection: true);
        using var stop = new CancellationTokenSource();
        var clock = new EpochClock(seconds, stop);
        try
        {
            TrainingLoop.Train(parameters, data, null, settings, clock, stop.Token, threads: threads);
        }
        catch (OperationCanceledException)
        {
        }
        GC.KeepAlive(data);
        int largestBatch = new BatchPlan(table.Rows, Batch, needsTwoRows: true).LargestBatch;
        return new TrainingSpeed(
            clock.Epochs * (double)table.Rows / clock.Seconds, clock.Memory - before + 4 * parameters.ParameterCount,
            new FeedForwardNetwork(parameters, largestBatch).ActivationBytes);
    }

    /// <summary>The network as a model of ML.NET, after one epoch of random rows.</summary>
    public BatchNormNetworkMulticlassModelParameters TrainBriefly(MLContext mlContext, out ITransformer transformer)
    {
        var options = new BatchNormNetworkMulticlassTrainer.Options
        {
            HiddenUnits = Hidden, MaximumNumberOfEpochs = 1, ScaleInputs = false, NumberOfInputPieces = 0, NumberOfEnsembleMembers = 1,
            Seed = 1, GlobalAveragePooling = AveragesPixels,
            InputShape = Picture is { } picture ? new ImageShape(picture.Height, picture.Width, picture.Channels) : null,
            Convolutions = Picture is null ? null
                : [.. Filters.Select(filters => new ConvolutionLayer(filters, 3) { Pooling = PoolingKind.Maximum })],
        };
        int rows = Picture is null ? 5000 : 1000;
        var trained = mlContext.MulticlassClassification.Trainers.BatchNormNetwork(options)
            .Fit(NetworkCaseView.Create(mlContext, this, rows));
        transformer = trained;
        return trained.Model;
    }

    /// <summary>Sums of twelve uniform numbers: near enough to normal ones for a benchmark's input.</summary>
    public static void FillNormal(Span<float> values, ref RandomStream random)
    {
        foreach (ref float value in values)
        {
            double sum = -6;
            for (int i = 0; i < 12; i++)
                sum += random.NextDouble();
            value = (float)sum;
        }
    }

    /// <summary>Times epochs after a warm-up, then asks training to stop.</summary>
    private sealed class EpochClock(double seconds, CancellationTokenSource stop) : ITrainingObserver
    {
        private const double WarmUpSeconds = 1;
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private bool _warm;

        public int Epochs { get; private set; }

        public double Seconds { get; private set; }

        public long Memory { get; private set; }

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs)
        {
            if (!_warm)
            {
                if (_clock.Elapsed.TotalSeconds < WarmUpSeconds)
                    return;
                _warm = true;
                Memory = GC.GetTotalMemory(forceFullCollection: true);
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

/// <summary>What a measured training came to.</summary>
/// <param name="RowsPerSecond">Training rows, each counted once in every epoch.</param>
/// <param name="Memory">Bytes in use while training, beyond the data; the parameters themselves included.</param>
/// <param name="Activations">Part of it for the activations of one mini-batch and their gradients.</param>
internal readonly record struct TrainingSpeed(double RowsPerSecond, long Memory, long Activations);
