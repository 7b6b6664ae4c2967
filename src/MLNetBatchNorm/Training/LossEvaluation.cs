using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>Loss of rows whose outputs lie in panels: chooses the kernel, and says how a row's target is read.</summary>
internal static class LossEvaluation
{
    /// <summary>
    /// Unweighted loss of each of the rows [firstRow, endRow) into <paramref name="rowLoss"/>, and the gradient of
    /// <c>gradientScale * sum(weight * loss)</c> with respect to the outputs.
    /// </summary>
    public static void Compute(
        TrainingSettings settings, PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale,
        PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow)
    {
        Span<float> z = outputs.Span, dz = gradient.Span;
        int capacity = outputs.RowCapacity, columns = outputs.Columns;
        switch (settings.Loss)
        {
            case LossFunction.SoftmaxCrossEntropy:
                Losses.SoftmaxCrossEntropy(z, capacity, columns, targets, weights, gradientScale, (float)settings.LabelSmoothing, dz, rowLoss, firstRow, endRow);
                break;
            case LossFunction.BinaryCrossEntropy:
                Losses.BinaryCrossEntropy(z, capacity, columns, targets, weights, gradientScale, dz, rowLoss, firstRow, endRow);
                break;
            case LossFunction.SquaredError:
                Losses.SquaredError(z, capacity, columns, targets, weights, gradientScale, dz, rowLoss, firstRow, endRow);
                break;
            case LossFunction.Huber:
                Losses.Huber(z, capacity, columns, targets, weights, gradientScale, (float)settings.HuberDelta, dz, rowLoss, firstRow, endRow);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(settings), settings.Loss, "Unknown loss.");
        }
    }

    /// <summary>Makes the weights of rows those of their classes, times their own if they have any; leaves them alone if classes have no weights.</summary>
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
