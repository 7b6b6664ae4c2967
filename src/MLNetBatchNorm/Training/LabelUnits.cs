using MLNetBatchNorm.Data;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// What labels become for training, as the objective has it, and how that is undone: in the last linear map, so that the trained network predicts
/// labels and nothing else has to be stored, and in the losses that are shown.
/// </summary>
/// <param name="Objective">What is minimized.</param>
/// <param name="Scale">What it makes of labels.</param>
internal sealed record LabelUnits(Objective Objective, TargetScale Scale)
{
    /// <summary>Those of the labels of all rows.</summary>
    public static LabelUnits Of(Objective objective, RowStore rows)
    {
        if (objective.Labels.Kind != LabelKind.Number)
            return new LabelUnits(objective, TargetScale.None);
        (double mean, double variance) = rows.Targets;
        return new LabelUnits(objective, objective.ScaleOf(mean, variance));
    }

    /// <summary>Standardizes the labels of a table in place.</summary>
    public void Standardize(TrainingTable rows)
    {
        if (Scale == TargetScale.None)
            return;
        foreach (ref float target in rows.Targets)
            target = Scale.Apply(target);
    }

    /// <summary>Standardizes the labels of all rows, in place, or those of a file whenever they are read.</summary>
    public void Standardize(RowStore rows)
    {
        if (Scale != TargetScale.None)
            rows.StandardizeTargets(Scale.Mean, Scale.Deviation);
    }

    /// <summary>Makes the output layer predict labels instead of standardized ones: <c>W' = deviation W, b' = deviation b + mean</c>, in double precision.</summary>
    public void FoldInto(LinearParameters outputLayer) => Rescale(outputLayer, Scale.Deviation, Scale.Mean);

    /// <summary>The opposite of <see cref="FoldInto"/>, to go on training a network: <c>W = W' / deviation, b = (b' - mean) / deviation</c>.</summary>
    public void UnfoldFrom(LinearParameters outputLayer) => Rescale(outputLayer, 1 / Scale.Deviation, -Scale.Mean / Scale.Deviation);

    /// <summary>Losses of standardized labels in the label's own units.</summary>
    public double RestoreLoss(double loss) => Objective.RestoreLoss(loss, Scale);

    /// <inheritdoc cref="RestoreLoss"/>
    public TrainingHistory Restore(TrainingHistory history)
    {
        if (Scale == TargetScale.None)
            return history;
        return history with
        {
            Epochs =
            [
                .. history.Epochs.Select(epoch => epoch with
                {
                    TrainingLoss = RestoreLoss(epoch.TrainingLoss),
                    ValidationLoss = epoch.ValidationLoss is { } loss ? RestoreLoss(loss) : null,
                }),
            ],
        };
    }

    private void Rescale(LinearParameters outputLayer, double factor, double shift)
    {
        if (Scale == TargetScale.None)
            return;
        foreach (ref float weight in outputLayer.Weights.Span)
            weight = (float)(weight * factor);
        for (int output = 0; output < outputLayer.Outputs; output++)
        {
            ref float bias = ref outputLayer.Bias!.Span[output];
            bias = (float)(bias * factor + shift);
        }
    }
}
