using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Export;

/// <summary>Writes a trained network as ONNX nodes.</summary>
/// <remarks>
/// <para>All tensors have the rows as their first dimension and the columns as their second. Only forms of operators are used that have
/// been the same since opset 9 (softmax, for one, with its axis spelled out), so the graph does not depend on the opset; the one exception
/// is a linear map without bias, which needs 11 and occurs with explicit batch normalization only.</para>
/// <para>
/// Constants are those of the network; where ONNX is single precision and the network is not, see <see cref="BatchNormNode.AddTo"/>.
/// </para>
/// </remarks>
internal sealed class NetworkOnnx
{
    /// <summary>The lowest opset a folded network can be written in: IsNaN, Where and Erf came with it.</summary>
    public const int MinimumOpSet = 9;

    // Number of the element type in ONNX.
    private const long UInt32Type = 12;

    private readonly OnnxGraph _graph;
    private readonly TrainedNetwork _network;

    private NetworkOnnx(OnnxGraph graph, TrainedNetwork network)
    {
        _graph = graph;
        _network = network;
    }

    /// <summary>
    /// Adds the network from raw features to its outputs: logits or predictions, the mean over the networks of an ensemble.
    /// </summary>
    /// <param name="graph">Where to add it.</param>
    /// <param name="network">The network.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <param name="foldBatchNormalization">
    /// Whether batch normalization becomes a part of the linear maps, with exactly the numbers we score with, or nodes of its own.
    /// </param>
    /// <param name="scores">Name the outputs get, [rows, outputs].</param>
    public static void AddScores(OnnxGraph graph, TrainedNetwork network, string features, bool foldBatchNormalization, string scores)
    {
        var members = new NetworkOnnx(graph, network);
        if (network.ScoreLink == OutputLink.Identity)
            members.AddMembers(features, foldBatchNormalization, network.ScoreLink, scores);
        else
            network.ScoreLink.AddTo(graph, members.AddMembers(features, foldBatchNormalization, network.ScoreLink, null), scores);
    }

    /// <summary>Adds a network for several labels, each yes or no: logits, probabilities, and what is more probable of each.</summary>
    /// <param name="graph">Where to add it.</param>
    /// <param name="network">The network.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <param name="foldBatchNormalization">As in <see cref="AddScores"/>.</param>
    /// <param name="scores">Name the logits get, [rows, labels].</param>
    /// <param name="probabilities">Name the probabilities get, likewise.</param>
    /// <param name="predictedLabels">Name the labels get, likewise.</param>
    public static void AddLabels(
        OnnxGraph graph, TrainedNetwork network, string features, bool foldBatchNormalization, string scores, string probabilities,
        string predictedLabels)
    {
        AddScores(graph, network, features, foldBatchNormalization, scores);
        OutputLink.Sigmoid.AddTo(graph, scores, probabilities);
        graph.NodeTo(predictedLabels, "Greater", [scores, graph.Floats("threshold", [0], 1)]);
    }

