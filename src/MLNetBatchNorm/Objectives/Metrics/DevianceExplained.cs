namespace MLNetBatchNorm.Objectives;

/// <summary>
/// <c>1 - sum w d(y, output) / sum w d(y, best constant)</c>, both sums over all outputs, each with a constant of its own: what R squared
/// is for squared errors, for another deviance d.
/// </summary>
/// <param name="rows">Number of rows.</param>
/// <param name="outputs">Number of outputs.</param>
/// <param name="deviance">What a label costs beside an output.</param>
/// <param name="best">The output that is the best for all labels, of these labels and their weights.</param>
internal sealed class DevianceExplained(
    int rows, int outputs, Func<double, double, double> deviance, Func<double[], double[], double> best) : ValidationMetric(rows, outputs)
{
    /// <summary>What it is called.</summary>
    public const string Name = "D2";

    public override double Compute(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights)
    {
        int rowCount = Values.Length / Columns;
        double residual = 0, total = 0;
        for (int column = 0; column < Columns; column++)
        {
            var labels = new List<double>(rowCount);
            var counting = new List<double>(rowCount);
            for (int row = 0; row < rowCount; row++)
            {
                double weight = weights.IsEmpty ? 1 : weights[row];
                if (weight == 0)
                    continue;
                double label = targets[row * Columns + column];
                residual += weight * deviance(label, Values[row * Columns + column]);
                labels.Add(label);
                counting.Add(weight);
            }

            if (labels.Count == 0)
                continue;
            double constant = best([.. labels], [.. counting]);
            for (int i = 0; i < labels.Count; i++)
                total += counting[i] * deviance(labels[i], constant);
        }

        return total > 0 && !double.IsNaN(residual) ? 1 - residual / total : double.NaN;
    }

    /// <summary>The weighted mean.</summary>
    public static double Mean(double[] labels, double[] weights)
    {
        double sum = 0, total = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            sum += weights[i] * labels[i];
            total += weights[i];
        }

        return sum / total;
    }

    /// <summary>The lowest label that has at least this part of the weights at or below it.</summary>
    public static double Quantile(double[] labels, double[] weights, double level)
    {
        int[] order = [.. Enumerable.Range(0, labels.Length).OrderBy(i => labels[i])];
        double wanted = level * weights.Sum(), sum = 0;
        foreach (int i in order)
        {
            sum += weights[i];
            if (sum >= wanted)
                return labels[i];
        }

        return labels[order[^1]];
    }
}
