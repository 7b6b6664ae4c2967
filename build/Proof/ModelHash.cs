using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Proof;

/// <summary>
/// Every use of the library's options and of what its models show. A change of these names needs an
/// edit here, and nowhere else in this program.
/// </summary>
internal static class ModelHash
{
    private const int Seed = 20;

    /// <summary>Where trainings run; null: on threads.</summary>
    public static TrainingRunner? Runner { get; set; }

    public static IReadOnlyDictionary<string, Optimizer> Optimizers { get; } = new Dictionary<string, Optimizer>
    {
        ["sgd"] = new SgdOptimizer(),
        ["momentum and decay"] = new SgdOptimizer { OptimizerMomentum = 0.9, WeightDecay = 0.001 },
        ["Nesterov"] = new SgdOptimizer { OptimizerMomentum = 0.9, UseNesterov = true },
        ["Adam"] = new AdamOptimizer(),
        ["Adam and decay"] = new AdamOptimizer { Beta1 = 0.8, Beta2 = 0.99, Epsilon = 1e-6, WeightDecay = 0.01, DecayWeightsOnly = true },
        ["AdamW of all"] = new AdamWOptimizer { WeightDecay = 0.05, DecayWeightsOnly = false },
        ["RMSprop"] = new RmsPropOptimizer(),
        ["RMSprop centered"] = new RmsPropOptimizer { Centered = true, WeightDecay = 0.01 },
        ["RMSprop momentum"] = new RmsPropOptimizer { OptimizerMomentum = 0.5, Smoothing = 0.9 },
    };

    public static IReadOnlyDictionary<string, LearningRateSchedule> Schedules { get; } = new Dictionary<string, LearningRateSchedule>
    {
        ["constant"] = new ConstantSchedule(),
        ["linear cycle"] = new OneCycleSchedule { Linear = true, PeakFraction = 0.4, InitialDivisor = 10, FinalDivisor = 100 },
        ["cosine"] = new CosineSchedule { MinimumRate = 1e-4 },
        ["cosine periods"] = new CosineSchedule { Period = 17 },
        ["warm-up"] = new WarmupCosineSchedule { WarmupFraction = 0.2 },
        ["warm-up steps"] = new WarmupCosineSchedule { WarmupSteps = 9, StartFactor = 0.01, MinimumRate = 1e-5 },
        ["step"] = new StepSchedule { Factor = 0.5 },
        ["milestones"] = new StepSchedule { Milestones = [10, 25] },
    };

