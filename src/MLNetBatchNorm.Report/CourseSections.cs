using System.Globalization;

namespace MLNetBatchNorm.Reporting;

/// <summary>How training went, epoch by epoch, of every network of the model.</summary>
internal static class CourseSections
{
    /// <summary>More rows than these make a table that nobody reads, and a heavy page.</summary>
    private const int MaximumRows = 2000;

    public static void Add(Page page, IReadOnlyList<TrainingHistory> histories, NetworkTask task, string? metric, int teachers = 0)
    {
        // The deviance explained belongs to losses that have units of their own.
        bool hasDeviance = metric == "D2";
        Add(
            page, histories, hasDeviance ? "loss" : task == NetworkTask.Regression ? "loss (squared label units)" : "loss (nats)",
            hasDeviance ? "D²" : AxisOf(task), teachers);
    }

    /// <summary>The same, of losses and a metric that are called so.</summary>
    public static void Add(Page page, IReadOnlyList<TrainingHistory> histories, string loss, string axis, int teachers)
    {
        TrainingHistory[] trained = [.. histories.Where(history => history.BestEpoch > 0)];
        if (trained.Length == 0)
            return;
        page.Section("Training", trained.Length == 1 ? Describe(trained[0]) + Taught(teachers) : Describe(trained));
        AddLoss(page, trained, loss);
        if (trained.Any(history => history.Epochs.Any(epoch => Metric(epoch) is not null)))
            AddMetric(page, trained, axis);
        if (trained.Length > 1)
            AddNetworks(page, trained, axis);
        AddRate(page, trained.MaxBy(history => history.Epochs.Count)!.Epochs);
    }

    /// <summary>How the metric of each of several targets went, in small pictures.</summary>
    /// <param name="page">Where.</param>
    /// <param name="histories">Of each network.</param>
    /// <param name="names">Of the targets.</param>
    /// <param name="measure">What the metric is called.</param>
    /// <param name="drawn">How many targets have a picture.</param>
    public static void AddTargets(
        Page page, IReadOnlyList<TrainingHistory> histories, IReadOnlyList<string> names, string measure, int drawn)
    {
        TrainingHistory[] trained = [.. histories.Where(
            history => history.BestEpoch > 0 && history.Epochs.All(epoch => epoch.TargetValidationMetrics.Count == names.Count))];
        if (trained.Length == 0)
            return;
        string lines = trained.Length == 1 ? "" : " Each line is one network.";
        string some = names.Count > drawn ? $" Pictures of the first {Numbers.Count(drawn)}; the table has all." : "";
        page.Section(
            "Training of each target",
            $"The {measure} of each target after each epoch, on the validation rows that have it.{lines} The epoch that is kept is that of "
            + $"the lowest loss of all targets together; a target whose own best is much higher elsewhere is better off alone.{some}",
            small: true);
        for (int target = 0; target < Math.Min(names.Count, drawn); target++)
            AddTarget(page, trained, names[target], target, measure);
        page.Figure(
            "Targets in the best epochs",
            Page.Table(
                ["target", "in the best epoch", "its own best"],
                names.Select((name, target) => (string[])
                    [name, Mean(trained, history => Best(history), target), Mean(trained, history => OwnBest(history, target), target)])),
            trained.Length == 1 ? "Of the network." : $"Means over {Numbers.Count(trained.Length)} networks.");
    }

    private static void AddTarget(Page page, TrainingHistory[] histories, string name, int target, string measure)
    {
        double? Read(EpochRecord epoch) => epoch.TargetValidationMetrics[target] is var metric && double.IsFinite(metric) ? metric : null;
        double[] all = [.. histories.SelectMany(history => history.Epochs.Select(Read)).OfType<double>()];
        if (all.Length == 0)
            return;
        var figure = new Figure("epoch", measure, width: 320, height: 220);
        Draw(figure, histories, Read, Figure.Orange, "validation");
        MarkBest(figure, histories, Read);
        string below = figure.IgnoreLowest(all) ? $" The lowest, down to {Numbers.Measure(all.Min())}, are below the picture." : "";
        page.Figure(
            name, figure, $"In the best epoch{(histories.Length == 1 ? "" : "s")} {Mean(histories, Best, target)}.{below}",
            histories.Length == 1 ? ["epoch", "validation"] : ["network", "epoch", "validation"],
            Rows(histories).Select(row => (string[])
                [.. Place(histories, row), Numbers.Metric(row.Epoch.TargetValidationMetrics[target])]));
    }

    /// <summary>The epoch in which a target's own metric is highest; the best one where it is never defined.</summary>
    private static EpochRecord OwnBest(TrainingHistory history, int target) =>
        history.Epochs.Where(epoch => double.IsFinite(epoch.TargetValidationMetrics[target]))
            .MaxBy(epoch => epoch.TargetValidationMetrics[target]) ?? Best(history);

