using System.Text.Json;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Tests.Fixtures;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>
/// A file of kind mlp_bn_trajectory or cnn_bn_trajectory as our training takes it: shape, settings, rows and rates. A copy
/// with one property changed is a negative control.
/// </summary>
internal sealed record Trajectory
{
    /// <summary>What the README puts in place of the largest entry of an array where that is smaller.</summary>
    public const double SmallestScale = 1e-3;

    public required FixtureFile File { get; init; }

    public required int[] LayerSizes { get; init; }

    /// <summary>The size of the pictures; null where rows are none.</summary>
    public MapShape? Picture { get; init; }

    public ConvolutionDefinition[] Convolutions { get; init; } = [];

    public bool AveragesPixels { get; init; }

    public required BatchNormalizationPlacement Placement { get; init; }

    public required bool NormalizeOutputLayerInput { get; init; }

    public required ActivationFunction Activation { get; init; }

    public required double Epsilon { get; init; }

    /// <summary>Weight of the newest batch; null: cumulative.</summary>
    public required double? Momentum { get; init; }

    public required Objective Loss { get; init; }

    public required double LabelSmoothing { get; init; }

    public required double HuberDelta { get; init; }

    public required Optimizer Optimizer { get; init; }

    public required double[] Rates { get; init; }

    public bool UsesWeights { get; init; } = true;

    public int Threads { get; init; } = 1;

    public double Tolerance => File.Root.NumberOrNull("suggested_float32_relative_tolerance") ?? 1e-4;

    public NetworkDefinition Definition => new()
    {
        Inputs = LayerSizes[0],
        Picture = Picture,
        Convolutions = Convolutions,
        AveragesPixels = AveragesPixels,
        HiddenUnits = LayerSizes[1..^1],
        Outputs = LayerSizes[^1],
        Activation = Activation,
        Placement = Placement,
        NormalizeOutputLayerInput = NormalizeOutputLayerInput,
        Epsilon = Epsilon,
        RunningStatisticsMomentum = Momentum ?? 0.1,
        Statistics = Momentum is null ? BatchNormalizationStatistics.Cumulative : BatchNormalizationStatistics.RunningAverage,
    };

    public TrainingSettings Settings => new() { Objective = Loss.With(LabelSmoothing, HuberDelta), Optimizer = Optimizer };

    /// <summary>What a file says.</summary>
    public static Trajectory Of(FixtureFile file)
    {
        JsonElement normalization = file["batchnorm"];
        return new Trajectory
        {
            File = file,
            LayerSizes = Sizes(file.Root),
            Picture = PictureOf(file.Root),
            Convolutions = ConvolutionsOf(file.Root),
            AveragesPixels = file.Root.TryGetProperty("head", out JsonElement head) && head.GetString() == "gap",
            Placement = NetworkState.Placement(file["placement"].GetString()!),
            NormalizeOutputLayerInput = file["bn_on_output_layer_input"].GetBoolean(),
            Activation = NetworkState.SingleActivation(file["ops"]),
            Epsilon = normalization.Number("eps"),
            Momentum = normalization.NumberOrNull("momentum_pytorch"),
            Loss = LossOf(file["task"].GetString()!),
            LabelSmoothing = file.Root.NumberOrNull("label_smoothing") ?? 0,
            HuberDelta = file.Root.NumberOrNull("delta") ?? 1,
            Optimizer = OptimizerOf(file["optimizer"]),
            Rates = file.Root.Vector("lr_per_step"),
        };
    }

    private static MapShape? PictureOf(JsonElement file)
    {
        if (!file.TryGetProperty("input_shape", out JsonElement shape))
            return null;
        double[] sizes = shape.Vector();
        return new MapShape((int)sizes[1], (int)sizes[2], (int)sizes[0]);
    }

    private static int[] Sizes(JsonElement file) => PictureOf(file) is { } picture
        ? [(int)picture.Values, .. file.Vector("dense_hidden").Select(size => (int)size), (int)file.Number("outputs")]
        : [.. file.Vector("layer_sizes").Select(size => (int)size)];

