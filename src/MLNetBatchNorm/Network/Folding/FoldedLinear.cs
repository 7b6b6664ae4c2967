using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A linear map in prediction: it reads one matrix and writes another.</summary>
internal abstract class FoldedLinear(LinearNode node, NodeParameters? parameters) : FoldedOperation(node, parameters)
{
    /// <summary>Computes the first <paramref name="rows"/> rows of <paramref name="output"/>.</summary>
    public abstract void Apply(NodeInput input, int rows, PanelMatrix output);
}
