namespace MLNetBatchNorm;

/// <summary>The course of a training, epoch by epoch; saved with the model.</summary>
public sealed record TrainingHistory
{
    /// <summary>One record for each epoch, in order; none if nothing was trained.</summary>
    public IReadOnlyList<EpochRecord> Epochs { get; init; } = [];

    /// <summary>
    /// The epoch whose parameters the model carries, counted from 1: the one with the lowest validation loss, or the last one without
    /// validation rows.
    /// </summary>
    public int BestEpoch { get; init; }

    /// <summary>Why training ended.</summary>
    public TrainingStopReason StopReason { get; init; }
}
