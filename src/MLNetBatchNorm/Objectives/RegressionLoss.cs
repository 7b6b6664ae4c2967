using System.Text.Json.Serialization;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>
/// What a regression network minimizes: <see cref="SquaredLoss"/>, <see cref="HuberLoss"/>, <see cref="PoissonLoss"/>,
/// <see cref="TweedieLoss"/> or <see cref="QuantileLoss"/>.
/// </summary>
/// <remarks>
/// In the formulas z is the prediction and y the label, both in standard deviations of the training labels: labels are standardized for
/// training and predictions restored, so that a loss and its parameters mean the same whatever unit a label has. Labels of a
/// <see cref="LogLinkLoss"/> are measured in their mean instead.
/// </remarks>
[JsonDerivedType(typeof(SquaredLoss), "squared")]
[JsonDerivedType(typeof(HuberLoss), "huber")]
[JsonDerivedType(typeof(PoissonLoss), "poisson")]
[JsonDerivedType(typeof(TweedieLoss), "tweedie")]
[JsonDerivedType(typeof(QuantileLoss), "quantile")]
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
