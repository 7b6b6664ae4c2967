using System.Reflection;
using System.Text.Json;
using MLNetBatchNorm.Export;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.OnnxProtocol;
using MLNetBatchNorm.Training;
using ElementType = MLNetBatchNorm.OnnxProtocol.TensorProto.Types.ElementType;

namespace MLNetBatchNorm;

/// <summary>A network as the content of an ONNX file, with the columns that ML.NET makes of its outputs.</summary>
internal static class NetworkModelFile
{
    /// <summary>The key under which the names of classes are kept in the file's metadata.</summary>
    public const string ClassNamesKey = "PredictedLabel.KeyValues";

    /// <summary>The key under which the names of several targets are kept in the file's metadata.</summary>
    public const string TargetNamesKey = "Score.SlotNames";

    /// <summary>Protocol buffers have no larger messages; what is not weights needs far less than the distance to 2 GiB.</summary>
    private const long LargestWeightBytes = int.MaxValue - (16L << 20);

    /// <summary>A binary classifier: its logit, the probability that a calibrator makes of it, and the label.</summary>
    public static ModelProto Binary(TrainedNetwork network, BinaryDecision decision, BatchNormNetworkOnnxOptions options)
    {
        ModelGraph graph = Begin(network, options);
        NetworkOnnx.AddScores(graph, network, options.InputName!, options.FoldBatchNormalization, OnnxNames.Score);
        string exponent = OnnxNames.Score;             // p = 1 / (1 + exp(-exponent))
        if (decision.Slope != -1)
            exponent = graph.Node("Mul", "calibrator.scaled", [exponent, graph.Floats("calibrator.slope", [(float)-decision.Slope], 1)]);
        if (decision.Offset != 0)
            exponent = graph.Node("Add", "calibrator.shifted", [exponent, graph.Floats("calibrator.offset", [(float)-decision.Offset], 1)]);
        graph.NodeTo(OnnxNames.Probability, "Sigmoid", [exponent]);
        string compared = decision.ComparesProbability ? OnnxNames.Probability : OnnxNames.Score;
        graph.NodeTo(OnnxNames.PredictedLabel, "Greater", [compared, graph.Floats("threshold", [decision.Threshold], 1)]);
        graph.AddOutput(OnnxNames.Score, ElementType.Float, 1);
        graph.AddOutput(OnnxNames.Probability, ElementType.Float, 1);
        graph.AddOutput(OnnxNames.PredictedLabel, ElementType.Bool, 1);
        return End(graph, options);
    }

    /// <summary>A classifier of several classes: their probabilities, and the key of the most probable one.</summary>
    public static ModelProto Multiclass(TrainedNetwork network, IReadOnlyList<string>? classNames, BatchNormNetworkOnnxOptions options)
    {
        ModelGraph graph = Begin(network, options);
        NetworkOnnx.AddClasses(
            graph, network, options.InputName!, options.FoldBatchNormalization, OnnxNames.Score, OnnxNames.PredictedLabel);
        graph.AddOutput(OnnxNames.Score, ElementType.Float, network.Parameters.Definition.Outputs);
        graph.AddOutput(OnnxNames.PredictedLabel, ElementType.Uint32, 1);
        ModelProto model = End(graph, options);
        return classNames is null ? model : WithNames(model, ClassNamesKey, classNames);
    }

    /// <summary>Several labels: logits, probabilities and what is more probable of each.</summary>
    public static ModelProto Labels(TrainedNetwork network, IReadOnlyList<string> names, BatchNormNetworkOnnxOptions options)
    {
        ModelGraph graph = Begin(network, options);
        NetworkOnnx.AddLabels(
            graph, network, options.InputName!, options.FoldBatchNormalization, OnnxNames.Score, OnnxNames.Probability,
            OnnxNames.PredictedLabel);
        graph.AddOutput(OnnxNames.Score, ElementType.Float, names.Count);
        graph.AddOutput(OnnxNames.Probability, ElementType.Float, names.Count);
        graph.AddOutput(OnnxNames.PredictedLabel, ElementType.Bool, names.Count);
        return WithTargetNames(End(graph, options), names);
    }

