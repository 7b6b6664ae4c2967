using MLNetBatchNorm.Data;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// What labels become for training, as the objective has it, and what that makes of losses and of a network to go on from.
/// </summary>
/// <param name="Objective">What is minimized.</param>
/// <param name="Scale">What it makes of labels; null: it leaves them as they are.</param>
internal sealed record LabelUnits(Objective Objective, TargetScale? Scale)
{
    /// <summary>What is added to the predictions of the model to go on from, see <see cref="LabelDrift"/>.</summary>
    private double Shift { get; init; }

    /// <summary>
    /// Those of the labels of all rows, or of the model to go on from: a batch of new rows, whose labels may be few or nearly equal, says
    /// little about the unit of labels, and another unit would mean other steps and another loss for the same network. Only labels that
    /// are far from what the model says of them move it.
    /// </summary>
    public static LabelUnits Of(Objective objective, RowStore rows, TrainedNetwork? start)
    {
        if (objective.Labels.Kind != LabelKind.Number)
            return new LabelUnits(objective, null);
        if (start is not null && ScaleOf(start) is { Deviation: > 0 } kept)
        {
            // A logarithm is never many of its units away.
            if (objective.PredictsLogarithm)
                return new LabelUnits(objective, kept);
            LabelDrift drift = LabelDrift.Of(rows, start, kept);
            // Equal to the kept one where nothing is to move, and the network begins with every bit as it was.
            return new LabelUnits(objective, new TargetScale(kept.Mean + drift.Shift, drift.Deviation)) { Shift = drift.Shift };
        }

        (double mean, double variance) = rows.Targets;
        return new LabelUnits(objective, objective.ScaleOf(mean, variance));
    }

    /// <summary>Makes the last map of a network that is to be trained give scaled labels.</summary>
    /// <param name="outputLayer">The map.</param>
    /// <param name="start">The network that it goes on from; null: it is a new one.</param>
    public void Begin(LinearParameters outputLayer, TrainingStart? start)
    {
        if (Scale is null)
            return;
        // Every target is 0: nothing remains to be learned, and no step changes anything.
        if (Scale.Deviation == 0)
            outputLayer.Clear();
        else if (start is not null && start.Scale != Scale && !Objective.PredictsLogarithm)
        {
            double kept = (start.Scale?.Mean ?? 0) + Shift;
            outputLayer.Rescale((start.Scale?.Deviation ?? 1) / Scale.Deviation, (kept - Scale.Mean) / Scale.Deviation);
        }
    }

    /// <summary>
    /// The scale of a model; one whose networks predict labels themselves does not say it any more, and its last map stands in: its bias
    /// and the
    /// length of its weights.
    /// </summary>
    private static TargetScale ScaleOf(TrainedNetwork model)
    {
        if (model.Scale is { } scale)
            return scale;
        double mean = 0, squares = 0;
        foreach (NetworkMember member in model.Members)
        {
            LinearParameters outputLayer = member.Parameters.Linear[^1];
            mean += (double)outputLayer.Bias!.Span[0] / model.Members.Count;
            for (int input = 0; input < outputLayer.Inputs; input++)
                squares += (double)outputLayer.Weight(0, input) * outputLayer.Weight(0, input) / model.Members.Count;
        }

        return new TargetScale(mean, Math.Sqrt(squares));
    }

    /// <summary>Standardizes the labels of a table in place.</summary>
    public void Standardize(TrainingTable rows)
    {
        if (Scale is null)
            return;
        foreach (ref float target in rows.Targets)
            target = Scale.Apply(target);
    }

    /// <summary>Standardizes the labels of all rows, in place, or those of a file whenever they are read.</summary>
    public void Standardize(RowStore rows)
    {
        if (Scale is not null)
            rows.StandardizeTargets(Scale.Mean, Scale.Unit);
    }

    /// <summary>Losses of standardized labels in the label's own units.</summary>
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
