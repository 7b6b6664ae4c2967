namespace MLNetBatchNorm;

/// <summary>What one epoch of training came to.</summary>
/// <param name="Epoch">Number of the epoch, counted from 1.</param>
/// <param name="LearningRate">The rate of the epoch's last step.</param>
/// <param name="TrainingLoss">Weighted mean loss over the epoch's mini-batches, each measured before its own update, in training mode.</param>
/// <param name="ValidationLoss">Weighted mean loss over the validation rows after the epoch, in prediction mode, at the best temperature where the trainer scales it (<c>TemperatureScaling</c>); null without validation rows.</param>
/// <param name="ValidationMetric">
/// How good the network was on the validation rows after the epoch, each counting with its weight and that of its class: for binary classification the area under the ROC curve, for multiclass
/// classification the part of the rows whose class was recognized, for regression R squared, the part of the labels' variance that was explained. NaN where it is
/// not defined: there are rows of one class only, or the labels are all equal. Null without validation rows, and in models of format version 1.
/// It is for people to look at: which epoch is the best is decided by the loss.
/// </param>
public sealed record EpochRecord(int Epoch, double LearningRate, double TrainingLoss, double? ValidationLoss, double? ValidationMetric = null);

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
