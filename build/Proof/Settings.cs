namespace MLNetBatchNorm.Proof;

internal enum NetworkTask
{
    Binary,
    Multiclass,
    Regression,
}

internal enum TableKind
{
    Plain,
    WithMissing,
    Sparse,

    /// <summary>More rows than a megabyte holds.</summary>
    Many,
    ManySparse,
}

internal enum ValidationRows
{
    SetAside,
    GivenToFit,
    GivenAsOption,
}

/// <summary>What a case sets, in names of this program; <see cref="ModelHash"/> knows the library's. Null: the library's default.</summary>
internal sealed record Settings(NetworkTask Task)
{
    public TableKind Table { get; init; }

    public ValidationRows Validation { get; init; }

    /// <summary>Whether each row has a weight.</summary>
    public bool Weighted { get; init; }

    /// <summary>What is trained first, to go on from.</summary>
    public Settings? Start { get; init; }

    /// <summary>Whether training is cancelled after its second epoch, and goes on from a checkpoint.</summary>
    public bool Interrupted { get; init; }

    /// <summary>Whether the model is hashed after it was saved and loaded.</summary>
    public bool Saved { get; init; }

    public int[]? Units { get; init; }

    public ActivationFunction? Activation { get; init; }

    public BatchNormalizationPlacement? Placement { get; init; }

    public bool? NormalizeOutputInput { get; init; }

    public BatchNormalizationStatistics? Statistics { get; init; }

    public double? Epsilon { get; init; }

    public double? Momentum { get; init; }

    public double? Gamma { get; init; }

    public int? Virtual { get; init; }

    public double? Dropout { get; init; }

    /// <summary>Epochs over which weights are averaged; null: not at all, where a number of epochs is set.</summary>
    public double? Averaged { get; init; }

    public int? Batch { get; init; }

    public int? Epochs { get; init; }

    public double? Rate { get; init; }

    /// <summary>A key of <see cref="ModelHash.Optimizers"/>.</summary>
    public string? Optimizer { get; init; }

    /// <summary>A key of <see cref="ModelHash.Schedules"/>.</summary>
    public string? Schedule { get; init; }

    public bool? Shuffle { get; init; }

    public double? SetAside { get; init; }

    public int? Patience { get; init; }

    public bool? Scale { get; init; }

    public int? Pieces { get; init; }

    public int? Members { get; init; }

    public int? Restarts { get; init; }

    public int? Megabytes { get; init; }

    public int? Threads { get; init; }

    public double[]? ClassWeights { get; init; }

    public bool? Unbalanced { get; init; }

    public bool? Temperature { get; init; }

    public double? Smoothing { get; init; }

    /// <summary>Huber's loss with this delta.</summary>
    public double? Huber { get; init; }

    /// <summary>Whether the rows have to be spilled to a file.</summary>
    public bool IsSpilled => Megabytes == 1;

    /// <summary>A network that is trained in a moment.</summary>
    public static Settings Quick(NetworkTask task) => new(task) { Units = [24, 12], Epochs = 5, Members = 1 };
}
