namespace MLNetBatchNorm;

/// <summary>What one epoch of training came to.</summary>
/// <param name="Epoch">Number of the epoch, counted from 1.</param>
/// <param name="LearningRate">The rate of the epoch's last step.</param>
/// <param name="TrainingLoss">Weighted mean loss over the epoch's mini-batches, each measured before its own update, in training mode.</param>
/// <param name="ValidationLoss">Weighted mean loss over the validation rows after the epoch, in prediction mode; null without validation rows.</param>
public sealed record EpochRecord(int Epoch, double LearningRate, double TrainingLoss, double? ValidationLoss);

/// <summary>Why training ended.</summary>
public enum TrainingStopReason
{
    /// <summary>All epochs were done.</summary>
    AllEpochsDone,

    /// <summary>The validation loss had not improved for the given number of epochs.</summary>
    ValidationLossStoppedImproving,
}

/// <summary>The course of a training, epoch by epoch; saved with the model.</summary>
/// <param name="Epochs">One record for each epoch, in order.</param>
/// <param name="BestEpoch">The epoch whose parameters the model carries: the one with the lowest validation loss, or the last one without validation rows.</param>
/// <param name="StopReason">Why training ended.</param>
public sealed record TrainingHistory(IReadOnlyList<EpochRecord> Epochs, int BestEpoch, TrainingStopReason StopReason);
