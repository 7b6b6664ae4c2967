namespace MLNetBatchNorm.Training;

/// <summary>What rows weigh, and what their losses come to.</summary>
internal static class RowLosses
{
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
