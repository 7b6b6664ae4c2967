using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Told about several trainings and what they come to; one call at a time, on the thread that runs them.</summary>
internal interface ITrainingsObserver
{
    /// <inheritdoc cref="INetworkTrainingObserver.Started"/>
    void Started(NetworkTraining training, int rows, int validationRows);

    /// <inheritdoc cref="ITrainingObserver.EpochEnded"/>
    void EpochEnded(NetworkTraining training, EpochRecord record, int bestEpoch, int maximumEpochs);

    /// <inheritdoc cref="INetworkTrainingObserver.Noted"/>
    void Noted(NetworkTraining training, TrainingNote note);

    /// <summary>A training is over. Whoever wants its result keeps it: the runner does not.</summary>
    void Ended(NetworkTraining training, NetworkMember result);
}
