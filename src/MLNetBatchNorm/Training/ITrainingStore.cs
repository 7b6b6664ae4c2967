using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Where trainings are kept; asked by several threads at once.</summary>
internal interface ITrainingStore
{
    /// <summary>What is kept of a training, which may be nothing yet.</summary>
    /// <param name="training">The training.</param>
    /// <param name="initial">Its parameters before the first step, by which it knows its own states again.</param>
    /// <param name="observer">Told what was found, and what cannot be kept.</param>
    IKeptTraining Open(NetworkTraining training, NetworkParameters initial, INetworkTrainingObserver observer);
}
