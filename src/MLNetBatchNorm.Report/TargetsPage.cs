using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>The page about a network for several targets: how good it is of each, how training went, and what it looks at.</summary>
internal sealed class TargetsPage
{
    private const int MostTargetsShown = 30;

    /// <summary>Targets that have pictures of their own; each takes four.</summary>
    private const int MostTargetsDrawn = 12;

    private readonly string _measure;
    private readonly string _axis;
    private readonly string _loss;
    private readonly IReadOnlyList<(string Name, double Measure)> _targets;
    private readonly IEnumerable<string[]> _rows;
    private readonly string[] _header;
    private readonly double _mean;
    private readonly string _counts;

    private TargetsPage(MultiOutputRegressionMetrics metrics)
    {
        (_measure, _axis, _loss, _mean) = ("R²", "mean R²", "loss (squared deviations of each target)", metrics.RSquared);
        _counts = Counts(metrics.NumberOfRows, metrics.NumberOfRowsWithoutTarget);
        _targets = [.. Named(metrics.Targets.Select(target => target.Name)).Zip(metrics.Targets, (name, t) => (name, t.RSquared))];
        _header = ["target", "rows", "R²", "root mean squared error", "mean absolute error"];
        _rows = metrics.Targets.Select((target, i) => new[]
        {
            _targets[i].Name, Numbers.Count(target.NumberOfRows), Numbers.Metric(target.RSquared),
            Numbers.Exact(target.RootMeanSquaredError), Numbers.Exact(target.MeanAbsoluteError),
        });
    }

    private TargetsPage(MultiLabelClassificationMetrics metrics)
    {
        (_measure, _axis, _loss, _mean) = ("area under ROC", "mean area under ROC", "loss (nats)", metrics.AreaUnderRocCurve);
        _counts = Counts(metrics.NumberOfRows, metrics.NumberOfRowsWithoutTarget);
        _targets = [.. Named(metrics.Targets.Select(t => t.Name)).Zip(metrics.Targets, (name, t) => (name, t.AreaUnderRocCurve))];
        _header = ["label", "rows", "of them true", "area under ROC", "log-loss (base 2)", "accuracy"];
        _rows = metrics.Targets.Select((target, i) => new[]
        {
            _targets[i].Name, Numbers.Count(target.NumberOfRows), Numbers.Count(target.NumberOfPositives),
            Numbers.Metric(target.AreaUnderRocCurve), Numbers.Exact(target.LogLoss), Numbers.Metric(target.Accuracy),
        });
    }

    /// <summary>The network for several targets that a model ends with, or null.</summary>
    public static BatchNormNetworkMultiOutputModelParametersBase? Find(ITransformer model) =>
        Steps(model).LastOrDefault() is ISingleFeaturePredictionTransformer<object> last
            ? last.Model as BatchNormNetworkMultiOutputModelParametersBase
            : null;

    /// <summary>The page as text.</summary>
    /// <exception cref="ArgumentException">The label column is absent, of another type or empty.</exception>
    public static string ToHtml(
        MLContext mlContext, ITransformer model, BatchNormNetworkMultiOutputModelParametersBase network, IDataView heldOut,
        TrainingReportOptions options)
    {
        bool areLabels = network is BatchNormNetworkMultiLabelModelParameters;
        string label = options.LabelColumnName;
        TargetsPage targets;
        IDataView scored = model.Transform(heldOut);
        try
        {
            targets = areLabels
                ? new TargetsPage(mlContext.BinaryClassification.EvaluateMultiLabel(scored, label))
                : new TargetsPage(mlContext.Regression.EvaluateMultiOutput(scored, label));
        }
        catch (InvalidOperationException e)
        {
            throw new ArgumentException($"There is no held-out row that has a label: {e.Message}", nameof(heldOut), e);
        }

        var page = new Page(options.Title);
        targets.AddResults(page);
        targets.AddPictures(page, scored, label, areLabels);
        TrialSection.Add(page, network.Network.Trials);
        TrainingHistory[] histories = [.. network.Network.Members.Select(member => member.TrainingHistory)];
        CourseSections.Add(page, histories, targets._loss, targets._axis, network.Network.NumberOfTeachers);
        CourseSections.AddTargets(
            page, histories, [.. targets._targets.Select(target => target.Name)], targets._measure, MostTargetsDrawn);
        if (options.PermutationCount > 0)
        {
            targets.AddImportance(
                page,
                areLabels
                    ? mlContext.BinaryClassification.PermutationFeatureImportanceMultiLabel(
                        model, heldOut, label, options.PermutationCount)
                    : mlContext.Regression.PermutationFeatureImportanceMultiOutput(model, heldOut, label, options.PermutationCount),
                options.NumberOfImportantSlots);
        }

        PictureSections.Add(page, network.Network);
        LayerSections.Add(page, network.Network.Members);
        return page.ToHtml();
    }

