namespace MLNetBatchNorm.Network;

/// <summary>What one node of a network has learned, in the form in which it is trained and saved.</summary>
internal abstract class NodeParameters
{
    /// <summary>Whether all numbers, statistics included, are finite.</summary>
    public abstract bool IsFinite { get; }

    /// <summary>Takes over all numbers of the parameters of a node of the same kind and shape.</summary>
    public abstract void CopyFrom(NodeParameters other);
}
