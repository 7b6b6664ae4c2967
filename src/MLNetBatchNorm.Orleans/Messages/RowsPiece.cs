namespace MLNetBatchNorm.Clustering;

/// <summary>A piece of a block of rows.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.piece")]
internal sealed record RowsPiece
{
    /// <summary>The fit.</summary>
    [Id(0)]
    public required Guid Fit { get; init; }

    /// <summary>Number of the block.</summary>
    [Id(1)]
    public required int Block { get; init; }

    /// <summary>Where in the block the piece begins.</summary>
    [Id(2)]
    public required int Offset { get; init; }

    /// <summary>Bytes of the block.</summary>
    [Id(3)]
    public required int Total { get; init; }

    /// <summary>The piece.</summary>
    [Id(4)]
    public required byte[] Bytes { get; init; }
}
