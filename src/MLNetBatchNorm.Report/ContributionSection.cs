namespace MLNetBatchNorm.Reporting;

/// <summary>Why the scores are what they are: what columns contribute to them, over many rows and in single ones.</summary>
internal static class ContributionSection
{
    private const string Title = "Contributions";

    /// <summary>Columns of a row that are shown by themselves.</summary>
    private const int ShownColumns = 9;

    /// <summary>More lines than these make a table that nobody reads, and a heavy page: text has a column for each word.</summary>
    private const int MaximumLines = 200;

    public static void Add(
        Page page, ReportedNetwork network, IReadOnlyList<RowContributions> rows, HeldOutResults results, TrainingReportOptions options)
    {
        if (rows.Count == 0)
        {
            page.Section(Title, "Not measured: no row has a score that is a number.");
            return;
        }

        page.Section(
            Title,
            $"What each column adds to {ScoreOf(network.Task)}, against a row of which nothing is known: Shapley values. They say what the "
            + "network does with the values, not what the values cause, and columns that tell the same share what they tell.");
        string[] names = [.. Names.Distinct(rows[0].Columns.Select(column => column.Name), i => $"column {i}")];
        AddSummary(page, rows, names, options.NumberOfImportantSlots);
        RowContributions[] rising = [.. rows.OrderBy(row => row.Score).ThenBy(row => row.Row)];
        int shown = Math.Min(options.NumberOfExplainedRows, rising.Length);
        for (int i = 0; i < shown; i++)
        {
            RowContributions row = rising[shown == 1 ? rising.Length / 2 : i * (rising.Length - 1) / (shown - 1)];
            AddRow(page, network, row, (results as MulticlassResults)?.Names[row.Output]);
        }
    }

    private static string ScoreOf(NetworkTask task) => task switch
    {
        NetworkTask.Binary => "the logit of true",
        NetworkTask.Multiclass => "the logit of a class (less the mean of all classes)",
        NetworkTask.Regression => "the prediction",
        _ => throw new ArgumentOutOfRangeException(nameof(task), task, "Unknown task."),
    };

    private static void AddSummary(Page page, IReadOnlyList<RowContributions> rows, string[] names, int shown)
    {
        (int Column, double Size)[] sizes = [.. Enumerable.Range(0, names.Length)
            .Select(column => (column, rows.Average(row => row.Sizes[column]))).OrderByDescending(pair => pair.Item2)];
        (int Column, double Size)[] top = [.. sizes.Take(shown)];
        var figure = new Figure("mean magnitude of contributions", "", width: 460, height: 60 + 22 * top.Length);
        figure.NamedBars([.. top.Select(pair => (names[pair.Column], pair.Size))], Figure.Blue);
        page.Figure(
            sizes.Length > top.Length
                ? $"The {top.Length} columns that contribute most, of {Numbers.Count(sizes.Length)}"
                : $"{Numbers.Count(rows.Count)} rows", figure,
            $"Over {Numbers.Count(rows.Count)} held-out rows. {Names.InSentence(names[top[0].Column])} changes the score most, "
            + $"by {Numbers.Exact(top[0].Size)} in the mean, up or down.",
            ["column", "mean magnitude", "mean", "lowest", "highest"],
            sizes.Take(MaximumLines).Select(pair => new[]
            {
                names[pair.Column], Numbers.Exact(pair.Size),
                Numbers.Exact(rows.Average(row => (double)row.Columns[pair.Column].Contribution)),
                Numbers.Exact(rows.Min(row => row.Columns[pair.Column].Contribution)),
                Numbers.Exact(rows.Max(row => row.Columns[pair.Column].Contribution)),
            }));
    }

    private static void AddRow(Page page, ReportedNetwork network, RowContributions row, string? className)
    {
        (string Name, double Value)[] columns = [.. row.Columns
            .Select(column => (Names.Readable(row.Describe(network.Encoder, column)), (double)column.Contribution))
            .OrderByDescending(column => Math.Abs(column.Item2))];
        List<(string Name, double Value)> shown = [.. columns.Take(ShownColumns)];
        if (columns.Length > ShownColumns)
            shown.Add(($"{Numbers.Count(columns.Length - ShownColumns)} others", columns.Skip(ShownColumns).Sum(column => column.Value)));
        List<(string Name, double From, double To)> steps = [];
        double at = row.Base;
        foreach ((string name, double value) in shown)
            steps.Add((name, at, at += value));
        var figure = new Figure("score", "", width: 460, height: 60 + 22 * steps.Count);
        figure.Waterfall(steps);
        figure.Vertical(row.Base, Figure.Gray, "nothing is known");
        figure.Vertical(row.Score, Figure.Ink, "this row");
        page.Figure(
            $"Row {Numbers.Count(row.Row + 1)}{(className is null ? "" : $", taken for {Names.InSentence(className)}")}", figure,
            $"From {Numbers.Exact(row.Base)}, where nothing is known, to {Numbers.Exact(row.Score)}; most by "
            + $"{Names.InSentence(columns[0].Name)}: {Numbers.Exact(columns[0].Value)}.",
            ["column", "contribution"],
            [
                ["(nothing is known)", Numbers.Exact(row.Base)],
                .. columns.Take(MaximumLines).Select(column => new[] { column.Name, Numbers.Exact(column.Value) }),
                ["(sum: the row's score)", Numbers.Exact(row.Score)],
            ]);
    }
}
