namespace MLNetBatchNorm.Network;

/// <summary>A node that in prediction reads one matrix and writes another; all others change their matrix in place.</summary>
internal interface IMapNode
{
    /// <summary>Whether an affine map of each column directly in front of it can become a part of it.</summary>
    bool TakesAffineInFront { get; }

    /// <summary>Whether one directly behind it can.</summary>
    bool TakesAffineBehind { get; }

    /// <summary>What computes it when the network predicts, with neighbours folded in.</summary>
    /// <param name="parameters">What the network has learned.</param>
    /// <param name="before">The affine node in front of it that becomes a part of it, or null.</param>
    /// <param name="behind">The one behind it.</param>
    /// <param name="compact">Whether a map of few outputs takes no more memory than it needs.</param>
    FoldedMap Fold(NetworkParameters parameters, Node? before, Node? behind, bool compact);
}
