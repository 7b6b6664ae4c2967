namespace MLNetBatchNorm.Objectives;

/// <summary>What a trainer asks of one call of <c>Fit</c>, beside its options.</summary>
/// <param name="Objective">What is minimized, and all that follows from it.</param>
/// <param name="Classes">Number of classes; 1 where a label is a number.</param>
internal sealed record NetworkTask(Objective Objective, int Classes)
{
    /// <summary>What each of the targets of a row counts for, where a label is a vector of them; null: it is a single one.</summary>
    public float[]? TargetWeights { get; init; }

    /// <summary>The levels of prediction intervals that are asked for; mostly none.</summary>
    public IReadOnlyList<double> IntervalLevels { get; init; } = [];

    /// <summary>Number of targets of a row.</summary>
    public int Targets => TargetWeights?.Length ?? 1;

    /// <summary>What a target means.</summary>
    public LabelKind LabelKind => Objective.Labels.Kind;

    /// <summary>Whether a row is of one class, of which each can have its part; not where it has several labels of yes or no.</summary>
    public bool HasClasses => TargetWeights is null && LabelKind != LabelKind.Number;

    /// <summary>Number of outputs of the network.</summary>
    public int Outputs => TargetWeights?.Length ?? Objective.Outputs(Classes);
}