    private static IEnumerable<ITransformer> Steps(ITransformer model) =>
        model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];

    private static IReadOnlyList<string> Named(IEnumerable<string> names) => Names.Distinct(names, i => $"target {i}");

    private static string Counts(long rows, long without) =>
        $"{Numbers.Count(rows)} rows that were not used for training and have a target."
        + (without > 0 ? $" Left out: {Numbers.Count(without)} without any." : "");

    private void AddResults(Page page)
    {
        page.Section(
            "Held-out rows",
            $"{_counts} The network predicts {Numbers.Count(_targets.Count)} targets; each is measured on the rows that have it.");
        page.Tiles([(_axis, Numbers.Metric(_mean)), ("targets", Numbers.Count(_targets.Count))]);
        (string Name, double Value)[] shown = [.. _targets.Where(target => double.IsFinite(target.Measure)).Take(MostTargetsShown)];
        if (shown.Length == 0)
        {
            page.Figure("Targets", Page.Table(_header, _rows), $"{_measure} is not defined of any: all values of a target are equal.");
            return;
        }

        var figure = new Figure(_measure, "", width: 460, height: 60 + 22 * shown.Length);
        figure.NamedBars(shown, Figure.Blue);
        (string Name, double Value) best = shown.MaxBy(target => target.Value), worst = shown.MinBy(target => target.Value);
        page.Figure(
            "Targets", figure,
            $"Best is {Names.InSentence(best.Name)} with {Numbers.Measure(best.Value)}, worst {Names.InSentence(worst.Name)} with "
            + $"{Numbers.Measure(worst.Value)}.",
            _header, _rows);
    }

    /// <summary>The errors of each target: of numbers over the predictions, of labels the ROC curve and the reliability.</summary>
    private void AddPictures(Page page, IDataView scored, string label, bool areLabels)
    {
        float[][] truths = Columns(scored, label), scores = Columns(scored, "Score");
        float[][] probabilities = areLabels ? Columns(scored, "Probability") : [];
        string some = _targets.Count > MostTargetsDrawn ? $" Of the first {Numbers.Count(MostTargetsDrawn)}." : "";
        page.Section(
            "Errors of each target",
            (areLabels
                ? "The dashed lines are what guessing would give, and probabilities that come true as often as they say."
                : "On the dashed lines a prediction is exact; a residual is the label less the prediction.") + some,
            small: true);
        for (int i = 0; i < Math.Min(_targets.Count, MostTargetsDrawn); i++)
        {
            int target = i;
            float[] truth = [.. truths.Select(row => row[target])], score = [.. scores.Select(row => row[target])];
            var rows = new CountedRows(truth.Length, row => float.IsFinite(truth[row]), row => float.IsFinite(score[row]));
            if (rows.Count == 0)
                continue;
            if (areLabels)
            {
                ResultSections.AddTarget(page, _targets[target].Name, new BinaryResults(
                    rows, [.. truth.Select(value => value > 0.5f)], [.. probabilities.Select(row => row[target])],
                    [.. score.Select(value => value > 0)]));
            }
            else
            {
                ResultSections.AddTarget(page, _targets[target].Name, new RegressionResults(rows, truth, score));
            }
        }
    }

    /// <summary>The rows of a vector column; Booleans as 0 and 1.</summary>
    private static float[][] Columns(IDataView view, string name)
    {
        DataViewSchema.Column column = view.Schema[name];
        return column.Type is VectorDataViewType { ItemType: BooleanDataViewType }
            ? [.. view.GetColumn<bool[]>(column).Select(row => row.Select(value => value ? 1f : 0).ToArray())]
            : [.. view.GetColumn<float[]>(column)];
    }

    private void AddImportance(Page page, IReadOnlyList<MultiOutputFeatureImportance> all, int shown)
    {
        const string title = "Permutation importance";
        if (!all.All(slot => double.IsFinite(slot.MeanOverTargets.Mean)))
        {
            page.Section(title, $"Not measured: the {_axis} is not defined of these rows.");
            return;
        }

        IReadOnlyList<string> names = Names.Distinct(all.Select(slot => slot.Name), i => $"slot {i}");
        MultiOutputFeatureImportance[] order = [.. all.OrderBy(slot => slot.MeanOverTargets.Mean)];
        MultiOutputFeatureImportance[] top = [.. order.Take(shown)];
        page.Section(
            title,
            $"How much the {_axis} falls when one slot of the features is shuffled among the held-out rows, and in the table that of each "
            + "target. Slots that tell the same share their importance, and each may seem to be worth little.");
        var figure = new Figure($"loss of {_axis}", "", width: 460, height: 60 + 22 * top.Length);
        figure.NamedBars([.. top.Select(slot => (names[slot.Slot], -slot.MeanOverTargets.Mean))], Figure.Blue);
        (string Name, double Measure)[] columns = [.. _targets.Take(MostTargetsShown)];
        page.Figure(
            all.Count > top.Length ? $"The {top.Length} most important of {all.Count} slots" : "All slots", figure,
            $"Most important: {Names.InSentence(names[top[0].Slot])}.",
            ["slot", "mean", .. columns.Select(target => target.Name)],
            order.Select(slot => (string[])
            [
                names[slot.Slot], Numbers.Exact(-slot.MeanOverTargets.Mean),
                .. slot.Targets.Take(MostTargetsShown).Select(change => double.IsNaN(change.Mean) ? "–" : Numbers.Exact(-change.Mean)),
            ]));
    }
}
