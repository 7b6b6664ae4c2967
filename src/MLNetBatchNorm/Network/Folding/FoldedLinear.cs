namespace MLNetBatchNorm.Network;

/// <summary>A linear map in prediction.</summary>
internal abstract class FoldedLinear(LinearNode node, NodeParameters? parameters) : FoldedMap(node, parameters)
{
    public sealed override void Apply(NodeInput input, int rows, MapOutput output) => Apply(input, rows, output.Values);

    /// <summary>Computes the first <paramref name="rows"/> rows of <paramref name="output"/>.</summary>
    public abstract void Apply(NodeInput input, int rows, Kernels.PanelMatrix output);
}
