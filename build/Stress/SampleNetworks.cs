using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Stress;

/// <summary>Small networks that together hold every part of the format.</summary>
internal static class SampleNetworks
{
    public static TrainingHistory History { get; } = new()
    {
        Epochs = [Epoch(1, 0.7, 0.6, 0.8), Epoch(2, 0.5, null, null)], BestEpoch = 1,
        StopReason = TrainingStopReason.ValidationLossStoppedImproving,
    };

    public static EpochRecord Epoch(
        int epoch, double trainingLoss, double? validationLoss, double? metric, int targets = 1) => new()
    {
        Epoch = epoch, LearningRate = 0.1, TrainingLoss = trainingLoss, ValidationLoss = validationLoss, ValidationMetric = metric,
        TargetValidationMetrics = metric is { } value && targets > 1 ? [.. Enumerable.Repeat(value, targets)] : [],
    };

    public static IEnumerable<TrainedNetwork> All()
    {
        foreach (BatchNormalizationPlacement placement in Enum.GetValues<BatchNormalizationPlacement>())
            yield return Create([6, 3], placement, members: 1 + (int)placement % 2);
        yield return Create([1], BatchNormalizationPlacement.BeforeActivation, 1);
        yield return Create([], BatchNormalizationPlacement.None, 1);
        // Single outputs of many inputs, in several networks: what grows most in memory.
        var wide = new NetworkDefinition { Inputs = 300, HiddenUnits = [1], Outputs = 1 };
        yield return new TrainedNetwork(
            InputEncoder.Identity(300), [.. Enumerable.Range(0, 8).Select(m => new NetworkMember(Parameters(wide, (ulong)m), History))]);
        var identity = new NetworkDefinition { Inputs = 40, HiddenUnits = [], Outputs = 1, Placement = BatchNormalizationPlacement.None };
        yield return new TrainedNetwork(InputEncoder.Identity(40), Parameters(identity, 1), History);
        yield return WithIntervals(hasSpread: true);
        yield return WithIntervals(hasSpread: false);
        yield return OfPictures(averagesPixels: false, PixelOrder.Planar);
        yield return OfPictures(averagesPixels: true, PixelOrder.Interleaved);
        yield return OfTargets();
        yield return OfCategories();
        yield return OfWords();
        yield return OfTrials();
    }

    public static NetworkParameters Parameters(NetworkDefinition definition, ulong seed) => Initialization.Create(definition, seed);

    private static TrainedNetwork Create(int[] hiddenUnits, BatchNormalizationPlacement placement, int members)
    {
        var definition = new NetworkDefinition
        {
            Inputs = 6, HiddenUnits = hiddenUnits, Outputs = 2, Placement = placement,
            NormalizeOutputLayerInput = placement == BatchNormalizationPlacement.LayerInput,
        };
        var encoder = new InputEncoder(
            3,
            [
                new ScaleAndClip([10, 0, 1], [0.5f, 1, 2], [true, false, true]), new MissingColumns([0]),
                new Pieces([new InputPiece(0, 8, 0.25f), new InputPiece(2, 1, 4)]),
            ]);
        var chosen = new ChosenSettings
        {
            BatchSize = 64, MaximumNumberOfEpochs = 100, LearningRate = 0.01, ValidationFraction = 0.1, Seed = 5,
            NumberOfTrainingRows = 1000, LibraryVersion = "1.2.3",
        };
        return new TrainedNetwork(
            encoder, [.. Enumerable.Range(0, members).Select(m => new NetworkMember(Parameters(definition, (ulong)m), History))], chosen)
        {
            Objective = new SquaredLoss(), Scale = new TargetScale(40, 7),
            SlotNames = SlotNames.Create(3, ["Age".AsMemory(), default, "Größe".AsMemory()], out _),
        };
    }

    /// <summary>Two levels, three knots, and a network that says how large errors are, of one slot more.</summary>
    private static TrainedNetwork WithIntervals(bool hasSpread)
    {
        var definition = new NetworkDefinition { Inputs = 3, HiddenUnits = [4], Outputs = 1 };
        var spread = new NetworkDefinition { Inputs = 4, HiddenUnits = [3], Outputs = 1, DropoutRate = 0.1 };
        IntervalLevel[] levels = [new(0.8, [-1, -1.5, 0], [1, 2, 3]), new(0.95, [-2, -3, -1], [2, 4, 6])];
        return new TrainedNetwork(Scaled(3), Parameters(definition, 1), History)
        {
            Objective = new SquaredLoss(), Scale = new TargetScale(40, 7),
            Intervals = new PredictionIntervals([-1, 0.5, 2], levels, 0.75, !hasSpread ? null : new TrainedNetwork(
                Scaled(4), [new NetworkMember(Parameters(spread, 2), History), new NetworkMember(Parameters(spread, 3), History)])
            {
                Objective = new TweedieLoss { Power = 1.9 }, Scale = new TargetScale(0, 0.3),
            })
            { Rows = 500 },
        };
    }

