using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>
/// A loss of labels that are not negative, whose network gives the logarithm of the mean: see <see cref="PoissonLoss"/>, <see
/// cref="TweedieLoss"/>.
/// </summary>
/// <remarks>
/// Labels are divided by their mean for training and nothing is subtracted, so that 0 stays 0; the prediction is that mean times
/// <c>exp(z)</c>. Effects of features multiply each other, and no prediction is negative.
/// </remarks>
public abstract class LogLinkLoss : RegressionLoss
{
    private protected LogLinkLoss()
    {
    }

    internal sealed override LabelDomain Labels =>
        new(LabelKind.Number, label => label >= 0 && float.IsFinite(label),
            $"a finite number from 0 up for {Name}; use NaN for a missing label") { Least = 0 };

    internal sealed override bool PredictsLogarithm => true;

    internal sealed override string MetricName => DevianceExplained.Name;

    /// <summary>What one label costs whose mean is predicted to be <paramref name="prediction"/>; 0 where they are equal.</summary>
    internal abstract double Deviance(double label, double prediction);

    /// <summary>The power of the unit of labels by which a deviance grows.</summary>
    private protected abstract double UnitPower { get; }

    internal sealed override OutputLink LinkOf(TargetScale? scale) => new LogLink(scale ?? new TargetScale(0, 1));

    internal sealed override TargetScale? ScaleOf(double mean, double variance) => new(0, Math.Max(0, mean));

    internal sealed override double RestoreLoss(double loss, TargetScale? scale) =>
        scale is null ? loss : loss * Math.Pow(scale.Unit, UnitPower);

    // The mean is what is the best that one number can say, whatever the power.
    internal sealed override ValidationMetric CreateMetric(int rows, int outputs) =>
        new DevianceExplained(rows, outputs, (label, output) => Deviance(label, Math.Exp(output)), (labels, weights) =>
            Math.Log(DevianceExplained.Mean(labels, weights)));
}
