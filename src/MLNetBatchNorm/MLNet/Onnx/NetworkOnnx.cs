using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>Writes a trained network as ONNX nodes.</summary>
/// <remarks>
/// <para>All tensors have the rows as their first dimension and the columns as their second. Only forms of operators are used that have been the
/// same since opset 9 (softmax, for one, with its axis spelled out), so the graph does not depend on the opset; the one exception is a linear map
/// without bias, which needs 11 and occurs with explicit batch normalization only.</para>
/// <para>Constants are those of the network; where ONNX is single precision and the network is not, see <see cref="AddBatchNormalization"/>.</para>
/// </remarks>
internal sealed class NetworkOnnx
{
    /// <summary>The lowest opset a folded network can be written in: IsNaN, Where and Erf came with it.</summary>
    public const int MinimumOpSet = 9;

    /// <summary>
    /// From this ratio of mean to deviation on, about four bits of a float lost, the mean of an explicit batch normalization is subtracted by a node of its own;
    /// runtimes turn BatchNormalization into a product and a sum, where they would be lost.
    /// </summary>
    private const double LargeMeanInDeviations = 16;

    // Number of the element type in ONNX.
    private const long UInt32Type = 12;

    private readonly OnnxGraph _graph;
    private readonly TrainedNetwork _network;
    private readonly NetworkDefinition _definition;

    private NetworkOnnx(OnnxGraph graph, TrainedNetwork network)
    {
        _graph = graph;
        _network = network;
        _definition = network.Parameters.Definition;
    }

    /// <summary>Adds the network from raw features to its outputs: logits or predictions, the mean over the networks of an ensemble.</summary>
    /// <param name="graph">Where to add it.</param>
    /// <param name="network">The network.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <param name="foldBatchNormalization">Whether batch normalization becomes a part of the linear maps, with exactly the numbers we score with, or nodes of its own.</param>
    /// <param name="scores">Name the outputs get, [rows, outputs].</param>
    public static void AddScores(OnnxGraph graph, TrainedNetwork network, string features, bool foldBatchNormalization, string scores) =>
        new NetworkOnnx(graph, network).AddMembers(features, foldBatchNormalization, scores);

    /// <summary>Adds a network for classes: their probabilities, and the most probable class as ML.NET's key, an unsigned integer counted from 1.</summary>
    /// <param name="graph">Where to add it.</param>
    /// <param name="network">The network.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <param name="foldBatchNormalization">As in <see cref="AddScores"/>.</param>
    /// <param name="probabilities">Name the probabilities get, [rows, classes].</param>
    /// <param name="predictedLabel">Name the class gets, [rows, 1].</param>
    public static void AddClasses(
        OnnxGraph graph, TrainedNetwork network, string features, bool foldBatchNormalization, string probabilities, string predictedLabel)
    {
        string logits = new NetworkOnnx(graph, network).AddMembers(features, foldBatchNormalization, null);
        graph.NodeTo(probabilities, "Softmax", [logits], new OnnxAttribute("axis", 1L));
        // Of the probabilities, as ML.NET does it: two that are equal as floats may have had different logits.
        string index = graph.Node("ArgMax", "class_index", [probabilities], new OnnxAttribute("axis", 1L), new OnnxAttribute("keepdims", 1L));
        string key = graph.Node("Add", "class_key", [index, graph.Integers("first_key", 1)]);
        graph.NodeTo(predictedLabel, "Cast", [key], new OnnxAttribute("to", UInt32Type));
    }

    private string AddMembers(string features, bool fold, string? output)
    {
        string encoded = _network.Encoder.AddTo(_graph, features);
        FoldedNetwork? folded = fold ? FoldedNetwork.CreateWhole(_network) : null;
        int count = _network.Members.Count;
        var outputs = new string[count];
        for (int member = 0; member < count; member++)
        {
            NetworkParameters parameters = _network.Members[member].Parameters;
            IEnumerable<(Node, NodeParameters?)> nodes = folded is null
                ? _definition.Plan.Nodes.Select(node => (node, parameters[node]))
                : folded.Members[member].Select(operation => (operation.Node, operation.Parameters));
            outputs[member] = AddNodes(encoded, count == 1 ? "" : $"network{member + 1}.", nodes, count == 1 ? output : null);
        }

        return count == 1 ? outputs[0] : NodeToOrNew(output, "Mean", "logits", outputs);
    }

