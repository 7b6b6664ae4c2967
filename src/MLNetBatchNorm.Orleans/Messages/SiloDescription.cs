namespace MLNetBatchNorm.Clustering;

/// <summary>Who a silo is, and what it gives.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.description")]
internal sealed record SiloDescription
{
    /// <summary>Its name.</summary>
    [Id(0)]
    public required string Name { get; init; }

    /// <summary>Version and build of the library.</summary>
    [Id(1)]
    public required string LibraryVersion { get; init; }

    /// <summary>Number of cores.</summary>
    [Id(2)]
    public required int Cores { get; init; }

    /// <summary>Number of trainings that it takes at the same time.</summary>
    [Id(3)]
    public required int Slots { get; init; }

    /// <summary>The process, so that a client knows when it is its own.</summary>
    [Id(4)]
    public required Guid Process { get; init; }

    /// <summary>Number of fits whose rows are here.</summary>
    [Id(5)]
    public required int Fits { get; init; }

    /// <summary>Trainings under way, of all fits.</summary>
    [Id(6)]
    public required int Running { get; init; }
}