    /// <summary>Two convolutional layers, one with padding on all sides, and both poolings.</summary>
    private static TrainedNetwork OfPictures(bool averagesPixels, PixelOrder order)
    {
        var picture = new MapShape(6, 5, 2);
        ConvolutionDefinition[] layers =
        [
            new()
            {
                Filters = 3, KernelHeight = 3, KernelWidth = 2, Top = 1, Bottom = 1, Left = 1,
                Pooling = new PoolingDefinition(TakesMaximum: true, 2, 2, 2, 1, PaddingY: 1), DropoutRate = 0.1,
            },
            new()
            {
                Filters = 2, KernelHeight = 2, KernelWidth = 2, StrideX = 2, Right = 1,
                Pooling = new PoolingDefinition(TakesMaximum: false, 2, 1, 1, 1),
            },
        ];
        NetworkDefinition definition = new NetworkDefinition
        {
            Inputs = (int)picture.Values, HiddenUnits = [3], Outputs = 2,
            Placement = averagesPixels ? BatchNormalizationPlacement.LayerInput : BatchNormalizationPlacement.BeforeActivation,
        }.With(picture, order, layers, averagesPixels);
        return new TrainedNetwork(Scaled((int)picture.Values), Parameters(definition, 1), History)
        {
            Objective = new SoftmaxCrossEntropy(),
        };
    }

    /// <summary>Three targets with scales and names of their own, in weights that are kept in half precision.</summary>
    private static TrainedNetwork OfTargets()
    {
        NetworkParameters parameters = Parameters(new NetworkDefinition { Inputs = 4, HiddenUnits = [5], Outputs = 3 }, 1);
        foreach (LinearParameters linear in parameters.Linear)
            HalfWeights.Round(linear);
        TrainingHistory history = History with
        {
            Epochs = [.. Enumerable.Range(1, 3).Select(epoch => Epoch(epoch, 0.7, 0.6, epoch < 3 ? 0.8 : null, targets: 3))],
        };
        return new TrainedNetwork(Scaled(4), parameters, history)
        {
            Objective = new SquaredLoss(), Scales = new TargetScales([new(40, 7), new(-1, 0.5), new(0, 3)]),
            TargetNames = SlotNames.Create(3, ["Price".AsMemory(), default, "Jahre".AsMemory()], out _),
            ClassNames = SlotNames.Create(3, ["klein".AsMemory(), default, "tall".AsMemory()], out _),
            OutputShifts = [0.5f, -1, 0],
        };
    }

    /// <summary>
    /// Categories beside numbers: with weights of their own, with values of their own, and through a projection; taught by others.
    /// </summary>
    private static TrainedNetwork OfCategories()
    {
        const int slots = 14;
        var ranges = new CategoryRanges(
            slots, [new CategoryRange(1, 3), new CategoryRange(5, 2, [0.5f, -1], [2, 3]), new CategoryRange(8, 6)]);
        var encoder = new InputEncoder(
            slots,
            [
                new ScaleAndClip(new float[ranges.Numbers], [.. Enumerable.Repeat(1f, ranges.Numbers)], new bool[ranges.Numbers]),
                new Categories(ranges, [0, 1], [[0, 9, 2, 1], [3, 5, 0]], units: 0),
                new Categories(ranges, [2], [[0, 4, 4, 1, 9, 2, 0]], units: 2),
            ],
            ranges);
        NetworkDefinition definition = new NetworkDefinition
        {
            Inputs = encoder.EncodedInputs, HiddenUnits = [4], Outputs = 1,
        }.Reading(encoder);
        return new TrainedNetwork(encoder, Parameters(definition, 1), History)
        {
            Objective = new BinaryCrossEntropy(), SlotRanges = SlotRanges.Create([(1, 3), (5, 2), (8, 6)]), Teachers = 8,
        };
    }

    /// <summary>Words that are read through a projection, beside numbers that some slots hold.</summary>
    private static TrainedNetwork OfWords()
    {
        var encoder = new InputEncoder(
            12,
            [
                new ScaleAndClip([1, 2, 3], [0.5f, 1, 2], [true, false, true], [0, 1, 2], [0, 4, 11]),
                new SparseSlots([1, 2, 5, 6, 9], [1, 0.5f, 1, 0.75f, 1], [0, 0.1f, 0, 0.2f, 0], units: 6),
            ]);
        NetworkDefinition definition = new NetworkDefinition
        {
            Inputs = encoder.EncodedInputs, HiddenUnits = [5], Outputs = 3,
        }.Reading(encoder);
        return new TrainedNetwork(encoder, Parameters(definition, 1), History) { Objective = new SoftmaxCrossEntropy() };
    }

    /// <summary>Three trials, of which two have networks: those of the other in a block of their own.</summary>
    private static TrainedNetwork OfTrials()
    {
        BatchNormNetworkTrial[] trials =
        [
            new() { Number = 0, HiddenUnits = [3], BatchSize = 32, MaximumNumberOfEpochs = 10, WeightDecay = 0.01, Score = 0.7 },
            new() { Number = 1, HiddenUnits = [], BatchSize = 32, MaximumNumberOfEpochs = 10, NumberOfTrainedNetworks = 1 },
            new() { Number = 2, HiddenUnits = [5, 4], BatchSize = 64, MaximumNumberOfEpochs = 20, LabelSmoothing = 0.1, Score = -1.5 },
        ];
        var other = new TrainedNetwork(Scaled(4), Members([3], 2)) { Trial = 0, Share = 0.25 };
        return new TrainedNetwork(Scaled(4), Members([5, 4], 1))
        {
            Objective = new BinaryCrossEntropy(), Trials = trials, Trial = 2, Share = 0.75, Others = [other],
        };

        static NetworkMember[] Members(int[] hiddenUnits, int count)
        {
            var definition = new NetworkDefinition { Inputs = 4, HiddenUnits = hiddenUnits, Outputs = 1 };
            return [.. Enumerable.Range(1, count).Select(seed => new NetworkMember(Parameters(definition, (ulong)seed), History))];
        }
    }

    private static InputEncoder Scaled(int slots) =>
        new(slots, [new ScaleAndClip(new float[slots], [.. Enumerable.Repeat(0.5f, slots)], new bool[slots])]);
}
