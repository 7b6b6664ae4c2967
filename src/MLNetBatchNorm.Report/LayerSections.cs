namespace MLNetBatchNorm.Reporting;

/// <summary>
/// What the layers hold: how the parameters and statistics of their batch normalizations are distributed over the units of all networks.
/// </summary>
internal static class LayerSections
{
    private const int Bins = 24;

    /// <summary>
    /// The layers of all networks; where several trials are in the model, of those that count for most: others have another shape.
    /// </summary>
    public static void Add(Page page, IReadOnlyList<BatchNormNetworkMember> members)
    {
        IReadOnlyList<BatchNormNetworkLayer>[] networks =
            [.. members.Where(member => member.Trial == members[0].Trial).Select(member => member.Layers)];
        IReadOnlyList<BatchNormNetworkLayer> first = networks[0];
        for (int i = 0; i < first.Count; i++)
        {
            int layer = i;
            if (first[layer].BatchNormalization is not { } kind)
                continue;
            var convolution = first[layer] as BatchNormNetworkConvolutionLayer;
            string counted = convolution is null ? "column" : "channel";
            string all = networks.Length == members.Count
                ? $"all {Numbers.Count(networks.Length)} networks"
                : $"the {Numbers.Count(networks.Length)} networks of trial {Numbers.Count(members[0].Trial + 1)}";
            string whose = members.Count == 1
                ? $"Each number counted here is one {counted}'s."
                : $"Each number counted here is one {counted}'s, of {all} together; the tables have each network by itself as well.";
            page.Section(
                $"Layer {layer + 1}: {first[layer].Inputs} → {first[layer].Outputs}"
                + (convolution is null ? "" : $", windows of {convolution.KernelHeight} x {convolution.KernelWidth}"),
                $"Batch normalization with {kind.Statistics} statistics, epsilon {Numbers.Exact(kind.Epsilon)}. {whose}", small: true);
            BatchNormNetworkNormalization[] normalizations = [.. networks.Select(network => network[layer].BatchNormalization!)];
            Add(page, "Running mean", "mean", [.. normalizations.Select(n => n.RunningMean)]);
            // Variances span orders of magnitude.
            Add(
                page, "Running variance", "variance, power of ten",
                [.. normalizations.Select(
                    n => (IReadOnlyList<float>)[.. n.RunningVariance.Select(v => (float)Math.Log10(v + n.Epsilon))])]);
            Add(page, "Gamma", "gamma", [.. normalizations.Select(n => n.Gamma)]);
            Add(page, "Beta", "beta", [.. normalizations.Select(n => n.Beta)]);
        }
    }

    private static void Add(Page page, string title, string axis, IReadOnlyList<IReadOnlyList<float>> networks)
    {
        double[] values = [.. networks.SelectMany(numbers => numbers.Select(value => (double)value))];
        var figure = new Figure(axis, "columns", width: 320, height: 220);
        figure.Bars(Histogram.Of(values, Bins), Figure.Blue);
        double[] parts = [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1];
        string[] Row(string name, IReadOnlyList<double> numbers) =>
            [name, .. parts.Select(part => Numbers.Exact(Histogram.Quantile(numbers, part)))];
        IEnumerable<string[]> rows = networks.Count == 1
            ? []
            : networks.Select((numbers, i) => Row(Numbers.Count(i + 1), [.. numbers.Select(value => (double)value)]));
        page.Figure(
            title, figure,
            $"{Numbers.Count(values.Length)} columns, median {Numbers.Exact(Histogram.Quantile(values, 0.5))}, "
            + $"from {Numbers.Exact(values.Min())} to {Numbers.Exact(values.Max())}.",
            ["network", "least", "5 %", "25 %", "median", "75 %", "95 %", "greatest"], [Row("all", values), .. rows]);
    }
}
