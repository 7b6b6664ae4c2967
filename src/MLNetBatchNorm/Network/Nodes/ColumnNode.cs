using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A node that treats every column by itself.</summary>
internal abstract class ColumnNode(int index, int layer, int inputs, int outputs) : Node(index, layer, inputs, outputs)
{
    /// <summary>A node that writes as many columns as it reads.</summary>
    private protected ColumnNode(int index, int layer, int columns)
        : this(index, layer, columns, columns)
    {
    }

    public sealed override NodeScope Scope => NodeScope.Columns;

    /// <summary>What computes it over a mini-batch in <paramref name="input"/>.</summary>
    public abstract ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input);

    /// <summary>What computes it when the network predicts and nothing was folded.</summary>
    public abstract FrozenOperation Freeze(NodeParameters? parameters);

    /// <summary>A matrix for its output.</summary>
    internal virtual PanelMatrix OutputFor(PanelMatrix input) =>
        new(input.RowCapacity, Outputs) { Positions = input.Positions };
}
