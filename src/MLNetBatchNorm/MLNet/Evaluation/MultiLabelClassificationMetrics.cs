namespace MLNetBatchNorm;

/// <summary>How good predictions of several labels are: of each, and the mean of all of which a measure is defined.</summary>
public sealed class MultiLabelClassificationMetrics
{
    internal MultiLabelClassificationMetrics(
        IReadOnlyList<MultiLabelClassificationTargetMetrics> targets, long numberOfRows, long numberOfRowsWithoutTarget)
    {
        Targets = targets;
        NumberOfRows = numberOfRows;
        NumberOfRowsWithoutTarget = numberOfRowsWithoutTarget;
    }

    /// <summary>Those of each label, in the order of the score column's slots.</summary>
    public IReadOnlyList<MultiLabelClassificationTargetMetrics> Targets { get; }

    /// <summary>Rows that have a label.</summary>
    public long NumberOfRows { get; }

    /// <summary>Rows that were left out because all labels are missing.</summary>
    public long NumberOfRowsWithoutTarget { get; }

    /// <summary>Mean over the labels of the area under the ROC curve; a label of which it is not defined is left out.</summary>
    public double AreaUnderRocCurve => TargetMean.Of(Targets, target => target.AreaUnderRocCurve);

    /// <summary>Mean over the labels of the log-loss.</summary>
    public double LogLoss => TargetMean.Of(Targets, target => target.LogLoss);

    /// <summary>Mean over the labels of the accuracy; 1 less the Hamming loss where no label is missing.</summary>
    public double Accuracy => TargetMean.Of(Targets, target => target.Accuracy);

    /// <summary>Mean over the labels of the F1 score, the macro-averaged one; a label of which it is not defined is left out.</summary>
    public double F1Score => TargetMean.Of(Targets, target => target.F1Score);
}
