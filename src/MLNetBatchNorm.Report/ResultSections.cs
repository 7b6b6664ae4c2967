using System.Globalization;
using System.Xml.Linq;
using ScottPlot;

namespace MLNetBatchNorm.Reporting;

/// <summary>How good the network is on rows it has not seen.</summary>
internal static class ResultSections
{
    private const string Title = "Held-out rows";

    /// <summary>More points than these say nothing more, and make the page heavy.</summary>
    private const int MaximumPoints = 1500;

    /// <summary>The same where there are many such pictures.</summary>
    private const int MaximumPointsOfTarget = 400;

    private const int MaximumClassesShown = 30;

    public static void Add(Page page, HeldOutResults results)
    {
        switch (results)
        {
            case { Count: 0 }:
                page.Section(Title, $"None of these rows could be scored.{LeftOut(results)}");
                break;
            case BinaryResults binary:
                Add(page, binary);
                break;
            case MulticlassResults multiclass:
                Add(page, multiclass);
                break;
            case RegressionResults regression:
                Add(page, regression);
                break;
            default:
                throw new ArgumentException($"Results of type {results.GetType().Name} are not known.", nameof(results));
        }
    }

    private static void Add(Page page, BinaryResults results)
    {
        var matrix = new ConfusionMatrix(["false", "true"], [.. results.Labels.Select(Index)], [.. results.Decisions.Select(Index)]);
        var roc = RocCurve.Points(results.Probabilities, results.Labels);
        var bins = Reliability.OfProbabilities(results.Probabilities, results.Labels);
        double logLoss = Enumerable.Range(0, results.Count)
            .Average(i => LogLoss(results.Labels[i] ? results.Probabilities[i] : 1 - results.Probabilities[i]));

        page.Section(Title, $"{Rows(results)}, {Numbers.Count(matrix.Truths(1))} of them true.{LeftOut(results)}");
        page.Tiles(
        [
            ("area under ROC", roc.Count > 0 ? Numbers.Measure(RocCurve.Area(roc)) : "one class only"),
            ("accuracy", Numbers.Measure(matrix.Accuracy)),
            ("log-loss", Numbers.Measure(logLoss)), ("calibration error", Numbers.Measure(Reliability.Error(bins))),
        ]);
        AddConfusion(page, matrix);
        if (roc.Count > 0)
            AddRoc(page, roc);
        AddReliability(
            page, bins, "probability of true", "rows that are true",
            "Rows of like probability together: on the dashed line, seven of ten rows that get 0.7 are true.");

        static int Index(bool value) => value ? 1 : 0;
    }

    private static void Add(Page page, MulticlassResults results)
    {
        var matrix = new ConfusionMatrix(results.Names, results.Labels, results.Decisions);
        double[] confidence = [.. results.Probabilities.Select(row => (double)row.Max())];
        var bins = Reliability.OfProbabilities(confidence, [.. results.Decisions.Select((decision, i) => decision == results.Labels[i])]);
        double logLoss = Enumerable.Range(0, results.Count).Average(i => LogLoss(results.Probabilities[i][results.Labels[i]]));
        double[] recalls = [.. Enumerable.Range(0, matrix.Classes).Select(matrix.Recall).OfType<double>()];

        page.Section(Title, $"{Rows(results)}. The network knows {Numbers.Count(matrix.Classes)} classes.{LeftOut(results)}");
        page.Tiles(
        [
            ("accuracy", Numbers.Measure(matrix.Accuracy)), ("mean of the classes' recalls", Numbers.Measure(recalls.Average())),
            ("log-loss", Numbers.Measure(logLoss)), ("calibration error", Numbers.Measure(Reliability.Error(bins))),
        ]);
        if (matrix.Classes <= MaximumClassesShown)
            AddConfusion(page, matrix);
        AddClasses(page, matrix);
        AddReliability(
            page, bins, "probability of the predicted class", "predictions that are right",
            "Rows of like confidence together: on the dashed line, seven of ten predictions made with 0.7 are right.");
    }

