using System.Globalization;
using ScottPlot;
using ScottPlot.MultiplotLayouts;
using ScottPlot.TickGenerators;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>The two accuracy curves of <see cref="MnistPaper"/> as a picture.</summary>
internal static class MnistPaperChart
{
    private const int Width = 1000;
    private const int Height = 440;

    /// <summary>Draws the whole curves and, beside them, their later part enlarged, where they would lie on each other.</summary>
    public static void Save(string path, IReadOnlyList<double> without, IReadOnlyList<double> with, int stepsPerPoint)
    {
        var multiplot = new Multiplot();
        multiplot.AddPlots(2);
        multiplot.Layout = new Columns();
        double[] steps = [.. Enumerable.Range(1, with.Count).Select(i => (double)i * stepsPerPoint)];
        double end = steps[^1] + stepsPerPoint;

        Plot whole = multiplot.GetPlot(0);
        Draw(whole, steps, without, with, "Sigmoid network 784-100-100-100-10 on MNIST");
        whole.Axes.SetLimits(0, end, Math.Floor(10 * without.Concat(with).Min()) / 10, 1);
        whole.Axes.Left.TickGenerator = Percent(0.1, "P0");
        whole.ShowLegend(Alignment.LowerRight);

        int later = with.Count / 5 - 1;
        double[] tail = [.. without.Skip(later), .. with.Skip(later)];
        Plot enlarged = multiplot.GetPlot(1);
        Draw(
            enlarged, steps, without, with,
            string.Create(CultureInfo.InvariantCulture, $"The same, enlarged, from step {steps[later]:N0} on"));
        enlarged.Axes.SetLimits(steps[later], end, Math.Floor(200 * tail.Min()) / 200, Math.Ceiling(200 * tail.Max()) / 200);
        enlarged.Axes.Left.TickGenerator = Percent(0.005, "P1");
        enlarged.HideLegend();

        multiplot.SavePng(path, Width, Height);
    }

    private static void Draw(Plot plot, double[] steps, IReadOnlyList<double> without, IReadOnlyList<double> with, string title)
    {
        if (Fonts.GetTypeface("DejaVu Sans", bold: false, italic: false) is not null)
            plot.Font.Set("DejaVu Sans");              // otherwise the system's choice, which may have serifs
        Add(plot, steps, with, "with batch normalization", Colors.C0, MarkerShape.FilledCircle);
        Add(plot, steps, without, "without", Colors.C1, MarkerShape.FilledSquare);
        plot.Title(title, size: 15);
        plot.XLabel("training steps (60 images each)", size: 14);
        plot.YLabel("test accuracy", size: 14);
        plot.Axes.Bottom.TickGenerator = new NumericFixedInterval(10_000);
        plot.Axes.Bottom.TickLabelStyle.FontSize = 13;
        plot.Axes.Left.TickLabelStyle.FontSize = 13;
        plot.Legend.FontSize = 14;
    }

    private static NumericFixedInterval Percent(double interval, string format) =>
        new(interval) { LabelFormatter = value => value.ToString(format, CultureInfo.InvariantCulture) };

    private static void Add(Plot plot, double[] steps, IReadOnlyList<double> accuracies, string name, Color color, MarkerShape marker)
    {
        var line = plot.Add.Scatter(steps, accuracies.ToArray());
        line.LegendText = name;
        line.Color = color;
        line.LineWidth = 2;
        line.MarkerShape = marker;
        line.MarkerSize = 5;
    }
}
