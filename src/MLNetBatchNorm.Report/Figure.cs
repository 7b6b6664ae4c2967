using System.Globalization;
using System.Xml.Linq;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace MLNetBatchNorm.Reporting;

/// <summary>A picture in the style of the page: no background of its own, ink in the colour of the text around it.</summary>
internal sealed class Figure
{
    public static readonly Color Blue = new(0x3B, 0x82, 0xD6);
    public static readonly Color Orange = new(0xE0, 0x7B, 0x28);
    public static readonly Color Gray = new(0x88, 0x90, 0x9A);

    /// <summary>Stands for the colour of the text; <see cref="SvgInk"/> puts that in its place.</summary>
    public static readonly Color Ink = new(1, 2, 3);

    private const int TopMargin = 10;
    private const int RightMargin = 12;
    private const float FontSize = 13;

    private readonly Plot _plot = new();
    private readonly List<LegendEntry> _legend = [];
    private readonly Dictionary<string, string> _replacements = [];
    private readonly int _width;
    private readonly int _height;

    public Figure(string xLabel, string yLabel, int width = 400, int height = 270)
    {
        _width = width;
        _height = height;
        if (Fonts.GetTypeface("DejaVu Sans", bold: false, italic: false) is not null)
            _plot.Font.Set("DejaVu Sans");              // measured with what the page will be shown in or near to
        _plot.FigureBackground.Color = Colors.Transparent;
        _plot.DataBackground.Color = Colors.Transparent;
        _plot.Axes.Color(Ink);
        Empty(_plot.Axes.Top, TopMargin);
        Empty(_plot.Axes.Right, RightMargin);
        _plot.Grid.MajorLineColor = Ink.WithAlpha(0.12);
        _plot.Axes.Bottom.TickLabelStyle.FontSize = FontSize;
        _plot.Axes.Left.TickLabelStyle.FontSize = FontSize;
        _plot.Axes.Bottom.TickGenerator = Ticks(target: 6);
        _plot.Axes.Left.TickGenerator = Ticks(target: 6);
        Label(_plot.Axes.Bottom.Label, xLabel);
        Label(_plot.Axes.Left.Label, yLabel);
        // Numbers are wider in some readers' fonts than in that which they are measured with.
        ((ScottPlot.AxisPanels.YAxisBase)_plot.Axes.Left).PaddingBetweenTickAndAxisLabels = new PixelPadding(8);
    }

    /// <summary>What the lines and points mean; shown above the picture, where it can hide nothing.</summary>
    public IReadOnlyList<LegendEntry> Legend => _legend;

    /// <summary>A line, with a name for the legend; thin if it is one of several of a kind.</summary>
    public void Line(
        IReadOnlyList<double> xs, IReadOnlyList<double> ys, Color color, string name = "", LinePattern? pattern = null, bool thin = false)
    {
        var line = _plot.Add.ScatterLine(xs.ToArray(), ys.ToArray(), thin ? color.WithAlpha(0.7) : color);
        line.LineWidth = thin ? 1.2f : 2;
        if (xs.Count == 1)
            _plot.Add.Marker(xs[0], ys[0], MarkerShape.FilledCircle, 5, color);
        Explain(name, color, "line");
        if (pattern is { } given)
            line.LinePattern = given;
    }

    /// <summary>Points whose area says how much they stand for, joined by a thin line.</summary>
    public void Bubbles(IReadOnlyList<ReliabilityBin> bins, Color color)
    {
        double most = bins.Max(bin => bin.Count);
        _plot.Add.ScatterLine(
            bins.Select(bin => bin.Predicted).ToArray(), bins.Select(bin => bin.Observed).ToArray(), color.WithAlpha(0.5));
        foreach (ReliabilityBin bin in bins)
        {
            _plot.Add.Marker(
                bin.Predicted, bin.Observed, MarkerShape.FilledCircle, 6 + 10 * (float)Math.Sqrt(bin.Count / most), color.WithAlpha(0.85));
        }
    }

    /// <summary>Points that stand out from the lines they are on.</summary>
    public void Dots(IReadOnlyList<double> xs, IReadOnlyList<double> ys, Color color, string name)
    {
        _plot.Add.Markers(xs.ToArray(), ys.ToArray(), MarkerShape.FilledCircle, 6, color);
        Explain(name, color, "dot");
    }

    public void Points(IReadOnlyList<double> xs, IReadOnlyList<double> ys, Color color)
        => _plot.Add.Markers(xs.ToArray(), ys.ToArray(), MarkerShape.FilledCircle, 4, color.WithAlpha(0.5));

    /// <summary>Bars over the bins of a histogram.</summary>
    public void Bars(Histogram histogram, Color color)
    {
        double width = histogram.Edges[1] - histogram.Edges[0];
        var bars = _plot.Add.Bars(
            histogram.Counts.Select((_, i) => histogram.Edges[i] + width / 2), histogram.Counts.Select(count => (double)count));
        foreach (Bar bar in bars.Bars)
            Style(bar, color, width * 0.92);
        _plot.Axes.Margins(bottom: 0);
    }

