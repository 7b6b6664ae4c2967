using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>Parameters and statistics under the names the fixtures give them, matrices [out][in] row by row.</summary>
internal static class NetworkState
{
    /// <summary>The functions by the fixtures' names, with the constants that the fixtures' README fixes.</summary>
    private static readonly Dictionary<string, ActivationFunction> s_activations = new()
    {
        ["relu"] = ActivationFunction.ReLU,
        ["leaky_relu"] = ActivationFunction.LeakyReLU,
        ["elu"] = ActivationFunction.ELU,
        ["selu"] = ActivationFunction.SELU,
        ["gelu"] = ActivationFunction.GELU,
        ["silu"] = ActivationFunction.SiLU,
        ["mish"] = ActivationFunction.Mish,
        ["tanh"] = ActivationFunction.Tanh,
        ["sigmoid"] = ActivationFunction.Sigmoid,
    };

    public static ActivationFunction Activation(string name) => s_activations[name];

    public static BatchNormalizationPlacement Placement(string name) => name switch
    {
        "A" => BatchNormalizationPlacement.BeforeActivation,
        "B" => BatchNormalizationPlacement.AfterActivation,
        "C" => BatchNormalizationPlacement.LayerInput,
        "none" => BatchNormalizationPlacement.None,
        _ => throw new ArgumentException($"Unknown placement '{name}'.", nameof(name)),
    };

    /// <summary>
    /// The operations of a network of ours in order, written as <see cref="Operations(JsonElement)"/> writes those of a file.
    /// </summary>
    public static string[] Operations(NetworkDefinition definition)
    {
        var operations = new List<string>();
        foreach (Node node in definition.Plan.Nodes)
        {
            operations.Add(node switch
            {
                ConvolutionNode convolution =>
                    $"conv{node.Layer + 1}({node.Inputs}, {node.Outputs}, {Windows(convolution.Grid)}, {convolution.HasBias})",
                PoolingNode pooling =>
                    $"pool{node.Layer + 1}({(pooling.TakesMaximum ? "max" : "average")}, {Windows(pooling.Grid)})",
                FlattenNode => $"flatten({node.Outputs})",
                MeanNode => $"gap({node.Outputs})",
                DenseNode dense => $"linear{dense.Layer + 1}({dense.Inputs}, {dense.Outputs}, {dense.HasBias})",
                BatchNormNode => $"bn{node.Layer + 1}({node.Outputs})",
                ActivationNode activation => $"act{node.Layer + 1}({activation.Function})",
                _ => node.Name,
            });
        }
        return [.. operations];
    }

    /// <summary>The operations that a file spells out, which are its authority on what the network is.</summary>
    public static string[] Operations(JsonElement operations) => [.. operations.EnumerateArray().Select(Operation)];

    /// <summary>The function of all hidden layers of a file; networks of ours have one.</summary>
    public static ActivationFunction SingleActivation(JsonElement operations)
    {
        string[] names = [.. operations.EnumerateArray().Where(o => o.GetProperty("type").GetString() == "activation")
            .Select(o => o.GetProperty("function").GetString()!).Distinct()];
        if (names.Length > 1)
            Assert.Inconclusive($"A network has one activation function, the file has {string.Join(" and ", names)}.");
        return names.Length == 0 ? ActivationFunction.ReLU : s_activations[names[0]];
    }

    /// <summary>Fills parameters from a file's state; every array of the file must find its place.</summary>
    public static void Write(JsonElement state, NetworkParameters parameters)
    {
        foreach (JsonProperty array in state.EnumerateObject())
        {
            string[] name = array.Name.Split('.');
            int layer = LayerOf(name[0]);
            if (name[0].StartsWith("conv", StringComparison.Ordinal))
            {
                Write(array.Value.Flat(), name[1], ConvolutionOf(parameters, layer));
                continue;
            }
            LinearParameters? linear = parameters.LinearOf(layer);
            BatchNormalizationParameters? normalization = parameters.BatchNormalization[layer];
            switch (name[1])
            {
                case "weight": WriteWeights(array.Value.Matrix(), linear!); break;
                case "bias": array.Value.Vector().ToSingle().CopyTo(linear!.Bias!.Span); break;
                case "gamma": array.Value.Vector().ToSingle().CopyTo(normalization!.Gamma.Span); break;
                case "beta": array.Value.Vector().ToSingle().CopyTo(normalization!.Beta.Span); break;
                case "running_mean": array.Value.Vector().CopyTo(normalization!.RunningMean, 0); break;
                case "running_var": array.Value.Vector().CopyTo(normalization!.RunningVariance, 0); break;
                default: throw new ArgumentException($"Unknown array '{array.Name}'.", nameof(state));
            }
        }
    }

