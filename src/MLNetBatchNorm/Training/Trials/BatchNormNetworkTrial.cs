using System.Collections.Immutable;

namespace MLNetBatchNorm;

/// <summary>
/// One of the configurations that were tried: what was drawn for it, how good it was on rows that its networks had not seen, and what it
/// counts for in the model. See <see cref="BatchNormNetworkOptions.NumberOfTrials"/>.
/// </summary>
public sealed class BatchNormNetworkTrial
{
    private double _weight;

    internal BatchNormNetworkTrial()
    {
    }

    /// <summary>Its number, from 0. Trial 0 has the options as they were given, with the defaults for what they leave open.</summary>
    public int Number { get; internal init; }

    /// <summary>Units of each hidden layer, as <see cref="BatchNormNetworkOptions.HiddenUnits"/>.</summary>
    public IReadOnlyList<int> HiddenUnits { get; internal init; } = ImmutableArray<int>.Empty;

    /// <summary>As <see cref="BatchNormNetworkOptions.Activation"/>.</summary>
    public ActivationFunction Activation { get; internal init; }

    /// <summary>As <see cref="BatchNormNetworkOptions.Placement"/>.</summary>
    public BatchNormalizationPlacement Placement { get; internal init; }

    /// <summary>As <see cref="BatchNormNetworkOptions.DropoutRate"/>.</summary>
    public double DropoutRate { get; internal init; }

    /// <summary>As <see cref="BatchNormNetworkOptions.BatchSize"/>.</summary>
    public int BatchSize { get; internal init; }

    /// <summary>As <see cref="BatchNormNetworkOptions.MaximumNumberOfEpochs"/>.</summary>
    public int MaximumNumberOfEpochs { get; internal init; }

    /// <summary>As <see cref="BatchNormNetworkOptions.LearningRate"/>.</summary>
    public double LearningRate { get; internal init; }

    /// <summary>As <see cref="AdamWOptimizer.WeightDecay"/>; null with another optimizer.</summary>
    public double? WeightDecay { get; internal init; }

    /// <summary>As <see cref="BatchNormNetworkOptions.NumberOfInputPieces"/>.</summary>
    public int NumberOfInputPieces { get; internal init; }

    /// <summary>
    /// As <see cref="BatchNormNetworkMulticlassTrainer.Options.LabelSmoothing"/>; null where the label is not a class of several.
    /// </summary>
    public double? LabelSmoothing { get; internal init; }

    /// <summary>Number of its networks that were trained: fewer than of others where it was given up early.</summary>
    public int NumberOfTrainedNetworks { get; internal init; }

    /// <summary>
    /// Mean loss of its networks on rows that they were neither trained on nor had their epochs chosen by, in the unit of
    /// <see cref="EpochRecord.ValidationLoss"/>: the lower, the better. Over the rows of the networks that were trained. Null where
    /// it is no finite number, or training diverged before any network was judged; a trial that diverged later keeps the score it had, and
    /// has weight 0.
    /// </summary>
    public double? Score { get; internal init; }

    /// <summary>The part that the mean of its networks has in the model's output; 0 where it is not in the model.</summary>
    public double Weight
    {
        get => _weight;
        internal init => _weight = value;
    }

    /// <summary>The same with another weight.</summary>
    internal BatchNormNetworkTrial WithWeight(double weight)
    {
        var copy = (BatchNormNetworkTrial)MemberwiseClone();
        copy._weight = weight;
        return copy;
    }
}
