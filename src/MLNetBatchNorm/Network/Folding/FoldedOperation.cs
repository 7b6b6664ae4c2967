namespace MLNetBatchNorm.Network;

/// <summary>
/// What is left of one node, and of those folded into it, when a network predicts. Reads only: everything it writes is given to it.
/// </summary>
internal abstract class FoldedOperation(Node node, NodeParameters? parameters)
{
    /// <summary>The node.</summary>
    public Node Node { get; } = node;

    /// <summary>What it computes with, neighbours folded in; null if there is nothing.</summary>
    public NodeParameters? Parameters { get; } = parameters;

    /// <summary>Whether all numbers it multiplies by or adds are finite, so that finite values stay finite.</summary>
    public virtual bool IsFinite => Parameters is not { IsFinite: false };

    /// <summary>Takes over the present state of a network of the same shape.</summary>
    public virtual void Refold(NetworkParameters network)
    {
    }
}
