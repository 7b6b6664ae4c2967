namespace MLNetBatchNorm.Objectives;

/// <summary><c>1 - sum w (y - output)^2 / sum w (y - mean)^2</c>, both sums over all outputs, each with a mean of its own.</summary>
/// <param name="rows">Number of rows.</param>
/// <param name="outputs">Number of outputs.</param>
internal sealed class RSquared(int rows, int outputs) : ValidationMetric(rows, outputs)
{
    /// <summary>What it is called.</summary>
    public const string Name = "R2";

    public override double Compute(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights)
    {
        double residual = 0, total = 0;
        for (int column = 0; column < Columns; column++)
        {
            double mean = MeanOfTargets(targets, weights, column);
            for (int row = 0; row < Values.Length / Columns; row++)
            {
                double weight = weights.IsEmpty ? 1 : weights[row];
                if (weight == 0)
                    continue;
                double target = targets[row * Columns + column];
                double error = target - Values[row * Columns + column], distance = target - mean;
                residual += weight * error * error;
                total += weight * distance * distance;
            }
        }

        return total > 0 && !double.IsNaN(residual) ? 1 - residual / total : double.NaN;
    }

    // From the first row's target on, so that the mean of equal numbers is that number.
    private double MeanOfTargets(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, int column)
    {
        double? origin = null;
        double sum = 0, total = 0;
        for (int row = 0; row < Values.Length / Columns; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            if (weight == 0)
                continue;
            double target = targets[row * Columns + column];
            origin ??= target;
            sum += weight * (target - origin.Value);
            total += weight;
        }

        return (origin ?? 0) + (total > 0 ? sum / total : 0);
    }
}
