using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A node that mixes columns by weights: every layer of a network has one.</summary>
internal abstract class LinearNode(int index, int layer, int inputs, int outputs) : Node(index, layer, inputs, outputs), IMapNode
{
    /// <summary>Number of weights, those of a projection in front of the map included; the biases are no weights.</summary>
    public virtual long Weights => (long)Inputs * Outputs;

    public override string Name { get; } = $"linear{layer + 1}";

    public sealed override NodeScope Scope => NodeScope.All;

    public bool TakesAffineInFront => true;

    public bool TakesAffineBehind => true;

    /// <summary>What computes it over a mini-batch.</summary>
    /// <param name="input">What it reads.</param>
    /// <param name="parameters">What it has learned.</param>
    /// <param name="rowCapacity">Rows of the largest mini-batch.</param>
    /// <param name="passesGradient">Whether a node in front of it learns.</param>
    /// <param name="products">What multiplies matrices.</param>
    public abstract LinearLayer CreateLayer(
        NodeInput input, NodeParameters? parameters, int rowCapacity, bool passesGradient, MatrixProducts products);

    public abstract FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact);

    /// <summary>
    /// What computes it when the network predicts and its input comes in columns, entries and rows of a table, with the
    /// affine node behind it, if there is one, folded in.
    /// </summary>
    public abstract FoldedLinear FoldTable(NetworkParameters parameters, Node? behind, EncodedForm form);

    /// <summary>The same over the very memory that it is trained in, with nothing folded in.</summary>
    public abstract FoldedLinear ShareTable(NetworkParameters parameters, EncodedForm form);

    /// <summary>What computes it when the network predicts, over the very memory that it is trained in.</summary>
    public abstract FoldedLinear Share(NetworkParameters parameters);
}
