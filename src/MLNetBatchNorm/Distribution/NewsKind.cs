namespace MLNetBatchNorm.Distribution;

/// <summary>What a training has to tell.</summary>
internal enum NewsKind : byte
{
    /// <summary>The rows are there, and the first epoch begins.</summary>
    Started = 1,

    /// <summary>An epoch is done.</summary>
    Epoch = 2,

    /// <summary>There is something that a person should know.</summary>
    Note = 3,

    /// <summary>It is over, and this is the network.</summary>
    Ended = 4,

    /// <summary>It failed.</summary>
    Failed = 5,
}