    /// <summary>Adds a network with prediction intervals: its scores and their bounds.</summary>
    /// <param name="graph">Where to add it.</param>
    /// <param name="network">The network.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <param name="foldBatchNormalization">As in <see cref="AddScores"/>.</param>
    /// <param name="scores">Name the scores get, [rows, 1].</param>
    /// <param name="lower">Name the lower bounds get, [rows, levels].</param>
    /// <param name="upper">Name the upper bounds get, [rows, levels].</param>
    public static void AddIntervals(
        OnnxGraph graph, TrainedNetwork network, string features, bool foldBatchNormalization, string scores, string lower, string upper)
    {
        PredictionIntervals intervals = network.Intervals!;
        string mean = new NetworkOnnx(graph, network).AddMembers(features, foldBatchNormalization, network.ScoreLink, null);
        network.ScoreLink.AddTo(graph, mean, scores);
        string wideMean = graph.Node("Cast", "interval.mean", [mean], new OnnxAttribute("to", OnnxGraph.DoubleType));
        string? width = intervals.Spread is { } spread ? AddWidth(graph, spread, intervals, features, mean, foldBatchNormalization) : null;
        string? ramps = intervals.Knots.Length < 2 ? null : AddRamps(graph, intervals.Knots, wideMean);
        AddBound("interval.lower", lower, level => level.Lower);
        AddBound("interval.upper", upper, level => level.Upper);

        void AddBound(string name, string output, Func<IntervalLevel, double[]> factors)
        {
            string distance = graph.Doubles($"{name}.factors", [.. intervals.Levels.Select(level => factors(level)[0])]);
            for (int knot = 1; ramps is not null && knot < intervals.Knots.Length; knot++)
            {
                // By the number of knots, few, and not by a product of matrices: they are in double precision.
                string ramp = graph.Node("Gather", $"{name}.ramp", [ramps, graph.Integers($"{name}.knot", knot - 1)],
                    new OnnxAttribute("axis", 1L));
                string steps = graph.Doubles(
                    $"{name}.steps", [.. intervals.Levels.Select(level => factors(level)[knot] - factors(level)[knot - 1])]);
                distance = graph.Node("Add", $"{name}.sum", [distance, graph.Node("Mul", $"{name}.step", [ramp, steps])]);
            }

            if (width is not null)
                distance = graph.Node("Mul", $"{name}.distance", [width, distance]);
            string bound = graph.Node("Add", $"{name}.scaled", [wideMean, distance]);
            if (network.Scale is { } scale)
            {
                string inUnits = graph.Node("Mul", $"{name}.units", [bound, graph.Doubles($"{name}.deviation", scale.Deviation)]);
                bound = graph.Node("Add", $"{name}.moved", [inUnits, graph.Doubles($"{name}.mean", scale.Mean)]);
            }

            // Min and Max of doubles came with a later opset than the graph may have.
            string narrow = graph.Node("Cast", $"{name}.narrow", [bound], new OnnxAttribute("to", OnnxGraph.FloatType));
            string below = graph.Node("Min", $"{name}.below", [narrow, graph.Floats($"{name}.high", [float.MaxValue], 1)]);
            graph.NodeTo(output, "Max", [below, graph.Floats($"{name}.low", [network.Objective!.Labels.Least], 1)]);
        }
    }

    /// <summary>Of each stretch between knots the part that lies below the prediction, [rows, knots - 1], in double precision.</summary>
    private static string AddRamps(OnnxGraph graph, double[] knots, string wideMean)
    {
        double[] starts = knots[..^1];
        string above = graph.Node("Sub", "ramp.above", [wideMean, graph.Doubles("ramp.starts", starts)]);
        string part = graph.Node(
            "Mul", "ramp.part", [above, graph.Doubles("ramp.inverse", [.. starts.Select((start, k) => 1 / (knots[k + 1] - start))])]);
        string narrow = graph.Node("Cast", "ramp.narrow", [part], new OnnxAttribute("to", OnnxGraph.FloatType));
        return graph.Node(
            "Cast", "ramp.wide", [graph.Bounds("ramp.bounded", narrow, 0, 1)], new OnnxAttribute("to", OnnxGraph.DoubleType));
    }

    private static string AddWidth(
        OnnxGraph graph, TrainedNetwork spread, PredictionIntervals intervals, string features, string mean, bool fold)
    {
        string joined = graph.Node("Concat", "spread.features", [features, mean], new OnnxAttribute("axis", 1L));
        string size = new NetworkOnnx(graph, spread).AddMembers(joined, fold, spread.ScoreLink, null);
        size = graph.Node("Mul", "spread.units", [size, graph.Floats("spread.unit", [(float)spread.Scale!.Deviation], 1)]);
        size = graph.Node("Max", "spread.size", [size, graph.Floats("spread.floor", [intervals.Floor], 1)]);
        string power = graph.Node("Pow", "spread.power", [size, graph.Floats("spread.exponent", [(float)intervals.Power], 1)]);
        return graph.Node("Cast", "spread.width", [power], new OnnxAttribute("to", OnnxGraph.DoubleType));
    }

