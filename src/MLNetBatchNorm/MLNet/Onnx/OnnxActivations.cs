namespace MLNetBatchNorm;

/// <summary>Activation functions as ONNX nodes; those that opset 12 has no operator for are put together from its parts.</summary>
internal static class OnnxActivations
{
    /// <summary>Adds <paramref name="activation"/> of <paramref name="x"/> and returns the name of the result.</summary>
    public static string Add(OnnxGraph graph, ActivationFunction activation, string name, string x)
    {
        switch (activation)
        {
            case ActivationFunction.ReLU:
                return graph.Node("Relu", name, [x]);
            case ActivationFunction.LeakyReLU:
                return graph.Node("LeakyRelu", name, [x], new OnnxAttribute("alpha", 0.01f));
            case ActivationFunction.ELU:
                return graph.Node("Elu", name, [x], new OnnxAttribute("alpha", 1f));
            case ActivationFunction.SELU:
                return graph.Node(
                    "Selu", name, [x], new OnnxAttribute("alpha", (float)1.6732632423543772), new OnnxAttribute("gamma", (float)1.0507009873554805));
            case ActivationFunction.GELU:
                return AddGelu(graph, name, x);
            case ActivationFunction.SiLU:
                return graph.Node("Mul", name, [x, graph.Node("Sigmoid", $"{name}.sigmoid", [x])]);
            case ActivationFunction.Mish:
                string softplus = graph.Node("Softplus", $"{name}.softplus", [x]);
                return graph.Node("Mul", name, [x, graph.Node("Tanh", $"{name}.tanh", [softplus])]);
            case ActivationFunction.Tanh:
                return graph.Node("Tanh", name, [x]);
            case ActivationFunction.Sigmoid:
                return graph.Node("Sigmoid", name, [x]);
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "There is no ONNX form of this activation.");
        }
    }

    /// <summary><c>x (1 + erf(x / sqrt(2))) / 2</c>, in the order in which runtimes recognize it.</summary>
    private static string AddGelu(OnnxGraph graph, string name, string x)
    {
        string argument = graph.Node("Div", $"{name}.argument", [x, graph.Floats($"{name}.root_of_two", [(float)Math.Sqrt(2)], 1)]);
        string erf = graph.Node("Erf", $"{name}.erf", [argument]);
        string sum = graph.Node("Add", $"{name}.sum", [erf, graph.Floats($"{name}.one", [1], 1)]);
        string product = graph.Node("Mul", $"{name}.product", [x, sum]);
        return graph.Node("Mul", name, [product, graph.Floats($"{name}.half", [0.5f], 1)]);
    }
}