    /// <summary>Trains, and goes on from a model of <paramref name="start"/> if there is one.</summary>
    public static ITransformer Train(
        MLContext context, Settings settings, IDataView rows, IDataView validation, ITransformer? start, string? checkpoint,
        Action<int>? epochDone, CancellationToken cancellation)
    {
        IDataView? given = settings.Validation == ValidationRows.GivenToFit ? validation : null;
        object? network = start is null ? null : Network(start);
        switch (settings.Task)
        {
            case NetworkTask.Binary:
                var binary = new BatchNormNetworkBinaryTrainer.Options { LabelColumnName = nameof(Tables.Row.IsPositive) };
                Fill(binary);
                FillClassification(binary);
                return context.BinaryClassification.Trainers.BatchNormNetwork(binary)
                    .Fit(rows, given, (BatchNormNetworkBinaryModelParameters?)network);
            case NetworkTask.Multiclass:
                var multiclass = new BatchNormNetworkMulticlassTrainer.Options { LabelColumnName = nameof(Tables.Row.Class) };
                Fill(multiclass);
                FillClassification(multiclass);
                multiclass.LabelSmoothing = settings.Smoothing ?? multiclass.LabelSmoothing;
                return context.MulticlassClassification.Trainers.BatchNormNetwork(multiclass)
                    .Fit(rows, given, (BatchNormNetworkMulticlassModelParameters?)network);
            default:
                var regression = new BatchNormNetworkRegressionTrainer.Options { LabelColumnName = nameof(Tables.Row.Value) };
                Fill(regression);
                regression.Loss = settings.Huber is { } delta ? new HuberLoss { Delta = delta } : regression.Loss;
                return context.Regression.Trainers.BatchNormNetwork(regression)
                    .Fit(rows, given, (BatchNormNetworkRegressionModelParameters?)network);
        }

        void Fill(BatchNormNetworkOptions o)
        {
            o.TrainingRunner = Runner;
            o.ExampleWeightColumnName = settings.Weighted ? nameof(Tables.Row.Weight) : null;
            o.ValidationSet = settings.Validation == ValidationRows.GivenAsOption ? validation : null;
            o.HiddenUnits = settings.Units ?? o.HiddenUnits;
            o.Activation = settings.Activation ?? o.Activation;
            o.Placement = settings.Placement ?? o.Placement;
            o.NormalizeOutputLayerInput = settings.NormalizeOutputInput ?? o.NormalizeOutputLayerInput;
            o.Statistics = settings.Statistics ?? o.Statistics;
            o.Epsilon = settings.Epsilon ?? o.Epsilon;
            o.RunningStatisticsMomentum = settings.Momentum ?? o.RunningStatisticsMomentum;
            o.VirtualBatchSize = settings.Virtual;
            o.InitialGamma = settings.Gamma ?? o.InitialGamma;
            o.DropoutRate = settings.Dropout ?? o.DropoutRate;
            o.WeightAveragingEpochs = settings.Averaged ?? (settings.Epochs is null ? null : 0);
            o.BatchSize = settings.Batch;
            o.MaximumNumberOfEpochs = settings.Epochs;
            o.LearningRate = settings.Rate;
            o.Optimizer = settings.Optimizer is null ? o.Optimizer : Optimizers[settings.Optimizer];
            o.LearningRateSchedule = settings.Schedule is null ? o.LearningRateSchedule : Schedules[settings.Schedule];
            o.Shuffle = settings.Shuffle ?? o.Shuffle;
            o.ValidationFraction = settings.SetAside;
            o.EarlyStoppingPatience = settings.Patience ?? o.EarlyStoppingPatience;
            o.ScaleInputs = settings.Scale ?? o.ScaleInputs;
            o.NumberOfInputPieces = settings.Pieces;
            o.NumberOfEnsembleMembers = settings.Members;
            o.NumberOfRestarts = settings.Restarts ?? o.NumberOfRestarts;
            o.MemoryBudgetInMegabytes = settings.Megabytes ?? o.MemoryBudgetInMegabytes;
            o.Seed = Seed;
            o.NumberOfThreads = settings.Threads;
            o.Checkpoint = checkpoint is null ? null : new CheckpointOptions { Path = checkpoint, IntervalInEpochs = 1 };
            o.Progress = epochDone is null ? null : new EpochReports(epochDone);
            o.CancellationToken = cancellation;
        }

        void FillClassification(BatchNormNetworkClassificationOptions o)
        {
            o.ClassWeights = settings.ClassWeights;
            o.UnbalancedSets = settings.Unbalanced ?? o.UnbalancedSets;
            o.TemperatureScaling = settings.Temperature ?? o.TemperatureScaling;
        }
    }

    /// <summary>What the log says when rows go to a temporary file.</summary>
    public static bool SaysThatRowsAreSpilled(string message) =>
        message.Contains("they are in a temporary file of", StringComparison.Ordinal);

    /// <summary>Adds every learned number of every network, and the course of its training.</summary>
    public static void AddNetworks(BitHash hash, MLContext context, ITransformer model)
    {
        BatchNormNetwork network = Network(model) switch
        {
            BatchNormNetworkBinaryModelParameters binary => binary.Network,
            BatchNormNetworkMulticlassModelParameters multiclass => multiclass.Network,
            BatchNormNetworkRegressionModelParameters regression => regression.Network,
            _ => throw new ArgumentException("Not a model of this library.", nameof(model)),
        };
        hash.Add(network.Members.Count);
        foreach (BatchNormNetworkMember member in network.Members)
        {
            hash.Add(member.Layers.Count);
            foreach (BatchNormNetworkLayer layer in member.Layers)
                AddLayer(hash, context, layer);
            AddHistory(hash, member.TrainingHistory);
        }
    }

    /// <summary>The numbers of a normalization that stands alone.</summary>
    public static void AddNormalization(BitHash hash, BatchNormalizationColumnParameters parameters)
    {
        hash.Add(parameters.Gamma.AsSpan());
        hash.Add(parameters.Beta.AsSpan());
        hash.Add(parameters.Mean.AsSpan());
        hash.Add(parameters.Variance.AsSpan());
        hash.Add(parameters.Epsilon);
    }

