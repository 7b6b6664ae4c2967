using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A node that treats every column by itself.</summary>
internal abstract class ColumnNode(int index, int layer, int columns) : Node(index, layer, columns, columns)
{
    public sealed override NodeScope Scope => NodeScope.Columns;

    /// <summary>What computes it over a mini-batch in <paramref name="input"/>.</summary>
    public abstract ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input);

    /// <summary>What computes it when the network predicts and nothing was folded.</summary>
    public abstract FrozenOperation Freeze(NodeParameters? parameters);

    /// <summary>A matrix of the size of its output.</summary>
    private protected PanelMatrix OutputFor(PanelMatrix input) => new(input.RowCapacity, Outputs);
}