    /// <summary>What the operations say, which are the authority: each convolution, and the pooling behind it.</summary>
    private static ConvolutionDefinition[] ConvolutionsOf(JsonElement file)
    {
        var convolutions = new List<ConvolutionDefinition>();
        foreach (JsonElement operation in file.GetProperty("ops").EnumerateArray())
        {
            int[] Sizes(string name) => [.. operation.GetProperty(name).Vector().Select(size => (int)size)];
            string type = operation.GetProperty("type").GetString()!;
            if (type == "conv2d")
            {
                int[] kernel = Sizes("kernel"), stride = Sizes("stride"), padding = Sizes("padding_top_bottom_left_right");
                convolutions.Add(new ConvolutionDefinition
                {
                    Filters = operation.GetProperty("out_channels").GetInt32(), KernelHeight = kernel[0], KernelWidth = kernel[1],
                    StrideY = stride[0], StrideX = stride[1], Top = padding[0], Bottom = padding[1], Left = padding[2], Right = padding[3],
                });
            }
            else if (type is "maxpool2d" or "averagepool2d")
            {
                int[] kernel = Sizes("kernel"), stride = Sizes("stride"), padding = Sizes("padding");
                convolutions[^1] = convolutions[^1] with
                {
                    Pooling = new PoolingDefinition(
                        type == "maxpool2d", kernel[0], kernel[1], stride[0], stride[1], padding[0], padding[1]),
                };
            }
        }
        return [.. convolutions];
    }

    public static Objective LossOf(string task) => task switch
    {
        "softmax_cross_entropy" => KnownObjectives.SoftmaxCrossEntropy,
        "sigmoid_bce_with_logits" => KnownObjectives.BinaryCrossEntropy,
        "mse" => KnownObjectives.SquaredError,
        "huber" => KnownObjectives.Huber,
        _ => throw new ArgumentException($"Unknown task '{task}'.", nameof(task)),
    };

    public static Optimizer OptimizerOf(JsonElement options)
    {
        double decay = options.NumberOrNull("weight_decay") ?? 0;
        bool weightsOnly = options.TryGetProperty("weight_decay_applies_to", out JsonElement which)
            && which.GetString() is "linear_weights" or "conv_and_linear_weights";
        return options.GetProperty("type").GetString() switch
        {
            "sgd" => new SgdOptimizer
            {
                OptimizerMomentum = options.NumberOrNull("momentum") ?? 0,
                UseNesterov = options.TryGetProperty("nesterov", out JsonElement nesterov) && nesterov.GetBoolean(),
                WeightDecay = decay,
                DecayWeightsOnly = weightsOnly,
            },
            "adam" => new AdamOptimizer
            {
                Beta1 = options.Number("beta1"),
                Beta2 = options.Number("beta2"),
                Epsilon = options.Number("eps"),
                WeightDecay = decay,
                DecayWeightsOnly = weightsOnly,
            },
            "adamw" => new AdamWOptimizer
            {
                Beta1 = options.Number("beta1"),
                Beta2 = options.Number("beta2"),
                Epsilon = options.Number("eps"),
                WeightDecay = decay,
                DecayWeightsOnly = weightsOnly,
            },
            "rmsprop" => new RmsPropOptimizer
            {
                Smoothing = options.Number("alpha"),
                Epsilon = options.Number("eps"),
                Centered = options.TryGetProperty("centered", out JsonElement centered) && centered.GetBoolean(),
                OptimizerMomentum = options.NumberOrNull("momentum") ?? 0,
                WeightDecay = decay,
                DecayWeightsOnly = weightsOnly,
            },
            string other => throw new ArgumentException($"Unknown optimizer '{other}'.", nameof(options)),
            null => throw new ArgumentException("The optimizer has no type.", nameof(options)),
        };
    }

    /// <summary>The rows of all batches, one after the other, and where each batch ends.</summary>
    public (EncodedRows Data, int[] Ends) Rows()
    {
        JsonElement[] batches = [.. File["batches"].EnumerateArray()];
        bool classes = Loss is SoftmaxCrossEntropy;
        bool weighted = UsesWeights && batches.Any(b => b.GetProperty("w").ValueKind != JsonValueKind.Null);
        var table = new TrainingTable(LayerSizes[0], classes ? 1 : LayerSizes[^1], weighted);
        var ends = new int[batches.Length];
        for (int b = 0; b < batches.Length; b++)
        {
            double[][] x = [.. batches[b].GetProperty("X").EnumerateArray().Select(FixtureElements.Flat)];
            double[][] y = classes ? [.. batches[b].Vector("y").Select(k => new[] { k })] : batches[b].Matrix("y");
            double[]? w = batches[b].GetProperty("w").ValueKind == JsonValueKind.Null ? null : batches[b].Vector("w");
            for (int r = 0; r < x.Length; r++)
                table.Add(x[r].ToSingle(), y[r].ToSingle(), weighted ? (float)(w?[r] ?? 1) : 1);
            ends[b] = table.Rows;
        }
        return (new EncodedRows(table), ends);
    }
}
