namespace MLNetBatchNorm.Network;

/// <summary>An operation of prediction that reads one matrix and writes another.</summary>
internal abstract class FoldedMap(Node node, NodeParameters? parameters) : FoldedOperation(node, parameters)
{
    /// <summary>Computes the first <paramref name="rows"/> rows of <paramref name="output"/>.</summary>
    public abstract void Apply(NodeInput input, int rows, MapOutput output);

    /// <summary>Memory for its output, and for what it needs in between, of one thread.</summary>
    /// <param name="output">The output of blocks of rows.</param>
    public virtual MapOutput CreateOutput(Kernels.PanelMatrix output) => new(output);
}
