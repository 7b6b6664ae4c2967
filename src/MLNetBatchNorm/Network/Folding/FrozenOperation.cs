using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>An operation of prediction that treats every column by itself, in place.</summary>
internal abstract class FrozenOperation(Node node, NodeParameters? parameters) : FoldedOperation(node, parameters)
{
    /// <summary>Replaces the first <paramref name="rows"/> rows.</summary>
    public abstract void Apply(PanelMatrix values, int rows);
}
