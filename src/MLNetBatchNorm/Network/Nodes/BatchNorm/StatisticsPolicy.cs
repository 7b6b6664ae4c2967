namespace MLNetBatchNorm.Network;

/// <summary>What a batch normalization does with the statistics of the rows it sees.</summary>
internal enum StatisticsPolicy
{
    /// <summary><c>running = (1 - m) running + m batch</c>.</summary>
    RunningAverage,

    /// <summary>
    /// The plain average over all batches seen: the same with m = 1 / number of batches (Ioffe and Szegedy 2015, algorithm 2).
    /// </summary>
    Cumulative,

    /// <summary>Moments of all rows seen, as if they were one batch; taken over by <see cref="BatchNormLayer.EndPooling"/>.</summary>
    Pooled,

    /// <summary>Statistics are not touched and rows are normalized with the frozen ones, as in prediction.</summary>
    Frozen,
}