    private static string Mean(TrainingHistory[] histories, Func<TrainingHistory, EpochRecord> of, int target)
    {
        double[] defined =
            [.. histories.Select(history => of(history).TargetValidationMetrics[target]).Where(metric => double.IsFinite(metric))];
        return defined.Length == 0 ? "–" : Numbers.Metric(defined.Average());
    }

    private static string Describe(TrainingHistory history)
    {
        string reason = history.StopReason == TrainingStopReason.AllEpochsDone
            ? "all epochs were done"
            : "the validation loss stopped improving";
        return $"{Numbers.Count(history.Epochs.Count)} epochs; training ended because {reason}. "
            + $"The model is that of epoch {Numbers.Count(history.BestEpoch)}.";
    }

    private static string Taught(int teachers) => teachers == 0
        ? ""
        : $" It has learned what {Numbers.Count(teachers)} other networks say together, instead of labels; its losses are against that.";

    private static string Describe(IReadOnlyList<TrainingHistory> histories)
    {
        int least = histories.Min(history => history.Epochs.Count), most = histories.Max(history => history.Epochs.Count);
        string epochs = least == most ? $"{Numbers.Count(most)} epochs each" : $"{Numbers.Count(least)} to {Numbers.Count(most)} epochs";
        int stopped = histories.Count(history => history.StopReason == TrainingStopReason.ValidationLossStoppedImproving);
        string reason = stopped == 0 ? "" : $", {Numbers.Count(stopped)} of them until the validation loss stopped improving";
        return $"{Numbers.Count(histories.Count)} networks, trained for {epochs}{reason}. "
            + "The model predicts the mean of what they predict, each as it was in its best epoch.";
    }

    private static void AddLoss(Page page, IReadOnlyList<TrainingHistory> histories, string unit)
    {
        var figure = new Figure("epoch", unit);
        Draw(figure, histories, epoch => epoch.TrainingLoss, Figure.Blue, "training");
        Draw(figure, histories, epoch => epoch.ValidationLoss, Figure.Orange, "validation");
        MarkBest(figure, histories, epoch => epoch.ValidationLoss ?? epoch.TrainingLoss);
        figure.FromZero();

        EpochRecord[] best = [.. histories.Select(Best)];
        string validation = best.All(epoch => epoch.ValidationLoss is not null)
            ? $", {Numbers.Exact(best.Average(epoch => epoch.ValidationLoss!.Value))} on the validation rows"
            : "";
        string start = Numbers.Exact(histories.Average(history => history.Epochs[0].TrainingLoss)),
            end = Numbers.Exact(histories.Average(history => history.Epochs[^1].TrainingLoss));
        string there = Numbers.Exact(best.Average(epoch => epoch.TrainingLoss));
        string description = histories.Count == 1
            ? $"It fell from {start} to {end} on the training rows (measured while they are learned from, with dropout if layers have it). "
                + $"In the best epoch, {Numbers.Count(best[0].Epoch)}, it was {there} there{validation}."
            : $"Each line is one network. On average it fell from {start} to {end} on the training rows (measured while they are learned "
                + $"from, with dropout if layers have it). In the best epochs it was {there} there{validation}.";
        (string[] header, IEnumerable<string[]> rows) = Table(histories);
        page.Figure("Loss", figure, description, header, rows);
    }

    private static void AddMetric(Page page, IReadOnlyList<TrainingHistory> histories, string axis)
    {
        var figure = new Figure("epoch", axis);
        Draw(figure, histories, Metric, Figure.Orange, "validation");
        MarkBest(figure, histories, Metric);
        double[] all = [.. histories.SelectMany(history => history.Epochs.Select(Metric)).OfType<double>()];
        string below = figure.IgnoreLowest(all) ? $" The lowest, down to {Numbers.Measure(all.Min())}, are below the picture." : "";

        double[] best = [.. histories.Select(history => Metric(Best(history))).OfType<double>()];
        string reached = best.Length == 0 ? ""
            : histories.Count == 1 ? $" In the best epoch it was {Numbers.Measure(best[0])}."
            : $" Each line is one network; in their best epochs they had {Numbers.Measure(best.Min())} to {Numbers.Measure(best.Max())}.";
        page.Figure(
            char.ToUpper(axis[0], CultureInfo.InvariantCulture) + axis[1..], figure,
            "After each epoch, on the validation rows. "
            + $"As their loss chooses the best epoch, it is a little too good there.{reached}{below}",
            histories.Count == 1 ? ["epoch", "validation"] : ["network", "epoch", "validation"],
            Rows(histories).Select(row => (string[])[.. Place(histories, row), MetricText(row.Epoch)]));
    }

    /// <summary>One line for each network.</summary>
    private static void AddNetworks(Page page, IReadOnlyList<TrainingHistory> histories, string axis)
    {
        bool measured = histories.Any(history => history.Epochs.Any(epoch => epoch.ValidationMetric is not null));
        string[] header = ["network", "best epoch", "training", "validation"];
        var rows = histories.Select((history, i) =>
        {
            EpochRecord best = Best(history);
            string[] cells =
            [
                Numbers.Count(i + 1), $"{Numbers.Count(history.BestEpoch)} of {Numbers.Count(history.Epochs.Count)}",
                Numbers.Exact(best.TrainingLoss), LossText(best),
            ];
            return measured ? [.. cells, MetricText(best)] : cells;
        });
        page.Figure(
            "Networks", Page.Table(measured ? [.. header, axis] : header, rows),
            "The losses of each network's best epoch, and what it measured then. Where networks set rows aside for validation, "
            + "each has others, so that a difference may be one of the rows.");
    }

