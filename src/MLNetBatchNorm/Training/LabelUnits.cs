using MLNetBatchNorm.Data;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// What labels become for training, as the objective has it, and what that makes of losses and of a network to go on from.
/// </summary>
/// <param name="Objective">What is minimized.</param>
/// <param name="Scales">What it makes of labels, of each target; null: it leaves them as they are.</param>
internal sealed record LabelUnits(Objective Objective, TargetScales? Scales)
{
    /// <summary>What it makes of labels where there is one target.</summary>
    public TargetScale? Scale => Scales?.Only;

    /// <summary>What is added to the predictions of the model to go on from, of each target; see <see cref="LabelDrift"/>.</summary>
    private double[] Shifts { get; init; } = [];

    /// <summary>
    /// Those of the labels of all rows, or of the model to go on from: a batch of new rows, whose labels may be few or nearly equal, says
    /// little about the unit of labels, and another unit would mean other steps and another loss for the same network. Only labels that
    /// are far from what the model says of them move it.
    /// </summary>
    public static LabelUnits Of(Objective objective, RowStore rows, TrainedNetwork? start)
    {
        if (objective.Labels.Kind != LabelKind.Number)
            return new LabelUnits(objective, null);
        if (start is not null && ScalesOf(start) is { } kept && kept.Any(scale => scale.Deviation > 0))
        {
            // A logarithm is never many of its units away.
            if (objective.PredictsLogarithm)
                return new LabelUnits(objective, kept);
            LabelDrift[] drifts = LabelDrift.Of(rows, start, kept);
            // Equal to the kept ones where nothing is to move, and the network begins with every bit as it was.
            // One that was the same in all rows had no unit, and takes that of the new rows.
            IReadOnlyList<TargetMoments> found = rows.Targets;
            var moved = new TargetScales(kept.Select((scale, target) => scale.Deviation > 0
                ? new TargetScale(scale.Mean + drifts[target].Shift, drifts[target].Deviation)
                : objective.ScaleOf(found[target].Mean, found[target].Variance)!));
            return new LabelUnits(objective, moved)
            {
                Shifts = [.. drifts.Select((drift, target) => kept[target].Deviation > 0 ? drift.Shift : 0)],
            };
        }

        TargetScale[] scales = [.. rows.Targets.Select(target => objective.ScaleOf(target.Mean, target.Variance)).OfType<TargetScale>()];
        return new LabelUnits(objective, scales.Length > 0 ? new TargetScales(scales) : null);
    }

    /// <summary>
    /// What a training that goes on from a model is told of it: its predictions are moved to where the new labels are,
    /// and back to where the priors of its classes moved them from.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="member">Which of its networks.</param>
    public TrainingStart StartFrom(TrainedNetwork model, int member)
    {
        TargetScales? known = model.Scales;
        if (Shifts.Any(shift => shift != 0))
        {
            known = new TargetScales(Shifts.Select((shift, target) => new TargetScale(
                (model.Scales?[target].Mean ?? 0) + shift, model.Scales?[target].Deviation ?? 1)));
        }

        return new TrainingStart(ClassPriors.Without(model, member), known);
    }

    /// <summary>Makes the last map of a network that is to be trained give scaled labels.</summary>
    /// <param name="outputLayer">The map.</param>
    /// <param name="start">The network that it goes on from; null: it is a new one.</param>
    public void Begin(LinearParameters outputLayer, TrainingStart? start)
    {
        // Every target is 0: nothing remains to be learned, and no step changes anything.
        if (Scale is { Deviation: 0 })
            outputLayer.Clear();
        if (Scales is null || start is null || Scale is { Deviation: 0 } || Objective.PredictsLogarithm)
            return;
        for (int target = 0; target < Scales.Count; target++)
        {
            TargetScale? known = start.Scales?[target];
            if (known == Scales[target])
                continue;
            // What was the same in all rows says nothing of where it is now: the network begins at the mean of the new labels. Old models
            // do not say the scale, but then their last map has no weights.
            if (known is { Deviation: 0 } || (known is null && outputLayer.IsConstant(target)))
            {
                outputLayer.Rescale(target, 0, 0);
                continue;
            }
            (double mean, double unit) = (Scales[target].Mean, Scales[target].Unit);
            double factor = (known?.Deviation ?? 1) / unit, shift = ((known?.Mean ?? 0) - mean) / unit;
            if (Scale is null)
                outputLayer.Rescale(target, factor, shift);
            else
                outputLayer.Rescale(factor, shift);
        }
    }

    /// <summary>
    /// The scale of a model; one whose networks predict labels themselves does not say it any more, and its last map stands in: its bias
    /// and the
    /// length of its weights.
    /// </summary>
    private static TargetScales ScalesOf(TrainedNetwork model)
    {
        if (model.Scales is { } scales)
            return scales;
        double mean = 0, squares = 0;
        foreach (NetworkMember member in model.Members)
        {
            LinearParameters outputLayer = member.Parameters.Linear[^1];
            mean += (double)outputLayer.Bias!.Span[0] / model.Members.Count;
            for (int input = 0; input < outputLayer.Inputs; input++)
                squares += (double)outputLayer.Weight(0, input) * outputLayer.Weight(0, input) / model.Members.Count;
        }

        return new TargetScales([new TargetScale(mean, Math.Sqrt(squares))]);
    }

    /// <summary>Standardizes the labels of a table in place.</summary>
    public void Standardize(TrainingTable rows)
    {
        if (Scales is null)
            return;
        Span<float> targets = rows.Targets;
        for (int i = 0; i < targets.Length; i++)
            targets[i] = Scales[i % Scales.Count].Apply(targets[i]);
    }

    /// <summary>Standardizes the labels of all rows, in place, or those of a file whenever they are read.</summary>
    public void Standardize(RowStore rows)
    {
        if (Scales is not null)
            rows.StandardizeTargets([.. Scales.Select(scale => (scale.Mean, scale.Unit))]);
    }

    /// <summary>
    /// Losses of standardized labels in the label's own units; the mean over several targets, each with another unit, stays in deviations.
    /// </summary>
    public double RestoreLoss(double loss) => Objective.RestoreLoss(loss, Scale);

    /// <inheritdoc cref="RestoreLoss"/>
    public TrainingHistory Restore(TrainingHistory history)
    {
        if (Scale is null)
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
}