    private static void Add(Page page, RegressionResults results)
    {
        double[] residuals = [.. results.Labels.Select((label, i) => label - results.Predictions[i])];
        double mean = results.Labels.Average();
        double squares = residuals.Sum(r => r * r), total = results.Labels.Sum(label => (label - mean) * (label - mean));

        page.Section(Title, $"{Rows(results)}. A residual is the label less the prediction.{LeftOut(results)}");
        page.Tiles(
        [
            ("R²", total > 0 ? Numbers.Measure(1 - squares / total) : "labels are equal"),
            ("root mean squared error", Numbers.Exact(Math.Sqrt(squares / residuals.Length))),
            ("mean absolute error", Numbers.Exact(residuals.Average(Math.Abs))), ("mean residual", Numbers.Exact(residuals.Average())),
        ]);
        AddPredictions(page, results);
        AddResiduals(page, residuals);
        AddReliability(
            page, Reliability.OfNumbers(results.Predictions, results.Labels), "mean prediction", "mean label",
            "Tenths of the rows by their prediction: on the dashed line, they are right on average.",
            range: (results.Predictions.Min(), results.Predictions.Max()));
    }

    /// <summary>The pictures of one of several numbers: labels over predictions, and residuals.</summary>
    public static void AddTarget(Page page, string name, RegressionResults results)
    {
        AddPredictions(page, results, $"{name}: ");
        AddResiduals(page, [.. results.Labels.Select((label, i) => label - results.Predictions[i])], $"{name}: ");
    }

    /// <summary>The pictures of one of several labels: the ROC curve, where there are rows of both kinds, and the reliability.</summary>
    public static void AddTarget(Page page, string name, BinaryResults results)
    {
        var roc = RocCurve.Points(results.Probabilities, results.Labels);
        if (roc.Count > 0)
            AddRoc(page, roc, $"{name}: ");
        AddReliability(
            page, Reliability.OfProbabilities(results.Probabilities, results.Labels), "probability of true", "rows that are true",
            "Rows of like probability together.", name: $"{name}: ");
    }

    private static string Rows(HeldOutResults results) => results.Count == 1
        ? "1 row that was not used for training"
        : $"{Numbers.Count(results.Count)} rows that were not used for training";

    private static string LeftOut(HeldOutResults results)
    {
        string[] kinds =
        [
            .. results.Unlabelled > 0 ? new[] { $"{Numbers.Count(results.Unlabelled)} without a label" } : [],
            .. results.Unscored > 0
                ? new[] { $"{Numbers.Count(results.Unscored)} without a score, where a feature is missing or infinite" }
                : [],
        ];
        return kinds.Length > 0 ? $" Left out: {string.Join(", and ", kinds)}." : "";
    }

    private static double LogLoss(double probability) => -Math.Log(Math.Max(probability, 1e-15));

    private static void AddConfusion(Page page, ConfusionMatrix matrix)
    {
        var header = new XElement(
            "tr", new XElement("th", "is \\ as"),
            matrix.Names.Select(name => new XElement("th", new XAttribute("scope", "col"), new XAttribute("dir", "auto"), name)));
        IEnumerable<XElement> rows = Enumerable.Range(0, matrix.Classes).Select(truth => new XElement(
            "tr", new XElement("th", new XAttribute("scope", "row"), new XAttribute("dir", "auto"), matrix.Names[truth]),
            Enumerable.Range(0, matrix.Classes).Select(decision => Cell(matrix, truth, decision))));
        var table = new XElement("table", new XAttribute("class", "confusion"), new XElement("thead", header), new XElement("tbody", rows));
        page.Figure(
            "Confusion matrix", table,
            $"{Numbers.Count(matrix.Right)} of {Numbers.Count(matrix.Rows)} rows are recognized. Rows of the table: what it is; columns: "
            + "what it was taken for; classes in the order of their keys.");
    }

    private static XElement Cell(ConfusionMatrix matrix, int truth, int decision)
    {
        int count = matrix.Counts[truth, decision];
        double share = matrix.Truths(truth) > 0 ? 0.55 * count / matrix.Truths(truth) : 0;
        return new XElement(
            "td",
            new XAttribute("style", string.Create(CultureInfo.InvariantCulture, $"--share: {share:0.###}")),
            count == 0 ? new XAttribute("class", "none") : null,
            Numbers.Count(count));
    }

    private static void AddClasses(Page page, ConfusionMatrix matrix)
    {
        var rows = Enumerable.Range(0, matrix.Classes)
            .Select(i => new[] { matrix.Names[i], Numbers.Count(matrix.Truths(i)), Share(matrix.Precision(i)), Share(matrix.Recall(i)) });
        page.Figure(
            "Classes", Page.Table(["class", "rows", "precision", "recall"], rows),
            "Precision: the part of the rows taken for a class that are of it. Recall: the part of a class that is recognized.");

        static string Share(double? value) => value is { } share ? Numbers.Measure(share) : "no rows";
    }