    public static void WriteWeights(double[][] weights, LinearParameters linear)
    {
        for (int o = 0; o < linear.Outputs; o++)
        {
            for (int i = 0; i < linear.Inputs; i++)
                linear.Weight(o, i) = (float)weights[o][i];
        }
    }

    /// <summary>All arrays of a network of ours.</summary>
    public static Dictionary<string, double[]> Read(NetworkParameters parameters)
    {
        var state = new Dictionary<string, double[]>();
        for (int layer = 0; layer < parameters.Definition.LayerCount; layer++)
        {
            if (parameters.LinearOf(layer) is { } linear)
            {
                state[$"linear{layer + 1}.weight"] = Weights(linear.Weights, linear);
                if (linear.Bias is { } bias)
                    state[$"linear{layer + 1}.bias"] = Panels.Vector(bias, linear.Outputs);
            }
            else
            {
                ConvolutionParameters convolution = ConvolutionOf(parameters, layer);
                state[$"conv{layer + 1}.weight"] = Weights(convolution.Weights, convolution);
                if (convolution.Bias is { } shift)
                    state[$"conv{layer + 1}.bias"] = Panels.Vector(shift, convolution.Filters);
            }
            if (parameters.BatchNormalization[layer] is not { } normalization)
                continue;
            state[$"bn{layer + 1}.gamma"] = Panels.Vector(normalization.Gamma, normalization.Columns);
            state[$"bn{layer + 1}.beta"] = Panels.Vector(normalization.Beta, normalization.Columns);
            state[$"bn{layer + 1}.running_mean"] = [.. normalization.RunningMean];
            state[$"bn{layer + 1}.running_var"] = [.. normalization.RunningVariance];
        }
        return state;
    }

    /// <summary>The gradients that the last step left, under the same names.</summary>
    public static Dictionary<string, double[]> Gradients(FeedForwardNetwork network, NetworkParameters parameters)
    {
        var gradients = new Dictionary<string, double[]>();
        foreach (ParameterBlock block in network.Parameters)
        {
            string[] name = block.Name.Split('.');
            int layer = LayerOf(name[0]);
            gradients[block.Name] = name[1] switch
            {
                "weight" when parameters.LinearOf(layer) is null => Weights(block.Gradient, ConvolutionOf(parameters, layer)),
                "bias" when parameters.LinearOf(layer) is null =>
                    Panels.Vector(block.Gradient, ConvolutionOf(parameters, layer).Filters),
                "weight" => Weights(block.Gradient, parameters.LinearOf(layer)!),
                "bias" => Panels.Vector(block.Gradient, parameters.LinearOf(layer)!.Outputs),
                _ => Panels.Vector(block.Gradient, parameters.BatchNormalization[layer]!.Columns),
            };
        }
        return gradients;
    }

    /// <summary>Compares the arrays of a file with computed ones of the same names; neither side may have one too many.</summary>
    public static void Compare(
        Comparison comparison, string what, JsonElement expected, Dictionary<string, double[]> actual, double tolerance)
    {
        string[] names = [.. expected.EnumerateObject().Select(p => p.Name)];
        Assert.IsTrue(
            actual.Keys.ToHashSet().SetEquals(names), $"{what}: {string.Join(", ", actual.Keys)} instead of {string.Join(", ", names)}");
        foreach (string name in names)
        {
            comparison.Relative($"{what} {name}", expected.GetProperty(name).Flat(), actual[name], tolerance, Trajectory.SmallestScale);
        }
    }

    private static double[] Weights(AlignedBuffer buffer, LinearParameters linear)
    {
        var weights = new double[linear.Outputs * linear.Inputs];
        for (int o = 0; o < linear.Outputs; o++)
        {
            for (int i = 0; i < linear.Inputs; i++)
                weights[o * linear.Inputs + i] = buffer.Span[PanelLayout.WeightIndex(i, o, linear.Inputs)];
        }
        return weights;
    }

