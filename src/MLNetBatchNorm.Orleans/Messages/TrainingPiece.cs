namespace MLNetBatchNorm.Clustering;

/// <summary>A piece of a training that is to be begun.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.training")]
internal sealed record TrainingPiece
{
    /// <summary>The fit.</summary>
    [Id(0)]
    public required Guid Fit { get; init; }

    /// <summary>Number of the training.</summary>
    [Id(1)]
    public required int Training { get; init; }

    /// <summary>How often it was given out before.</summary>
    [Id(2)]
    public required int Attempt { get; init; }

    /// <summary>Where in the training's bytes the piece begins.</summary>
    [Id(3)]
    public required int Offset { get; init; }

    /// <summary>All bytes of the training.</summary>
    [Id(4)]
    public required int Total { get; init; }

    /// <summary>The piece.</summary>
    [Id(5)]
    public required byte[] Bytes { get; init; }

    /// <summary>Whether the training may wait at the silo for the next core there, so that none is idle between two trainings.</summary>
    [Id(6)]
    public required bool MayWait { get; init; }
}