    /// <summary>Named horizontal bars, the first one on top.</summary>
    public void NamedBars(IReadOnlyList<(string Name, double Value)> values, Color color)
    {
        double[] positions = [.. Enumerable.Range(0, values.Count).Select(i => (double)(values.Count - 1 - i))];
        var bars = _plot.Add.Bars(positions, values.Select(value => value.Value));
        bars.Horizontal = true;
        foreach (Bar bar in bars.Bars)
            Style(bar, color, 0.7);
        _plot.Axes.Left.TickGenerator = new NumericManual(
            positions, [.. values.Select((value, i) => Drawable(Names.Short(value.Name), i))]);
        _plot.Axes.Left.MajorTickStyle.Length = 0;
        _plot.Axes.Bottom.TickGenerator = Ticks(target: 4);
        _plot.Axes.SetLimitsY(-0.6, values.Count - 0.4);
    }

    /// <summary>
    /// Named horizontal bars, each from where the one above it ends, the first one on top: blue to the right, else orange.
    /// </summary>
    public void Waterfall(IReadOnlyList<(string Name, double From, double To)> steps)
    {
        NamedBars([.. steps.Select(step => (step.Name, step.To))], Blue);
        Bar[] bars = [.. _plot.GetPlottables<ScottPlot.Plottables.BarPlot>().Last().Bars];
        for (int i = 0; i < bars.Length; i++)
        {
            bars[i].ValueBase = steps[i].From;
            bars[i].FillColor = steps[i].To >= steps[i].From ? Blue : Orange;
        }
        if (steps.Any(step => step.To > step.From))
            Explain("raises the score", Blue, "line");
        if (steps.Any(step => step.To < step.From))
            Explain("lowers the score", Orange, "line");
    }

    public void Vertical(double x, Color color, string name = "")
    {
        _plot.Add.VerticalLine(x, 1.5f, color, LinePattern.Dashed);
        Explain(name, color, "dashed");
    }

    public void Limits(double left, double right, double bottom, double top) => _plot.Axes.SetLimits(left, right, bottom, top);

    /// <summary>Starts the vertical axis at 0.</summary>
    public void FromZero()
    {
        _plot.Axes.AutoScale();                        // before it there are no limits to be read, and those of one axis alone are not kept
        _plot.Axes.SetLimitsY(0, _plot.Axes.GetLimits().Top);
    }

    /// <summary>
    /// Leaves the lowest numbers out of the picture where they would press all others to its upper edge. True if there are such.
    /// </summary>
    public bool IgnoreLowest(IReadOnlyList<double> ys)
    {
        double low = Histogram.Quantile(ys, 0.1), high = ys.Max(), bottom = low - (high - low);
        if (!(high > low && ys.Min() < bottom))
            return false;
        _plot.Axes.AutoScale();
        _plot.Axes.SetLimitsY(bottom, high + 0.05 * (high - bottom));
        return true;
    }

    private void Explain(string name, Color color, string mark)
    {
        if (name.Length > 0)
            _legend.Add(new LegendEntry(name, color == Ink ? "currentColor" : color.ToHex(), mark));
    }

    /// <summary>The picture as an element of the page.</summary>
    /// <param name="id">A name that no other picture of the page has.</param>
    /// <param name="description">What is to be seen, for those who do not see it.</param>
    public XElement ToSvg(string id, string description)
        => SvgInk.Adapt(XElement.Parse(_plot.GetSvgXml(_width, _height)), _width, _height, id, description, _replacements);

    /// <summary>
    /// What is drawn for a name. A name in letters that the font here does not have would come out as nothing; the reader's may have them,
    /// so another text takes its room, in whose place the name is put afterwards.
    /// </summary>
    private string Drawable(string name, int index)
    {
        if (Fonts.GetTypeface(_plot.Axes.Left.TickLabelStyle.FontName, bold: false, italic: false) is not { } typeface
            || typeface.ContainsGlyphs(name))
        {
            return name;
        }
        // Such letters are about as wide as an m.
        string placeholder = string.Create(
            CultureInfo.InvariantCulture, $"{new string('m', new StringInfo(name).LengthInTextElements)}{index}");
        _replacements[placeholder] = name;
        return placeholder;
    }

    private static NumericAutomatic Ticks(int target) => new() { TargetTickCount = target, LabelFormatter = value => Numbers.Short(value) };

    // Without room beside the data the half of a label that stands out is cut off.
    private static void Empty(IAxis axis, int size)
    {
        axis.FrameLineStyle.Width = 0;
        axis.MajorTickStyle.Length = 0;
        axis.MinorTickStyle.Length = 0;
        axis.TickLabelStyle.IsVisible = false;
        axis.MinimumSize = size;
        axis.MaximumSize = size;
    }

    private static void Label(LabelStyle label, string text)
    {
        label.Text = text;
        label.FontSize = FontSize;
        label.Bold = false;
        label.ForeColor = Ink;
    }

    private static void Style(Bar bar, Color color, double size)
    {
        bar.FillColor = color;
        bar.LineWidth = 0;
        bar.Size = size;
    }
}
