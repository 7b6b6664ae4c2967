namespace MLNetBatchNorm;

/// <summary>
/// What the two trainers of several targets have in common beside <see cref="BatchNormNetworkOptions"/>: what each target counts for.
/// </summary>
/// <remarks>
/// A value of a target counts for the target's weight times that of its row
/// (<see cref="BatchNormNetworkOptions.ExampleWeightColumnName"/>). The loss is the weighted mean over all values that are there: a missing
/// one counts for nothing, neither in the loss nor in the metric.
/// </remarks>
public abstract class BatchNormNetworkMultiOutputOptions : BatchNormNetworkOptions
{
    private protected BatchNormNetworkMultiOutputOptions()
    {
    }

    /// <summary>What a value of each target counts for in the loss, in the order of the label's slots.</summary>
    /// <value>
    /// Default null: every target counts alike, whatever its unit, because numbers are measured in their own standard deviations. One
    /// number for each target, each in (0, 1000000]; all times the same factor make no difference. Raise the weight of the target that
    /// matters: the network gives its units to it first.
    /// </value>
    [OptionRange(0, 1_000_000, "Weights around 1 are usual; leave a target that is not to be learned out of the label.",
        ExcludesMinimum = true)]
    public double[]? TargetWeights { get; set; }

    private protected override void OwnParts()
    {
        base.OwnParts();
        TargetWeights = (double[]?)TargetWeights?.Clone();
    }
}
