namespace MLNetBatchNorm.Data;

/// <summary>Weighted mean and variance of the first target; the divisor is the sum of weights.</summary>
internal readonly record struct TargetMoments(double Mean, double Variance)
{
    /// <summary>Of a table; in double precision, in two passes, because targets such as years are far from zero.</summary>
    public static TargetMoments Of(TrainingTable rows)
    {
        ReadOnlySpan<float> targets = rows.Targets;
        ReadOnlySpan<float> weights = rows.Weights;
        double total = 0;
        double sum = 0;
        for (int row = 0; row < targets.Length; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            total += weight;
            sum += weight * targets[row];
        }

        // Of equal targets exactly, whatever the rounding of the sum.
        if (!targets.ContainsAnyExcept(targets[0]))
            return new TargetMoments(targets[0], 0);
        double mean = sum / total;
        double squares = 0;
        for (int row = 0; row < targets.Length; row++)
        {
            double distance = targets[row] - mean;
            squares += (weights.IsEmpty ? 1 : weights[row]) * distance * distance;
        }

        return new TargetMoments(mean, squares / total);
    }
}
