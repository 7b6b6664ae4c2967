namespace MLNetBatchNorm.Reporting;

/// <summary>What the layers hold: how the parameters and statistics of their batch normalizations are distributed over the units.</summary>
internal static class LayerSections
{
    private const int Bins = 24;

    public static void Add(Page page, IReadOnlyList<BatchNormNetworkLayer> layers)
    {
        for (int i = 0; i < layers.Count; i++)
        {
            if (layers[i].BatchNormalization is not { } normalization)
                continue;
            page.Section(
                $"Layer {i + 1}: {layers[i].Weights.Inputs} → {layers[i].Weights.Outputs}",
                $"Batch normalization with {normalization.Statistics} statistics, epsilon {Numbers.Exact(normalization.Epsilon)}. Each number counted here is one column's.", small: true);
            Add(page, "Running mean", "mean", normalization.RunningMean);
            AddVariance(page, normalization);
            Add(page, "Gamma", "gamma", normalization.Gamma);
            Add(page, "Beta", "beta", normalization.Beta);
        }
    }

    // Variances span orders of magnitude.
    private static void AddVariance(Page page, BatchNormNetworkNormalization normalization)
        => Add(page, "Running variance", "variance, power of ten", [.. normalization.RunningVariance.Select(variance => (float)Math.Log10(variance + normalization.Epsilon))]);

    private static void Add(Page page, string title, string axis, IReadOnlyList<float> numbers)
    {
        double[] values = [.. numbers.Select(value => (double)value)];
        Histogram histogram = Histogram.Of(values, Bins);
        var figure = new Figure(axis, "columns", width: 320, height: 220);
        figure.Bars(histogram, Figure.Blue);
        double[] parts = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1];
        page.Figure(
            title, figure, $"{Numbers.Count(values.Length)} columns, median {Numbers.Exact(Histogram.Quantile(values, 0.5))}, from {Numbers.Exact(values.Min())} to {Numbers.Exact(values.Max())}.",
            ["part of the columns", $"{axis} up to"], parts.Select(part => new[] { part.ToString("P0", System.Globalization.CultureInfo.InvariantCulture), Numbers.Exact(Histogram.Quantile(values, part)) }));
    }
}
