namespace MLNetBatchNorm.Objectives;

/// <summary>What a trainer asks of one call of <c>Fit</c>, beside its options.</summary>
/// <param name="Objective">What is minimized, and all that follows from it.</param>
/// <param name="Classes">Number of classes; 1 where a label is a number.</param>
internal sealed record NetworkTask(Objective Objective, int Classes)
{
    /// <summary>What a label means.</summary>
    public LabelKind LabelKind => Objective.Labels.Kind;

    /// <summary>Number of outputs of the network.</summary>
    public int Outputs => Objective.Outputs(Classes);
}
