namespace MLNetBatchNorm;

/// <summary>How good the predictions of one of several labels are, over the rows that have it, as ML.NET measures a single one.</summary>
public sealed class MultiLabelClassificationTargetMetrics
{
    internal MultiLabelClassificationTargetMetrics()
    {
    }

    /// <summary>The label's name, or its number, from 0.</summary>
    public required string Name { get; init; }

    /// <summary>Rows that have the label and a prediction of it.</summary>
    public required long NumberOfRows { get; init; }

    /// <summary>Rows in which the label is true.</summary>
    public required long NumberOfPositives { get; init; }

    /// <summary>
    /// Area under the ROC curve: the probability that a true row scores higher than a false one. NaN where all rows are true, or false.
    /// </summary>
    public required double AreaUnderRocCurve { get; init; }

    /// <summary>
    /// Mean of <c>-log2</c> of the probability that was given to what is the case, to the base 2 as ML.NET has it; NaN without rows.
    /// </summary>
    public required double LogLoss { get; init; }

    /// <summary>Part of the rows whose predicted label is right; NaN without rows.</summary>
    public required double Accuracy { get; init; }

    /// <summary>
    /// Harmonic mean of precision and recall, <c>2 TP / (2 TP + FP + FN)</c>. NaN where no row is true and none is taken for it.
    /// </summary>
    public required double F1Score { get; init; }
}
