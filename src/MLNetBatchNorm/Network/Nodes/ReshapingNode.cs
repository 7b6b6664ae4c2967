using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A node that treats every column by itself but writes another number of positions or columns: pooling, flattening.</summary>
internal abstract class ReshapingNode(int index, int layer, int inputs, int outputs, int outputPositions) : ColumnNode(
    index, layer, inputs, outputs), IMapNode
{
    public sealed override int OutputPositions => outputPositions;

    public bool TakesAffineInFront => false;

    public bool TakesAffineBehind => false;

    /// <summary>What computes it from <paramref name="input"/> into <paramref name="output"/>.</summary>
    public abstract ReshapingOperation CreateOperation(PanelMatrix input, PanelMatrix output);

    public sealed override ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input) =>
        CreateOperation(input, OutputFor(input));

    public FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact) => new FoldedReshaping(this);

    public sealed override FrozenOperation Freeze(NodeParameters? parameters) =>
        throw new InvalidOperationException($"{Name} does not change a matrix in place.");

    internal sealed override PanelMatrix OutputFor(PanelMatrix input) =>
        new(input.RowCapacity / input.Positions * OutputPositions, Outputs) { Positions = OutputPositions };
}
