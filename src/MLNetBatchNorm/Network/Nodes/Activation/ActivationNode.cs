using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary><c>y = f(x)</c>, element by element.</summary>
internal sealed class ActivationNode(int index, int layer, int columns, ActivationFunction function) : ColumnNode(index, layer, columns)
{
    public override string Name { get; } = $"hidden{layer + 1}";

    /// <summary>f.</summary>
    public ActivationFunction Function => function;

    public override ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input) =>
        new ActivationLayer(Function, input, OutputFor(input));

    public override FrozenOperation Freeze(NodeParameters? parameters) => new FrozenActivation(this);

    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output)
    {
        string name = prefix + Name;
        // What the graph calls the result of each step; that of the whole, and the input before it, have no name among the steps.
        var results = new Dictionary<string, string> { [""] = input };
        foreach (OperatorStep step in Activations.Graph(Function))
        {
            bool isLast = step.Result.Length == 0;
            string[] operands =
                [.. step.Operands.Select(o => o.Value is { } value ? graph.Floats($"{name}.{o.Name}", [value], 1) : results[o.Name])];
            OnnxAttribute[] settings = [.. step.Settings.Select(setting => new OnnxAttribute(setting.Name, setting.Value))];
            results[step.Result] = graph.NodeAs(
                isLast ? output : null, step.Operator, isLast ? name : $"{name}.{step.Result}", operands, settings);
        }

        return results[""];
    }
}
