using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Told about the epochs of one training; called on the thread that trains.</summary>
internal interface ITrainingObserver
{
    /// <summary>An epoch is done.</summary>
    /// <param name="record">What it came to.</param>
    /// <param name="bestEpoch">The best epoch so far.</param>
    /// <param name="maximumEpochs">Epochs that were asked for.</param>
    void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs);
}

/// <summary>Told about all that happens in one training; called on the thread that trains.</summary>
internal interface INetworkTrainingObserver : ITrainingObserver
{
    /// <summary>The rows are there, and the first epoch begins, or the one at which an interrupted training goes on.</summary>
    /// <param name="rows">Rows that it learns from.</param>
    /// <param name="validationRows">Rows that choose the best epoch.</param>
    void Started(int rows, int validationRows);

    /// <summary>There is something that a person should know.</summary>
    void Noted(TrainingNote note);
}

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
