using System.Text.Json.Serialization;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>What a regression network minimizes: one of <see cref="SquaredLoss"/>, <see cref="HuberLoss"/>.</summary>
/// <remarks>
/// In the formulas z is the prediction and y the label, both in standard deviations of the training labels: labels are standardized for
/// training and predictions restored, so that a loss and its parameters mean the same whatever unit a label has.
/// </remarks>
[JsonDerivedType(typeof(SquaredLoss), "squared")]
[JsonDerivedType(typeof(HuberLoss), "huber")]
public abstract class RegressionLoss : Objective
{
    private protected RegressionLoss()
    {
    }

    internal override LabelDomain Labels => LabelDomain.Number;

    internal override OutputLink LinkOf(TargetScale? scale) => scale is null ? OutputLink.Identity : new ScaledLink(scale);

    internal override string MetricName => RSquared.Name;

    internal override int Outputs(int classes) => 1;

    internal override ValidationMetric CreateMetric(int rows, int outputs) => new RSquared(rows, outputs);

    internal override TargetScale? ScaleOf(double mean, double variance) => new(mean, Math.Sqrt(variance));
}
