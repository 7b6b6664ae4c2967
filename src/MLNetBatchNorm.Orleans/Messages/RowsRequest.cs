namespace MLNetBatchNorm.Clustering;

/// <summary>The rows of a fit are to come.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.rows")]
internal sealed record RowsRequest
{
    /// <summary>The fit.</summary>
    [Id(0)]
    public required Guid Fit { get; init; }

    /// <summary>What is in front of the blocks.</summary>
    [Id(1)]
    public required byte[] Header { get; init; }

    /// <summary>Number of blocks.</summary>
    [Id(2)]
    public required int Blocks { get; init; }

    /// <summary>Name of a file in the directory that silo and client share; null: the blocks are sent.</summary>
    [Id(3)]
    public string? File { get; init; }
}