    /// <summary>The first normalization of a network, as a transform of its own.</summary>
    public static BatchNormalizeTransformer FirstNormalization(MLContext context, ITransformer regression, string output, string input)
    {
        var network = (BatchNormNetworkRegressionModelParameters)Network(regression);
        return context.Transforms.BatchNormalize(output, input, network.Network.Members[0].Layers[0].BatchNormalization!);
    }

    /// <summary>BatchNormalize of a column, fitted to rows.</summary>
    public static BatchNormalizeTransformer FitNormalization(
        MLContext context, IDataView rows, string output, string input, BatchNormalizationStatistics? statistics = null, int? batch = null,
        double? epsilon = null, double[]? gamma = null, double[]? beta = null, int? mostRows = null)
    {
        var options = new BatchNormalizeEstimator.Options { Columns = [new(output, input, gamma, beta)] };
        options.Statistics = statistics ?? options.Statistics;
        options.BatchSize = batch ?? options.BatchSize;
        options.Epsilon = epsilon ?? options.Epsilon;
        options.MaximumExampleCount = mostRows ?? options.MaximumExampleCount;
        return context.Transforms.BatchNormalize(options).Fit(rows);
    }

    /// <summary>Adds the scores of rows given at once, by one thread and by two.</summary>
    public static void AddScoresAtOnce(BitHash hash, ITransformer model, float[] features, int rows)
    {
        object network = Network(model);
        float[] scores = new float[rows * (network is BatchNormNetworkMulticlassModelParameters m ? m.NumberOfClasses : 1)];
        switch (network)
        {
            case BatchNormNetworkBinaryModelParameters binary:
                binary.Score(features.AsSpan(), rows, scores.AsSpan());
                hash.Add(scores.AsSpan());
                binary.Score(features.AsMemory(), rows, scores.AsMemory(), 2);
                break;
            case BatchNormNetworkMulticlassModelParameters multiclass:
                multiclass.Score(features.AsSpan(), rows, scores.AsSpan());
                hash.Add(scores.AsSpan());
                multiclass.Score(features.AsMemory(), rows, scores.AsMemory(), 2);
                break;
            case BatchNormNetworkRegressionModelParameters regression:
                regression.Score(features.AsSpan(), rows, scores.AsSpan());
                hash.Add(scores.AsSpan());
                regression.Score(features.AsMemory(), rows, scores.AsMemory(), 2);
                break;
        }

        hash.Add(scores.AsSpan());
    }

    private static void AddLayer(BitHash hash, MLContext context, BatchNormNetworkLayer layer)
    {
        hash.Add(layer.Outputs);
        hash.Add(layer.Inputs);
        if (layer is BatchNormNetworkInputLayer first)
        {
            IReadOnlyList<BatchNormNetworkSlotPart> parts = [.. first.Encoder.Parts];
            hash.Add(Enumerable.Range(0, layer.Outputs).SelectMany(unit => parts.Select(part => first[unit, part])).ToArray().AsSpan());
        }
        else
        {
            hash.Add(((BatchNormNetworkDenseLayer)layer).Weights.Values.AsSpan());
        }

        hash.Add(layer.Bias is { } bias ? bias.AsSpan() : []);
        if (layer.BatchNormalization is not { } normalization)
            return;
        // The layer shows statistics as float; the transform has them as they are kept.
        BatchNormalizeTransformer transform = context.Transforms.BatchNormalize("Output", "Input", normalization);
        AddNormalization(hash, transform.GetBatchNormalizationParameters(0));
    }

    private static void AddHistory(BitHash hash, TrainingHistory history)
    {
        hash.Add(history.Epochs.Count);
        foreach (EpochRecord epoch in history.Epochs)
        {
            hash.Add(epoch.Epoch);
            hash.Add(epoch.LearningRate);
            hash.Add(epoch.TrainingLoss);
            hash.Add(epoch.ValidationLoss);
            hash.Add(epoch.ValidationMetric);
        }

        hash.Add(history.BestEpoch);
        hash.Add((int)history.StopReason);
    }

    private static object Network(ITransformer model) => ((ISingleFeaturePredictionTransformer<object>)model).Model switch
    {
        CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator> binary => binary.SubModel,
        object other => other,
    };

    private sealed class EpochReports(Action<int> epochDone) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => epochDone(value.Epoch);
    }
}
