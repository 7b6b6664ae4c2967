namespace MLNetBatchNorm.Clustering;

/// <summary>How far a silo is with the rows of a fit.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.rows-answer")]
internal sealed record RowsAnswer
{
    /// <summary>Why the silo does not take them, in whole sentences; null: it does.</summary>
    [Id(0)]
    public string? Refusal { get; init; }

    /// <summary>Whether the refusal is for lack of memory: other silos may have more.</summary>
    [Id(1)]
    public bool IsTooSmall { get; init; }

    /// <summary>Whether all are there.</summary>
    [Id(2)]
    public bool IsComplete { get; init; }

    /// <summary>The block that is wanted next.</summary>
    [Id(3)]
    public int Block { get; init; }

    /// <summary>From which byte on.</summary>
    [Id(4)]
    public int Offset { get; init; }
}
