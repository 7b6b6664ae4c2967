using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm;

/// <summary>Activation functions as ONNX nodes.</summary>
internal static class OnnxActivations
{
    /// <summary>Adds <paramref name="activation"/> of <paramref name="x"/> and returns the name of the result.</summary>
    public static string Add(OnnxGraph graph, ActivationFunction activation, string name, string x)
    {
        // What the graph calls the result of each step; that of the whole, and the input before it, have no name among the steps.
        var results = new Dictionary<string, string> { [""] = x };
        foreach (OperatorStep step in Activations.Graph(activation))
        {
            string[] inputs =
            [
                .. step.Operands.Select(operand => operand.Value is { } value
                    ? graph.Floats($"{name}.{operand.Name}", [value], 1)
                    : results[operand.Name]),
            ];
            OnnxAttribute[] settings = [.. step.Settings.Select(setting => new OnnxAttribute(setting.Name, setting.Value))];
            results[step.Result] = graph.Node(step.Operator, step.Result.Length == 0 ? name : $"{name}.{step.Result}", inputs, settings);
        }

        return results[""];
    }
}
