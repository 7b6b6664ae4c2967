using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>What two methods leave of a third one's error, table by table, as a picture.</summary>
/// <remarks>
/// An error is one minus the main metric: 1 - AUC, 1 - accuracy, 1 - R2. A dot left of the line at 1 is better than the third.
/// </remarks>
internal static class AccuracyChart
{
    private const int Width = 900;
    private const int HeightOfATable = 34;
    private const int HeightOfTheRest = 110;

    /// <summary>Draws one line a table, the table with the smallest share on top.</summary>
    public static void Save(
        string path, string reference, IReadOnlyList<(string Table, double Ours, double? Other)> shares, string ours, string other)
    {
        var plot = new Plot();
        if (Fonts.GetTypeface("DejaVu Sans", bold: false, italic: false) is not null)
            plot.Font.Set("DejaVu Sans");              // otherwise the system's choice, which may have serifs
        (string Table, double Ours, double? Other)[] sorted = [.. shares.OrderByDescending(share => share.Ours)];
        var line = plot.Add.VerticalLine(1);
        line.Color = Colors.Gray;
        line.LinePattern = LinePattern.Dashed;
        line.LineWidth = 1;
        Dots(plot, [.. sorted.Index().Where(s => s.Item.Other is not null).Select(s => (s.Item.Other!.Value, (double)s.Index))],
            other, Colors.C1, MarkerShape.FilledSquare, size: 8);
        Dots(plot, [.. sorted.Index().Select(s => (s.Item.Ours, (double)s.Index))], ours, Colors.C0, MarkerShape.FilledCircle, size: 12);

        plot.Axes.Left.TickGenerator = new NumericManual(
            [.. Enumerable.Range(0, sorted.Length).Select(i => (double)i)], [.. sorted.Select(share => share.Table)]);
        plot.Axes.Left.TickLabelStyle.FontSize = 13;
        plot.Axes.Bottom.TickGenerator = new NumericFixedInterval(0.25)
        {
            LabelFormatter = value => value.ToString("P0", CultureInfo.InvariantCulture),
        };
        plot.Axes.Bottom.TickLabelStyle.FontSize = 13;
        double[] all = [1, .. sorted.Select(share => share.Ours), .. sorted.Select(share => share.Other ?? 1)];
        plot.Axes.SetLimits(0, Math.Ceiling(4 * all.Max() + 0.2) / 4, -0.7, sorted.Length - 0.3);
        plot.XLabel($"error in percent of {reference}'s (less is better)", size: 14);
        plot.Legend.FontSize = 13;
        plot.ShowLegend(Alignment.UpperLeft);
        plot.SavePng(path, Width, HeightOfTheRest + HeightOfATable * sorted.Length);
    }

    private static void Dots(Plot plot, (double X, double Y)[] dots, string name, Color color, MarkerShape shape, float size)
    {
        var points = plot.Add.ScatterPoints(dots.Select(dot => dot.X).ToArray(), dots.Select(dot => dot.Y).ToArray());
        points.LegendText = name;
        points.Color = color;
        points.MarkerShape = shape;
        points.MarkerSize = size;
    }
}
