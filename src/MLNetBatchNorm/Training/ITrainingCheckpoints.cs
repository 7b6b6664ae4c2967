using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Keeps the state of a training where it outlives the process; called on the thread that trains.</summary>
internal interface ITrainingCheckpoints
{
    /// <summary>Puts <paramref name="state"/> to where an earlier run of the same training was interrupted.</summary>
    /// <returns>False if there was none; the state is untouched.</returns>
    bool Restore(TrainingState state);

    /// <summary>An epoch is done; the state may be kept, and must not be changed.</summary>
    void EpochEnded(TrainingState state);
}

/// <summary>What is kept of one training: its state while it is under way, then the network that it came to.</summary>
internal interface IKeptTraining : ITrainingCheckpoints
{
    /// <summary>The network, if an earlier run has trained it to the end.</summary>
    NetworkMember? Finished { get; }

    /// <summary>The training is over.</summary>
    void Finish(NetworkMember result);
}

/// <summary>Where trainings are kept; asked by several threads at once.</summary>
internal interface ITrainingStore
{
    /// <summary>What is kept of a training, which may be nothing yet.</summary>
    /// <param name="training">The training.</param>
    /// <param name="initial">Its parameters before the first step, by which it knows its own states again.</param>
    /// <param name="observer">Told what was found, and what cannot be kept.</param>
    IKeptTraining Open(NetworkTraining training, NetworkParameters initial, INetworkTrainingObserver observer);
}