    private static void AddRate(Page page, IReadOnlyList<EpochRecord> epochs)
    {
        var figure = new Figure("epoch", "learning rate");
        figure.Line([.. epochs.Select(epoch => (double)epoch.Epoch)], [.. epochs.Select(epoch => epoch.LearningRate)], Figure.Blue);
        figure.FromZero();
        EpochRecord highest = epochs.MaxBy(epoch => epoch.LearningRate)!;
        page.Figure(
            "Learning rate", figure,
            $"At the end of each epoch. The highest is {Numbers.Exact(highest.LearningRate)}, in epoch {Numbers.Count(highest.Epoch)}.",
            ["epoch", "learning rate"], epochs.Select(epoch => new[] { Numbers.Count(epoch.Epoch), Numbers.Exact(epoch.LearningRate) }));
    }

    /// <summary>A line for each network, thin where there are several; epochs without a number are left out.</summary>
    private static void Draw(
        Figure figure, IReadOnlyList<TrainingHistory> histories, Func<EpochRecord, double?> read, ScottPlot.Color color, string name)
    {
        foreach (TrainingHistory history in histories)
        {
            (double X, double Y)[] points = [.. history.Epochs.Select(epoch => ((double)epoch.Epoch, read(epoch) ?? double.NaN))
                .Where(point => double.IsFinite(point.Item2))];
            if (points.Length == 0)
                continue;
            figure.Line([.. points.Select(p => p.X)], [.. points.Select(p => p.Y)], color, name, thin: histories.Count > 1);
            name = "";                                 // one entry of the legend for all
        }
    }

    private static void MarkBest(Figure figure, IReadOnlyList<TrainingHistory> histories, Func<EpochRecord, double?> read)
    {
        if (histories.Count == 1)
        {
            figure.Vertical(histories[0].BestEpoch, Figure.Gray, "best epoch");
            return;
        }

        (double X, double? Y)[] points = [.. histories.Select(Best).Select(epoch => ((double)epoch.Epoch, read(epoch)))
            .Where(point => point.Item2 is { } value && double.IsFinite(value))];
        if (points.Length > 0)
            figure.Dots([.. points.Select(p => p.X)], [.. points.Select(p => p.Y!.Value)], Figure.Ink, "best epoch of a network");
    }

    private static (string[] Header, IEnumerable<string[]> Rows) Table(IReadOnlyList<TrainingHistory> histories)
    {
        string[] header = ["epoch", "training", "validation", "learning rate"];
        return (
            histories.Count == 1 ? header : ["network", .. header],
            Rows(histories).Select(row => (string[])
                [.. Place(histories, row), Numbers.Exact(row.Epoch.TrainingLoss), LossText(row.Epoch),
                    Numbers.Exact(row.Epoch.LearningRate)]));
    }

    /// <summary>The epochs of all networks; of very many, evenly taken ones, and always the best and the last.</summary>
    private static IEnumerable<(int Network, EpochRecord Epoch)> Rows(IReadOnlyList<TrainingHistory> histories)
    {
        int step = 1 + histories.Sum(history => history.Epochs.Count) / MaximumRows;
        return histories.SelectMany((history, i) => history.Epochs
            .Where(epoch => epoch.Epoch % step == 0 || epoch.Epoch == history.BestEpoch || epoch.Epoch == history.Epochs.Count)
            .Select(epoch => (i + 1, epoch)));
    }

    private static string[] Place(IReadOnlyList<TrainingHistory> histories, (int Network, EpochRecord Epoch) row) =>
        histories.Count == 1 ? [Numbers.Count(row.Epoch.Epoch)] : [Numbers.Count(row.Network), Numbers.Count(row.Epoch.Epoch)];

    private static EpochRecord Best(TrainingHistory history) => history.Epochs[history.BestEpoch - 1];

    /// <summary>The metric where there is one.</summary>
    private static double? Metric(EpochRecord epoch) => epoch.ValidationMetric is { } value && double.IsFinite(value) ? value : null;

    private static string MetricText(EpochRecord epoch) => epoch.ValidationMetric is { } value ? Numbers.Metric(value) : "none";

    private static string LossText(EpochRecord epoch) => epoch.ValidationLoss is { } loss ? Numbers.Exact(loss) : "none";

    private static string AxisOf(NetworkTask task) => task switch
    {
        NetworkTask.Binary => "area under ROC",
        NetworkTask.Multiclass => "accuracy",
        NetworkTask.Regression => "R²",
        _ => throw new ArgumentOutOfRangeException(nameof(task), task, "Unknown task."),
    };
}