    /// <summary>
    /// Adds a network for classes: their probabilities, and the most probable class as ML.NET's key, an unsigned integer counted from 1.
    /// </summary>
    /// <param name="graph">Where to add it.</param>
    /// <param name="network">The network.</param>
    /// <param name="features">Name of the raw features, [rows, slots].</param>
    /// <param name="foldBatchNormalization">As in <see cref="AddScores"/>.</param>
    /// <param name="probabilities">Name the probabilities get, [rows, classes].</param>
    /// <param name="predictedLabel">Name the class gets, [rows, 1].</param>
    public static void AddClasses(
        OnnxGraph graph, TrainedNetwork network, string features, bool foldBatchNormalization, string probabilities, string predictedLabel)
    {
        string logits = new NetworkOnnx(graph, network).AddMembers(features, foldBatchNormalization, OutputLink.Softmax, null);
        OutputLink.Softmax.AddTo(graph, logits, probabilities);
        // Of the probabilities, as ML.NET does it: two that are equal as floats may have had different logits.
        string index = graph.Node(
            "ArgMax", "class_index", [probabilities], new OnnxAttribute("axis", 1L), new OnnxAttribute("keepdims", 1L));
        string key = graph.Node("Add", "class_key", [index, graph.Integers("first_key", 1)]);
        graph.NodeTo(predictedLabel, "Cast", [key], new OnnxAttribute("to", UInt32Type));
    }

    private string AddMembers(string features, bool fold, OutputLink link, string? output)
    {
        if (_network.Others.Count == 0)
            return AddMembers(_network, features, fold, link, output, firstNumber: 1);
        var parts = new string[_network.Ensembles.Count];
        int number = 1;
        for (int part = 0; part < parts.Length; part++)
        {
            TrainedNetwork own = _network.Ensembles[part];
            string mean = AddMembers(own, features, fold, link, null, number);
            string share = _graph.Floats($"trial{part + 1}.share", [(float)own.Share], 1);
            parts[part] = _graph.Node("Mul", $"trial{part + 1}.part", [mean, share]);
            number += own.Members.Count;
        }

        return _graph.NodeAs(output, "Sum", "logits", parts);
    }

    /// <summary>Adds the networks of one shape and their mean.</summary>
    private string AddMembers(TrainedNetwork network, string features, bool fold, OutputLink link, string? output, int firstNumber)
    {
        string encoded = network.Encoder.AddTo(_graph, features);
        FoldedNetwork? folded = fold ? FoldedNetwork.CreateWhole(network.Encoder, network.Networks) : null;
        int count = network.Members.Count;
        bool isOnly = count == 1 && _network.Others.Count == 0;
        var outputs = new string[count];
        for (int member = 0; member < count; member++)
        {
            NetworkParameters parameters = network.Members[member].Parameters;
            (Node Node, NodeParameters? Parameters)[] nodes = folded is null
                ? [.. parameters.Definition.Plan.Nodes.Select(node => (node, parameters[node]))]
                : [.. folded.Members[member].Select(operation => (operation.Node, operation.Parameters))];
            string prefix = isOnly ? "" : $"network{firstNumber + member}.";
            string current = PictureGraph.Add(_graph, parameters.Definition, encoded, prefix);
            for (int i = 0; i < nodes.Length; i++)
            {
                current = nodes[i].Node.AddTo(
                    _graph, current, nodes[i].Parameters, prefix, isOnly && i == nodes.Length - 1 ? output : null);
            }
            outputs[member] = link.AddBeforeMean(_graph, current);
        }

        return count == 1 ? outputs[0] : _graph.NodeAs(output, "Mean", "logits", outputs);
    }
}