    private static void AddRoc(Page page, IReadOnlyList<(double FalsePositives, double TruePositives)> roc, string name = "")
    {
        var figure = new Figure("false positives", "true positives");
        figure.Line([0, 1], [0, 1], Figure.Gray, pattern: LinePattern.Dashed);
        figure.Line([.. roc.Select(p => p.FalsePositives)], [.. roc.Select(p => p.TruePositives)], Figure.Blue);
        figure.Limits(-0.02, 1.02, 0, 1.02);
        page.Figure(
            Titled(name, "ROC curve"), figure,
            $"Each point is one threshold. The area under the curve is {Numbers.Measure(RocCurve.Area(roc))}; guessing has 0.5.",
            ["false positives", "true positives"],
            roc.Select(p => new[] { Numbers.Measure(p.FalsePositives), Numbers.Measure(p.TruePositives) }));
    }

    private static void AddReliability(
        Page page, IReadOnlyList<ReliabilityBin> bins, string xLabel, string yLabel, string text,
        (double Low, double High)? range = null, string name = "")
    {
        (double low, double high) = range ?? (0, 1);
        double margin = 0.04 * (high - low);
        var figure = new Figure(xLabel, yLabel);
        figure.Line([low, high], [low, high], Figure.Gray, pattern: LinePattern.Dashed);
        figure.Bubbles(bins, Figure.Blue);
        if (range is null)
            figure.Limits(-margin, 1 + margin, -margin, 1 + margin);
        page.Figure(
            Titled(name, "Reliability"), figure, $"{text} Larger points stand for more rows.",
            [xLabel, yLabel, "rows"],
            bins.Select(bin => new[] { Numbers.Exact(bin.Predicted), Numbers.Exact(bin.Observed), Numbers.Count(bin.Count) }));
    }

    private static void AddPredictions(Page page, RegressionResults results, string name = "")
    {
        int[] shown = Spread(results.Count, name.Length == 0 ? MaximumPoints : MaximumPointsOfTarget);
        double low = results.Labels.Concat(results.Predictions).Min(), high = results.Labels.Concat(results.Predictions).Max();
        var figure = new Figure("prediction", "label");
        figure.Points([.. shown.Select(i => results.Predictions[i])], [.. shown.Select(i => results.Labels[i])], Figure.Blue);
        figure.Line([low, high], [low, high], Figure.Gray, pattern: LinePattern.Dashed);
        page.Figure(
            Titled(name, "Labels over predictions"), figure,
            shown.Length < results.Count
                ? $"{Numbers.Count(shown.Length)} of the rows, evenly taken; on the dashed line a prediction is exact."
                : "On the dashed line a prediction is exact.",
            ["part of the rows", "prediction", "label"],
            new[] { 0, 0.25, 0.5, 0.75, 1 }.Select(part => new[]
            {
                part.ToString("P0", CultureInfo.InvariantCulture), Numbers.Exact(Histogram.Quantile(results.Predictions, part)),
                Numbers.Exact(Histogram.Quantile(results.Labels, part)),
            }));
    }

    private static void AddResiduals(Page page, double[] residuals, string name = "")
    {
        Histogram histogram = Histogram.Of(residuals, 30);
        var figure = new Figure("label less prediction", "rows");
        figure.Bars(histogram, Figure.Blue);
        figure.Vertical(0, Figure.Gray);
        page.Figure(
            Titled(name, "Residuals"), figure,
            $"Half of them lie between {Numbers.Exact(Histogram.Quantile(residuals, 0.25))} and "
            + $"{Numbers.Exact(Histogram.Quantile(residuals, 0.75))}, the greatest errors are {Numbers.Exact(residuals.Min())} and "
            + $"{Numbers.Exact(residuals.Max())}.",
            ["from", "to", "rows"],
            histogram.Counts.Select(
                (count, i) => new[] { Numbers.Exact(histogram.Edges[i]), Numbers.Exact(histogram.Edges[i + 1]), Numbers.Count(count) }));
    }

    /// <summary>A title, behind the name of a target if there are several.</summary>
    private static string Titled(string name, string title) =>
        name.Length == 0 || title.StartsWith("ROC", StringComparison.Ordinal)
            ? name + title
            : name + char.ToLowerInvariant(title[0]) + title[1..];

    private static int[] Spread(int count, int most)
    {
        int shown = Math.Min(count, most);
        return [.. Enumerable.Range(0, shown).Select(i => (int)((long)i * count / shown))];
    }
}
