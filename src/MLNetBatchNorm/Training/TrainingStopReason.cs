namespace MLNetBatchNorm;

/// <summary>Why training ended.</summary>
public enum TrainingStopReason
{
    /// <summary>All epochs were done.</summary>
    AllEpochsDone,

    /// <summary>The validation loss had not improved for the given number of epochs.</summary>
    ValidationLossStoppedImproving,
}
