namespace MLNetBatchNorm.Clustering;

/// <summary>Whether a silo takes a training.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.start-answer")]
internal sealed record StartAnswer
{
    /// <summary>Whether it does; false: all its cores are busy, or the rows are gone.</summary>
    [Id(0)]
    public bool IsTaken { get; init; }

    /// <summary>The byte that is wanted next.</summary>
    [Id(1)]
    public int Offset { get; init; }

    /// <summary>What is wrong with the training; null: nothing.</summary>
    [Id(2)]
    public string? Refusal { get; init; }
}
