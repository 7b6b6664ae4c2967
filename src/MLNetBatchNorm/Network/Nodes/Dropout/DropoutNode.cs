using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Drops units with the given probability in training, and none in prediction.</summary>
internal sealed class DropoutNode(int index, int layer, int columns, double rate) : ColumnNode(index, layer, columns)
{
    public override string Name { get; } = $"dropout{layer + 1}";

    public override bool IsIdentityInPrediction => true;

    public override ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input) =>
        new DropoutLayer((float)rate, input, OutputFor(input));

    public override FrozenOperation Freeze(NodeParameters? parameters) =>
        throw new InvalidOperationException("Nothing is dropped in prediction.");

    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output) =>
        output is null ? input : graph.NodeAs(output, "Identity", prefix + Name, [input]);
}
