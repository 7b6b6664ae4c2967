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
