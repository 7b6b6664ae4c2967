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
            AddColumn(Values, targets, weights, Columns, column, ref residual, ref total);
        return Of(residual, total);
    }

    /// <summary>The part of the variance of one target that is explained; NaN where there is none.</summary>
    /// <param name="outputs">One for each row.</param>
    /// <param name="targets">Likewise; those of a row of weight 0 may be anything.</param>
    /// <param name="weights">Likewise, or empty: all 1.</param>
    public static double Of(ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights)
    {
        double residual = 0, total = 0;
        AddColumn(outputs, targets, weights, 1, 0, ref residual, ref total);
        return Of(residual, total);
    }

    private static double Of(double residual, double total) =>
        total > 0 && !double.IsNaN(residual) ? 1 - residual / total : double.NaN;

    private static void AddColumn(
        ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, int columns, int column,
        ref double residual, ref double total)
    {
        double mean = MeanOfTargets(targets, weights, outputs.Length / columns, columns, column);
        for (int row = 0; row < outputs.Length / columns; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            if (weight == 0)
                continue;
            double target = targets[row * columns + column];
            double error = target - outputs[row * columns + column], distance = target - mean;
            residual += weight * error * error;
            total += weight * distance * distance;
        }
    }

    // From the first row's target on, so that the mean of equal numbers is that number.
    private static double MeanOfTargets(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, int rows, int columns, int column)
    {
        double? origin = null;
        double sum = 0, total = 0;
        for (int row = 0; row < rows; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            if (weight == 0)
                continue;
            double target = targets[row * columns + column];
            origin ??= target;
            sum += weight * (target - origin.Value);
            total += weight;
        }

        return (origin ?? 0) + (total > 0 ? sum / total : 0);
    }
}
