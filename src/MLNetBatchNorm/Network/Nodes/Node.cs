using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Network;

/// <summary>
/// One operation of a network: its shape, its settings, and how to make what computes it. Immutable; what
/// it learns is in <see cref="NodeParameters"/>.
/// </summary>
/// <param name="index">Position in <see cref="Plan.Nodes"/>.</param>
/// <param name="layer">The layer it belongs to, counted from 0: one for each linear map, the output layer's included.</param>
/// <param name="inputs">Columns it reads.</param>
/// <param name="outputs">Columns it writes.</param>
internal abstract class Node(int index, int layer, int inputs, int outputs)
{
    /// <summary>Position in <see cref="Plan.Nodes"/>, and so in <see cref="NetworkParameters"/>.</summary>
    public int Index { get; } = index;

    /// <summary>The layer it belongs to, counted from 0: one for each linear map, the output layer's included.</summary>
    public int Layer { get; } = layer;

    /// <summary>Columns it reads.</summary>
    public int Inputs { get; } = inputs;

    /// <summary>Columns it writes.</summary>
    public int Outputs { get; } = outputs;

    /// <summary>Rows of its output that each row of a mini-batch becomes: the pixels of a map; else 1.</summary>
    public virtual int OutputPositions => 1;

    /// <summary>Name for messages, tests, gradients and graphs, such as <c>linear1</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What it must have read before it can write.</summary>
    public abstract NodeScope Scope { get; }

    /// <summary>Number of trained numbers.</summary>
    public virtual long ParameterCount => 0;

    /// <summary>Bytes of its numbers in a model, all that can vary with its size.</summary>
    public virtual long StoredBytes => 0;

    /// <summary>Whether it passes everything through when the network predicts.</summary>
    public virtual bool IsIdentityInPrediction => false;

    /// <summary>Parameters before training and initialization; null if it has none.</summary>
    /// <param name="compact">Whether they take no more memory than they need: for a network that is kept, not trained.</param>
    public virtual NodeParameters? CreateParameters(bool compact) => null;

    /// <summary>Adds it, as it predicts, to a graph.</summary>
    /// <param name="graph">Where to add it.</param>
    /// <param name="input">Name of what it reads.</param>
    /// <param name="parameters">What it has learned, or what became of it by folding others in.</param>
    /// <param name="prefix">In front of <see cref="Name"/>.</param>
    /// <param name="output">Name that the result gets; null: one after its own.</param>
    /// <returns>Name of the result.</returns>
    public abstract string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output);

    /// <summary>Draws initial values where they are random.</summary>
    public virtual void Initialize(NodeParameters? parameters, ulong seed)
    {
    }

    /// <summary>
    /// Whether all that it does when the network predicts is to scale and shift each column, so that it can be folded into a linear map.
    /// </summary>
    public virtual bool IsAffineInPrediction => false;

    /// <summary>Scale and shift of each column, where <see cref="IsAffineInPrediction"/>.</summary>
    public virtual (double[] Scale, double[] Shift) Affine(NodeParameters? parameters) =>
        throw new InvalidOperationException($"{Name} is no affine map of each column.");
}
