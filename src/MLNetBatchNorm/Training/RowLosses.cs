using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>What rows weigh, and what their losses come to.</summary>
internal static class RowLosses
{
    /// <summary>
    /// Whether rows count for more or less than others: by weights of their own, their class, or the targets that they have.
    /// </summary>
    public static bool AreWeighted(TrainingSettings settings, RowShape shape) =>
        shape.IsWeighted || settings.ClassWeights is not null || settings.TargetWeights is not null;

    /// <summary>
    /// Makes the weights of rows those of their classes, times their own if they have any; leaves them alone if classes have no weights.
    /// </summary>
    public static void WeighByClass(TrainingSettings settings, ReadOnlySpan<float> targets, Span<float> weights, bool haveOwn)
    {
        if (settings.ClassWeights is not { } ofClass)
            return;
        for (int row = 0; row < weights.Length; row++)
        {
            // A row of weight 0 may hold anything, a class that does not exist included.
            if (!haveOwn)
                weights[row] = ofClass[(int)targets[row]];
            else if (weights[row] != 0)
                weights[row] *= ofClass[(int)targets[row]];
        }
    }

    /// <summary>
    /// Multiplies the weights of rows, 1 if they have none, by the share of the targets that they have, by weight: the weighted mean of
    /// the rows' losses is then that of the losses of all targets that are there. Leaves them alone where a row has a single target.
    /// </summary>
    public static void WeighByTargets(TrainingSettings settings, ReadOnlySpan<float> targets, Span<float> weights, bool haveOwn)
    {
        if (settings.TargetWeights is not { } ofTarget)
            return;
        double all = 0;
        foreach (float weight in ofTarget)
            all += weight;
        for (int row = 0; row < weights.Length; row++)
        {
            double present = 0;
            for (int k = 0; k < ofTarget.Length; k++)
                present += float.IsNaN(targets[row * ofTarget.Length + k]) ? 0 : ofTarget[k];
            // Of a row that has all of them exactly 1.
            float share = (float)(present / all);
            weights[row] = haveOwn ? weights[row] * share : share;
        }
    }

    /// <summary>
    /// Losses and gradients of rows [firstRow, endRow), of one target or of several; see <see cref="Objective.Compute"/>.
    /// </summary>
    public static void Compute(
        TrainingSettings settings, PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale,
        PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow)
    {
        if (settings.TargetWeights is not { } targetWeights)
        {
            settings.Objective.Compute(outputs, targets, weights, gradientScale, gradient, rowLoss, firstRow, endRow);
            return;
        }

        ((ITargetwiseLoss)settings.Objective).ComputeTargets(
            outputs, targets, targetWeights, weights, gradientScale, gradient, rowLoss, firstRow, endRow);
    }

    /// <summary>
    /// The same against what a <see cref="Teacher"/> says of the rows, one number for each output; it knows every target of every row.
    /// </summary>
    public static void ComputeTaught(
        TrainingSettings settings, PanelMatrix outputs, ReadOnlySpan<float> taught, ReadOnlySpan<float> weights, float gradientScale,
        PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow)
    {
        if (settings.TargetWeights is null)
            settings.Objective.ComputeTaught(outputs, taught, weights, gradientScale, gradient, rowLoss, firstRow, endRow);
        else
            Compute(settings, outputs, taught, weights, gradientScale, gradient, rowLoss, firstRow, endRow);
    }

    /// <summary>The measure of validation rows that people look at, of one target or the mean of several.</summary>
    public static ValidationMetric CreateMetric(TrainingSettings settings, int rows, int outputs) =>
        settings.TargetWeights is not { } targetWeights
            ? settings.Objective.CreateMetric(rows, outputs)
            : new MeanOverTargets(rows, outputs, (ITargetwiseLoss)settings.Objective, targetWeights);

    /// <summary>Weighted sum of row losses, and of the weights, in row order and double precision.</summary>
    public static (double Loss, double Weight) Sum(ReadOnlySpan<float> rowLoss, ReadOnlySpan<float> weights)
    {
        double loss = 0, weight = 0;
        for (int r = 0; r < rowLoss.Length; r++)
        {
            double w = weights.IsEmpty ? 1 : weights[r];
            if (w == 0)
                continue;
            loss += w * rowLoss[r];
            weight += w;
        }
        return (loss, weight);
    }
}
