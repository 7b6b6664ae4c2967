namespace MLNetBatchNorm.Clustering;

/// <summary>What has come of a fit's trainings.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.poll-answer")]
internal sealed record PollAnswer
{
    /// <summary>Whether the silo knows the fit; it does not when it has heard nothing of the client for too long.</summary>
    [Id(0)]
    public bool IsKnown { get; init; }

    /// <summary>For each training asked for the next bytes of its news; null: it is not here.</summary>
    [Id(1)]
    public byte[]?[] News { get; init; } = [];

    /// <summary>Whether a core is free, of this fit and all others.</summary>
    [Id(2)]
    public bool HasFreeCore { get; init; }
}
