using System.Globalization;

namespace MLNetBatchNorm.Reporting;

/// <summary>How prediction intervals hold on the rows of a report: how often, how wide, and where.</summary>
internal static class IntervalSections
{
    private const int Tenths = 10;

    public static void Add(Page page, RegressionResults results, IReadOnlyList<double> levels)
    {
        if (levels.Count == 0 || results.Bounds is not { } bounds)
            return;
        page.Section(
            "Intervals",
            "How many labels lie between their bounds, and how far these are apart. A level is the part that is to; of few rows the part "
            + "that does scatters around it.");
        page.Figure(
            "Coverage and widths", Page.Table(
                ["level", "rows covered", "below", "above", "mean width", "half are narrower than"],
                levels.Select((level, i) => Row(level, results, bounds, i))),
            "Of a good interval as many labels are below as above, and it is no wider than it must be.");
        AddTenths(page, results, levels, bounds);
    }

    private static IReadOnlyList<string> Row(double level, RegressionResults results, (double Lower, double Upper)[][] bounds, int i)
    {
        double[] widths = [.. bounds.Select(row => row[i].Upper - row[i].Lower)];
        double Part(Func<double, (double Lower, double Upper), bool> of) =>
            results.Labels.Zip(bounds, (label, row) => of(label, row[i])).Count(one => one) / (double)results.Count;
        return
        [
            level.ToString(CultureInfo.InvariantCulture), Numbers.Measure(Part((label, b) => label >= b.Lower && label <= b.Upper)),
            Numbers.Measure(Part((label, b) => label < b.Lower)), Numbers.Measure(Part((label, b) => label > b.Upper)),
            Numbers.Exact(widths.Average()), Numbers.Exact(Histogram.Quantile(widths, 0.5)),
        ];
    }

    private static void AddTenths(
        Page page, RegressionResults results, IReadOnlyList<double> levels, (double Lower, double Upper)[][] bounds)
    {
        int[] order = [.. Enumerable.Range(0, results.Count).OrderBy(i => results.Predictions[i])];
        int[][] parts = [.. Enumerable.Range(0, Tenths)
            .Select(t => order[(int)((long)t * order.Length / Tenths)..(int)((t + 1L) * order.Length / Tenths)]).Where(p => p.Length > 0)];
        double[] means = [.. parts.Select(part => part.Average(i => results.Predictions[i]))];
        var figure = new Figure("mean prediction", "part of the rows covered");
        for (int level = 0; level < levels.Count; level++)
        {
            int at = level;
            figure.Line(means, [.. parts.Select(part => Covered(part, at))], level % 2 == 0 ? Figure.Blue : Figure.Orange);
            figure.Line(
                [means[0], means[^1]], [levels[at], levels[at]], Figure.Gray, pattern: ScottPlot.LinePattern.Dashed);
        }

        page.Figure(
            "Coverage over predictions", figure,
            "Tenths of the rows by their prediction: dashed is what each level asks for.",
            ["mean prediction", "rows", .. levels.SelectMany(level => new[] { $"covered, {Text(level)}", $"mean width, {Text(level)}" })],
            parts.Select((part, p) => (string[])
            [
                Numbers.Exact(means[p]), Numbers.Count(part.Length),
                .. levels.SelectMany((_, level) => new[]
                {
                    Numbers.Measure(Covered(part, level)),
                    Numbers.Exact(part.Average(i => bounds[i][level].Upper - bounds[i][level].Lower)),
                }),
            ]));

        double Covered(int[] part, int level) =>
            part.Count(i => results.Labels[i] >= bounds[i][level].Lower && results.Labels[i] <= bounds[i][level].Upper)
            / (double)part.Length;
    }

    private static string Text(double level) => level.ToString(CultureInfo.InvariantCulture);
}
