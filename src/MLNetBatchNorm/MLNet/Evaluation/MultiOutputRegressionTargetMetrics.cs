namespace MLNetBatchNorm;

/// <summary>How good the predictions of one of several numbers are, over the rows that have it, as ML.NET measures a single one.</summary>
public sealed class MultiOutputRegressionTargetMetrics
{
    internal MultiOutputRegressionTargetMetrics()
    {
    }

    /// <summary>The target's name, or its number, from 0.</summary>
    public required string Name { get; init; }

    /// <summary>Rows that have the target and a prediction of it.</summary>
    public required long NumberOfRows { get; init; }

    /// <summary>
    /// R squared: the part of the target's variance that is explained, 1 at most. NaN where the target is the same in all rows.
    /// </summary>
    public required double RSquared { get; init; }

    /// <summary>Mean distance of prediction and target, in the target's unit; NaN without rows.</summary>
    public required double MeanAbsoluteError { get; init; }

    /// <summary>Mean squared distance of prediction and target; NaN without rows.</summary>
    public required double MeanSquaredError { get; init; }

    /// <summary>Root of <see cref="MeanSquaredError"/>, in the target's unit: the deviation of the errors.</summary>
    public double RootMeanSquaredError => Math.Sqrt(MeanSquaredError);
}
