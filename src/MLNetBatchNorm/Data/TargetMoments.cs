namespace MLNetBatchNorm.Data;

/// <summary>Weighted mean and variance of a target, where it is not missing; the divisor is the sum of weights.</summary>
internal readonly record struct TargetMoments(double Mean, double Variance)
{
    /// <summary>Those of each target of a table.</summary>
    public static TargetMoments[] Of(TrainingTable rows) => [.. Enumerable.Range(0, rows.TargetColumns).Select(column => Of(rows, column))];

    /// <summary>Of one target; in double precision, in two passes, because targets such as years are far from zero.</summary>
    private static TargetMoments Of(TrainingTable rows, int column)
    {
        ReadOnlySpan<float> targets = rows.Targets;
        ReadOnlySpan<float> weights = rows.Weights;
        int columns = rows.TargetColumns;
        double total = 0, sum = 0;
        float? first = null;
        bool areEqual = true;
        for (int row = 0, i = column; i < targets.Length; row++, i += columns)
        {
            float target = targets[i];
            if (float.IsNaN(target))
                continue;
            first ??= target;
            areEqual &= target == first;
            double weight = weights.IsEmpty ? 1 : weights[row];
            total += weight;
            sum += weight * target;
        }

        // Of equal targets exactly, whatever the rounding of the sum; of none at all it is 0.
        if (areEqual)
            return new TargetMoments(first ?? 0, 0);
        double mean = sum / total;
        double squares = 0;
        for (int row = 0, i = column; i < targets.Length; row++, i += columns)
        {
            if (float.IsNaN(targets[i]))
                continue;
            double distance = targets[i] - mean;
            squares += (weights.IsEmpty ? 1 : weights[row]) * distance * distance;
        }

        return new TargetMoments(mean, squares / total);
    }
}
