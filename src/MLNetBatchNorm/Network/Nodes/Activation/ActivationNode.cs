using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary><c>y = f(x)</c>, element by element.</summary>
internal sealed class ActivationNode(int index, int layer, int columns, ActivationFunction function) : ColumnNode(index, layer, columns)
{
    public override string Name { get; } = $"hidden{layer + 1}";

    /// <summary>f.</summary>
    public ActivationFunction Function => function;

    public override ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input) => new ActivationLayer(Function, input, OutputFor(input));

    public override FrozenOperation Freeze(NodeParameters? parameters) => new FrozenActivation(this);
}
