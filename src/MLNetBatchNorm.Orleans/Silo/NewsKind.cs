namespace MLNetBatchNorm.Clustering;

/// <summary>What there is to tell the client of a fit.</summary>
internal enum NewsKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>How far trainings are: it may wait.</summary>
    Progress,

    /// <summary>The end of a training, or that it is not here: it may not wait.</summary>
    End,
}
