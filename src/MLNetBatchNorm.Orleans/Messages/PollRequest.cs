namespace MLNetBatchNorm.Clustering;

/// <summary>What has come of a fit's trainings?</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.poll")]
internal sealed record PollRequest
{
    /// <summary>The fit.</summary>
    [Id(0)]
    public required Guid Fit { get; init; }

    /// <summary>Numbers of the trainings.</summary>
    [Id(1)]
    public required int[] Trainings { get; init; }

    /// <summary>For each, how often it was given out before.</summary>
    [Id(2)]
    public required int[] Attempts { get; init; }

    /// <summary>For each, how many bytes of its news have come.</summary>
    [Id(3)]
    public required long[] Offsets { get; init; }

    /// <summary>Numbers of trainings whose end has come: nothing of them is asked for again.</summary>
    [Id(4)]
    public required int[] Ended { get; init; }
}
