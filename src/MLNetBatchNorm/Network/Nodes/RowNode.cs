using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A node that reads whole rows, all columns of each, and no other row: a worker that owns rows goes through it alone.</summary>
internal abstract class RowNode(int index, int layer, int inputs, int outputs) : Node(index, layer, inputs, outputs), IMapNode
{
    public sealed override NodeScope Scope => NodeScope.Rows;

    /// <summary>What computes it over a mini-batch.</summary>
    /// <param name="input">What it reads.</param>
    /// <param name="parameters">What it has learned.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    /// <param name="passesGradient">Whether a node in front of it learns.</param>
    public abstract RowOperation CreateOperation(NodeInput input, NodeParameters? parameters, int rowCapacity, bool passesGradient);

    public abstract bool TakesAffineInFront { get; }

    public abstract bool TakesAffineBehind { get; }

    public abstract FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact);
}
