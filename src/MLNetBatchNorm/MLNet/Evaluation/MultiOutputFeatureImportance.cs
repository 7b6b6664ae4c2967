namespace MLNetBatchNorm;

/// <summary>
/// What a slot of the features is worth to each of several targets: how their metrics change once its values are shuffled.
/// </summary>
public sealed class MultiOutputFeatureImportance
{
    internal MultiOutputFeatureImportance(int slot, string name, IReadOnlyList<MetricChange> targets, MetricChange mean)
    {
        Slot = slot;
        Name = name;
        Targets = targets;
        MeanOverTargets = mean;
    }

    /// <summary>Number of the slot, from 0.</summary>
    public int Slot { get; }

    /// <summary>The slot's name, or its number.</summary>
    public string Name { get; }

    /// <summary>
    /// Change of the metric of each target, in the order of the score column's slots: of R squared, or for labels of the area under the ROC
    /// curve. NaN where it is not defined.
    /// </summary>
    public IReadOnlyList<MetricChange> Targets { get; }

    /// <summary>Change of the mean over the targets of which the metric is defined.</summary>
    public MetricChange MeanOverTargets { get; }
}