    /// <summary>The number behind the letters of a name, counted from 0.</summary>
    private static int LayerOf(string name) => int.Parse(name.AsSpan(name.IndexOfAny([.. "123456789"]))) - 1;

    /// <summary>What a convolutional layer has learned.</summary>
    public static ConvolutionParameters ConvolutionOf(NetworkParameters parameters, int layer) =>
        (ConvolutionParameters)parameters[parameters.Definition.Plan.Nodes.OfType<ConvolutionNode>().Single(node => node.Layer == layer)]!;

    /// <summary>Fills weights [filter][channel][row][column], or the bias, of a convolution.</summary>
    public static void Write(double[] values, string array, ConvolutionParameters convolution)
    {
        if (array == "bias")
        {
            values.ToSingle().CopyTo(convolution.Bias!.Span);
            return;
        }
        int i = 0;
        foreach ((int filter, int channel, int row, int column) in Places(convolution))
            convolution.Weight(filter, channel, row, column) = (float)values[i++];
    }

    /// <summary>Weights, or their gradients, in the order of the fixtures.</summary>
    public static double[] Weights(AlignedBuffer buffer, ConvolutionParameters convolution) =>
        [.. Places(convolution).Select(at => (double)buffer.Span[convolution.WeightIndex(at.Filter, at.Channel, at.Row, at.Column)])];

    private static IEnumerable<(int Filter, int Channel, int Row, int Column)> Places(ConvolutionParameters convolution) =>
        from filter in Enumerable.Range(0, convolution.Filters)
        from channel in Enumerable.Range(0, convolution.Channels)
        from row in Enumerable.Range(0, convolution.KernelHeight)
        from column in Enumerable.Range(0, convolution.KernelWidth)
        select (filter, channel, row, column);

    private static string Windows(WindowGrid grid) =>
        $"{grid.KernelHeight}x{grid.KernelWidth} by {grid.StrideY}x{grid.StrideX} to {grid.OutputHeight}x{grid.OutputWidth}";

    private static string Windows(JsonElement operation)
    {
        string Pair(string name) => string.Join("x", operation.GetProperty(name).Vector());
        return $"{Pair("kernel")} by {Pair("stride")} to {string.Join("x", operation.GetProperty("out_shape").Vector()[1..])}";
    }

    private static string Operation(JsonElement operation)
    {
        string name = operation.GetProperty("name").GetString()!;
        switch (operation.GetProperty("type").GetString())
        {
            case "conv2d":
                return $"{name}({operation.GetProperty("in_channels")}, {operation.GetProperty("out_channels")}, {Windows(operation)}, "
                    + $"{operation.GetProperty("bias").GetBoolean()})";
            case "batchnorm2d":
                return $"{name}({operation.GetProperty("channels")})";
            case "maxpool2d":
                return $"{name}(max, {Windows(operation)})";
            case "averagepool2d":
                return $"{name}(average, {Windows(operation)})";
            case "flatten" or "global_average_pool":
                return $"{name}({operation.GetProperty("out")})";
            case "linear":
                return $"{name}({operation.GetProperty("in")}, {operation.GetProperty("out")}, "
                    + $"{operation.GetProperty("bias").GetBoolean()})";
            case "batchnorm":
                return $"{name}({operation.GetProperty("features")})";
            default:
                string function = operation.GetProperty("function").GetString()!;
                CheckConstants(function, operation.GetProperty("params"));
                return $"{name}({s_activations[function]})";
        }
    }

    /// <summary>Slope, alpha and scale are fixed numbers in our functions; a file with others would be another function.</summary>
    private static void CheckConstants(string function, JsonElement constants)
    {
        foreach (JsonProperty constant in constants.EnumerateObject())
        {
            double? ours = (function, constant.Name) switch
            {
                ("leaky_relu", _) => 0.01,
                ("elu", _) => 1,
                ("selu", "alpha") => 1.6732632423543772,
                ("selu", _) => 1.0507009873554805,
                _ => null,
            };
            if (constant.Name == "approximate" && constant.Value.GetString() != "none")
                Assert.Inconclusive($"{function} is the approximation by {constant.Value} in this file; ours is exact.");
            if (constant.Value.ValueKind == JsonValueKind.Number && ours is { } number && constant.Value.GetDouble() != number)
                Assert.Inconclusive($"{function} has {constant.Name} = {constant.Value} in this file; ours is {number}.");
        }
    }
}
