namespace MLNetBatchNorm;

/// <summary>How good predictions of several numbers are: of each, and the mean of all of which a measure is defined.</summary>
public sealed class MultiOutputRegressionMetrics
{
    internal MultiOutputRegressionMetrics(
        IReadOnlyList<MultiOutputRegressionTargetMetrics> targets, long numberOfRows, long numberOfRowsWithoutTarget)
    {
        Targets = targets;
        NumberOfRows = numberOfRows;
        NumberOfRowsWithoutTarget = numberOfRowsWithoutTarget;
    }

    /// <summary>Those of each target, in the order of the score column's slots.</summary>
    public IReadOnlyList<MultiOutputRegressionTargetMetrics> Targets { get; }

    /// <summary>Rows that have a target.</summary>
    public long NumberOfRows { get; }

    /// <summary>Rows that were left out because all targets are missing.</summary>
    public long NumberOfRowsWithoutTarget { get; }

    /// <summary>Mean over the targets of R squared; a target of which it is not defined is left out.</summary>
    public double RSquared => TargetMean.Of(Targets, target => target.RSquared);

    /// <summary>Mean over the targets of the mean absolute error; it means something where targets have the same unit.</summary>
    public double MeanAbsoluteError => TargetMean.Of(Targets, target => target.MeanAbsoluteError);

    /// <summary>Mean over the targets of the root mean squared error; it means something where targets have the same unit.</summary>
    public double RootMeanSquaredError => TargetMean.Of(Targets, target => target.RootMeanSquaredError);
}