    /// <summary>Several numbers: the prediction of each.</summary>
    public static ModelProto MultiOutput(TrainedNetwork network, IReadOnlyList<string> names, BatchNormNetworkOnnxOptions options)
    {
        ModelGraph graph = Begin(network, options);
        NetworkOnnx.AddScores(graph, network, options.InputName!, options.FoldBatchNormalization, OnnxNames.Score);
        graph.AddOutput(OnnxNames.Score, ElementType.Float, names.Count);
        return WithTargetNames(End(graph, options), names);
    }

    /// <summary>A regression: its prediction.</summary>
    public static ModelProto Regression(TrainedNetwork network, BatchNormNetworkOnnxOptions options)
    {
        ModelGraph graph = Begin(network, options);
        graph.AddOutput(OnnxNames.Score, ElementType.Float, 1);
        if (network.Intervals is not { } intervals)
        {
            NetworkOnnx.AddScores(graph, network, options.InputName!, options.FoldBatchNormalization, OnnxNames.Score);
            return End(graph, options);
        }

        NetworkOnnx.AddIntervals(
            graph, network, options.InputName!, options.FoldBatchNormalization, OnnxNames.Score, OnnxNames.ScoreLowerBound,
            OnnxNames.ScoreUpperBound);
        graph.AddOutput(OnnxNames.ScoreLowerBound, ElementType.Float, intervals.Levels.Count);
        graph.AddOutput(OnnxNames.ScoreUpperBound, ElementType.Float, intervals.Levels.Count);
        return End(graph, options);
    }

    private static ModelProto WithTargetNames(ModelProto model, IReadOnlyList<string> names) => WithNames(model, TargetNamesKey, names);

    private static ModelProto WithNames(ModelProto model, string key, IReadOnlyList<string> names)
    {
        model.MetadataProps.Add(new StringStringEntryProto
        {
            Key = key, Value = JsonSerializer.Serialize(names, ClassNamesJson.Default.IReadOnlyListString),
        });
        return model;
    }

    private static ModelGraph Begin(TrainedNetwork network, BatchNormNetworkOnnxOptions options)
    {
        IEnumerable<NetworkMember> members = network.Ensembles.SelectMany(own => own.Members);
        long bytes = members.Sum(Weights) * sizeof(float);
        if (bytes > LargestWeightBytes)
            throw new InvalidOperationException($"The network has {bytes} bytes of weights; an ONNX file holds at most 2 GiB.");
        var graph = new ModelGraph(nameof(MLNetBatchNorm), [options.InputName!, .. OnnxNames.Outputs]);
        graph.AddInput(options.InputName!, ElementType.Float, network.Encoder.RawInputs);
        return graph;
    }

    private static long Weights(NetworkMember member) => member.Parameters.Linear.Sum(map => (long)map.Inputs * map.Outputs)
        + member.Parameters.Definition.Plan.Nodes.OfType<ConvolutionNode>().Sum(node => (long)node.WindowInputs * node.Outputs);

    private static ModelProto End(ModelGraph graph, BatchNormNetworkOnnxOptions options)
    {
        var model = new ModelProto
        {
            // The file format that came with each version of the operators: ONNX 1.7 to 1.9 wrote 7, 1.10 to 1.12 wrote 8.
            IrVersion = options.OpSetVersion < 15 ? 7 : 8,
            ProducerName = nameof(MLNetBatchNorm),
            ProducerVersion = typeof(NetworkModelFile).Assembly.GetCustomAttribute<AssemblyFileVersionAttribute>()?.Version ?? "",
            Graph = graph.Graph,
        };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = options.OpSetVersion });
        return model;
    }
}
