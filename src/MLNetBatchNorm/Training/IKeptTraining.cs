using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>What is kept of one training: its state while it is under way, then the network that it came to.</summary>
internal interface IKeptTraining : ITrainingCheckpoints
{
    /// <summary>The network, if an earlier run has trained it to the end.</summary>
    NetworkMember? Finished { get; }

    /// <summary>The training is over.</summary>
    void Finish(NetworkMember result);
}
