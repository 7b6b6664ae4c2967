namespace MLNetBatchNorm;

/// <summary>What one epoch of training came to.</summary>
public sealed record EpochRecord
{
    /// <summary>Number of the epoch, counted from 1.</summary>
    public int Epoch { get; init; }

    /// <summary>The rate of the epoch's last step.</summary>
    public double LearningRate { get; init; }

    /// <summary>Weighted mean loss over the epoch's mini-batches, each measured before its own update, in training mode.</summary>
    public double TrainingLoss { get; init; }

    /// <summary>
    /// Weighted mean loss over the validation rows after the epoch, in prediction mode, at the best temperature where the trainer scales it
    /// (<c>TemperatureScaling</c>); null without validation rows.
    /// </summary>
    public double? ValidationLoss { get; init; }

    /// <summary>
    /// How good the network was on the validation rows after the epoch, each counting with its weight and that of its class: for binary
    /// classification the area under the ROC curve, for multiclass classification the part of the rows whose class was recognized, for
    /// regression R squared, the part of the labels' variance that was explained, or with <see cref="PoissonLoss"/>,
    /// <see cref="TweedieLoss"/> and <see cref="QuantileLoss"/> the part of their deviance; of several targets the mean over those of which
    /// it is defined. NaN where it is not defined: there are rows of one class only, or the labels are all equal. Null without validation
    /// rows, and in models of format version 1. It is for people to look at: which epoch is the best is decided by the loss.
    /// </summary>
    public double? ValidationMetric { get; init; }

    /// <summary>
    /// The metric of each of several targets, in the order of the label's slots, of the validation rows that have the target; NaN where it
    /// is not defined. <see cref="ValidationMetric"/> is the mean of those that are. Empty where there is one target, and without
    /// validation rows.
    /// </summary>
    public IReadOnlyList<double> TargetValidationMetrics { get; init; } = [];

    /// <summary>Whether all numbers are the same, those of each target included.</summary>
    public bool Equals(EpochRecord? other) =>
        other is not null && Epoch == other.Epoch && LearningRate.Equals(other.LearningRate) && TrainingLoss.Equals(other.TrainingLoss)
        && Nullable.Equals(ValidationLoss, other.ValidationLoss) && Nullable.Equals(ValidationMetric, other.ValidationMetric)
        && TargetValidationMetrics.SequenceEqual(other.TargetValidationMetrics);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Epoch, LearningRate, TrainingLoss, ValidationLoss, ValidationMetric);
}
