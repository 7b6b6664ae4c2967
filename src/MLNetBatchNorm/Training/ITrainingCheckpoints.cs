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