    /// <summary>Adds the nodes of one network, the last of which gives <paramref name="output"/> if that is not null.</summary>
    private string AddNodes(string current, string prefix, IEnumerable<(Node Node, NodeParameters? Parameters)> nodes, string? output)
    {
        foreach ((Node node, NodeParameters? parameters) in nodes)
        {
            string name = prefix + node.Name;
            current = node switch
            {
                LinearNode => AddLinear((LinearParameters)parameters!, name, current, node.Layer == _definition.LinearCount - 1 ? output : null),
                BatchNormNode normalization => AddBatchNormalization(normalization, (BatchNormalizationParameters)parameters!, name, current),
                ActivationNode activation => OnnxActivations.Add(_graph, activation.Function, name, current),
                { IsIdentityInPrediction: true } => current,
                _ => throw new InvalidOperationException($"There is no ONNX form of {node.GetType().Name}."),
            };
        }

        return current;
    }

    private string AddLinear(LinearParameters linear, string name, string input, string? output)
    {
        var weights = new float[checked(linear.Outputs * linear.Inputs)];
        for (int o = 0; o < linear.Outputs; o++)
        {
            for (int i = 0; i < linear.Inputs; i++)
                weights[o * linear.Inputs + i] = linear.Weight(o, i);
        }

        string weight = _graph.Floats($"{name}.weight", weights, linear.Outputs, linear.Inputs);
        string[] inputs = linear.Bias is { } bias
            ? [input, weight, _graph.Floats($"{name}.bias", bias.Span[..linear.Outputs].ToArray(), linear.Outputs)]
            : [input, weight];
        return NodeToOrNew(output, "Gemm", name, inputs, new OnnxAttribute("transB", 1L));
    }

    /// <summary>Adds a batch normalization with the frozen statistics.</summary>
    /// <remarks>
    /// ONNX keeps them in single precision. A mean far from zero is subtracted by a node in front, where x - (float)mean is exact for x near the mean, and
    /// only what rounding lost of it is left for BatchNormalization. ONNX's momentum is the weight of the old value, ours that of the newest batch.
    /// </remarks>
    private string AddBatchNormalization(BatchNormNode node, BatchNormalizationParameters normalization, string name, string input)
    {
        int columns = normalization.Columns;
        double[] mean = normalization.RunningMean;
        double[] variance = normalization.RunningVariance;
        double epsilon = node.Epsilon;
        if (Enumerable.Range(0, columns).Any(c => Math.Abs(mean[c]) > LargeMeanInDeviations * Math.Sqrt(variance[c] + epsilon)))
        {
            float[] pivot = ToFloats(mean);
            input = _graph.Node("Sub", $"{name}.centered", [input, _graph.Floats($"{name}.pivot", pivot, columns)]);
            mean = [.. mean.Zip(pivot, (exact, rounded) => exact - rounded)];
        }

        float[] gamma = normalization.Gamma.Span[..columns].ToArray();
        float[] beta = normalization.Beta.Span[..columns].ToArray();
        if (variance.Any(v => !float.IsNormal((float)v + (float)epsilon)))
        {
            // A variance and an epsilon that no float can hold, though the quotient by their root is one.
            double[] scale = [.. Enumerable.Range(0, columns).Select(c => gamma[c] / Math.Sqrt(variance[c] + epsilon))];
            double[] shift = [.. Enumerable.Range(0, columns).Select(c => beta[c] - scale[c] * mean[c])];
            string scaled = _graph.Node("Mul", $"{name}.scaled", [input, _graph.Floats($"{name}.scale", ToFloats(scale), columns)]);
            return _graph.Node("Add", name, [scaled, _graph.Floats($"{name}.shift", ToFloats(shift), columns)]);
        }

        return _graph.Node(
            "BatchNormalization",
            name,
            [
                input,
                _graph.Floats($"{name}.gamma", gamma, columns),
                _graph.Floats($"{name}.beta", beta, columns),
                _graph.Floats($"{name}.running_mean", ToFloats(mean), columns),
                _graph.Floats($"{name}.running_variance", ToFloats(variance), columns),
            ],
            new OnnxAttribute("epsilon", (float)epsilon),
            new OnnxAttribute("momentum", (float)(1 - node.RunningStatisticsMomentum)));
    }

    private string NodeToOrNew(string? output, string operation, string name, string[] inputs, params OnnxAttribute[] attributes)
    {
        if (output is null)
            return _graph.Node(operation, name, inputs, attributes);
        _graph.NodeTo(output, operation, inputs, attributes);
        return output;
    }

    private static float[] ToFloats(double[] values) => [.. values.Select(v => (float)v)];
}
