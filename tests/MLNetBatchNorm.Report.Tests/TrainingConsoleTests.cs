using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using Spectre.Console.Testing;

namespace MLNetBatchNorm.Reporting.Tests;

/// <summary>What is shown while a training runs, with a terminal and without one.</summary>
[TestClass]
public sealed class TrainingConsoleTests
{
    private const int Epochs = 21;

    private static readonly MLContext s_mlContext = new(seed: 1);
    private static readonly IDataView s_rows = s_mlContext.Transforms.Concatenate("Features", "Deciding", "Helping")
        .Fit(ReportedTables.Rows(s_mlContext, 100))
        .Transform(ReportedTables.Rows(s_mlContext, 100));

    [TestMethod]
    public void WithoutTerminal_PrintsPlainLines()
    {
        var console = new TestConsole();
        var reports = new List<TrainingProgress>();

        TrainingConsole.Show("sizes", progress => Train(progress, reports), console, live: false);

        string[] lines = console.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.HasCount(4, lines, console.Output);
        StringAssert.Matches(
            lines[0], new(@"^sizes: epoch 1/21, loss [\d.E-]+, validation loss [\d.E-]+, R2 -?\d\.\d{4}, [\d,]+ rows/s, \d:\d\d left$"));
        StringAssert.StartsWith(
            lines[1],
            FormattableString.Invariant($"sizes: epoch 10/21, loss {reports[9].TrainingLoss:G4}, ")
            + FormattableString.Invariant($"validation loss {reports[9].ValidationLoss:G4}, R2 {reports[9].ValidationMetric:F4}, ")
            + FormattableString.Invariant($"{reports[9].RowsPerSecond:N0} rows/s"));
        StringAssert.StartsWith(lines[2], "sizes: epoch 20/21, ");
        StringAssert.StartsWith(lines[3], $"sizes: epoch 21/21, best epoch {reports[^1].BestEpoch}, ");
        Assert.IsFalse(console.Output.Contains('\u001b'), "A log must have no terminal commands.");
    }

    [TestMethod]
    public void WithTerminal_ShowsABar()
    {
        var console = new TestConsole().Interactive().EmitAnsiSequences();
        console.Profile.Width = 100;
        var reports = new List<TrainingProgress>();

        TrainingConsole.Show("sizes", progress => Train(progress, reports), console, live: true);

        StringAssert.Contains(console.Output, "\u001b[");
        StringAssert.Contains(console.Output, "━");
        StringAssert.Contains(console.Output, "sizes 1/21");
        StringAssert.Contains(
            console.Output,
            FormattableString.Invariant($"loss {reports[0].TrainingLoss:G3} val {reports[0].ValidationLoss:G3} ")
            + FormattableString.Invariant($"R2 {reports[0].ValidationMetric:F3} {reports[0].RowsPerSecond:N0} rows/s"));
        StringAssert.Contains(console.Output, $"sizes: epoch 21/21, best epoch {reports[^1].BestEpoch}, ");
    }

    /// <summary>Of a default model's eight networks, with the longest name of a metric, everything is there in 80 columns.</summary>
    [TestMethod]
    public void WithTerminal_OfEightyColumns_CutsNothingOff()
    {
        var console = new TestConsole().Interactive().EmitAnsiSequences();
        console.Profile.Width = 80;
        IDataView rows = s_mlContext.Transforms.Conversion.MapValueToKey("Key", "Size").Fit(s_rows).Transform(s_rows);

        TrainingConsole.Show(
            "function",
            progress => s_mlContext.MulticlassClassification.Trainers.BatchNormNetwork(new BatchNormNetworkMulticlassTrainer.Options
            {
                LabelColumnName = "Key", HiddenUnits = [4], MaximumNumberOfEpochs = 24, Seed = 1, NumberOfEnsembleMembers = 8,
                NumberOfThreads = 1, Progress = progress,
            }).Fit(rows), console, live: true);

        string[] lines = console.Output.Split('\r', '\n');
        string[] bars = [.. lines.Where(line => line.Contains(" val "))];
        Assert.IsNotEmpty(bars);
        foreach (string bar in bars)
        {
            StringAssert.Matches(
                bar, new(@"function \d+/24 net \d/8 .*━.* loss [\d.E-]+ val [\d.E-]+ acc \d\.\d{3} [\d,]+ rows/s \d:\d\d"));
        }
    }

    /// <summary>Lines name network and restart; the bar counts all that are trained.</summary>
    [TestMethod]
    [DataRow(false, "sizes: network 2/2, epoch 1/2, |sizes: network 2/2, restart 3/3, epoch 1/2, ")]
    [DataRow(true, "sizes 1/2 net 1/8 ")]
    public void Restarts_AreCounted(bool live, string expected)
    {
        TestConsole console = live ? new TestConsole().Interactive().EmitAnsiSequences() : new TestConsole();
        console.Profile.Width = 100;
        TrainingConsole.Show(
            "sizes", progress => s_mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                LabelColumnName = "Amount", HiddenUnits = [4], MaximumNumberOfEpochs = 2, Seed = 1, NumberOfEnsembleMembers = 2,
                NumberOfRestarts = 3, NumberOfThreads = 1, Progress = progress,
            }).Fit(s_rows), console, live);
        foreach (string part in expected.Split('|'))
            StringAssert.Contains(console.Output, part);
    }

    /// <summary>The network that the others teach is named as what it is.</summary>
    [TestMethod]
    public void CompactNetwork_IsNamed()
    {
        var console = new TestConsole();
        TrainingConsole.Show(
            "sizes", progress => s_mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                LabelColumnName = "Amount", HiddenUnits = [4], MaximumNumberOfEpochs = 2, Seed = 1, NumberOfEnsembleMembers = 2,
                CompactModel = true, NumberOfThreads = 1, Progress = progress,
            }).Fit(s_rows), console, live: false);
        StringAssert.Contains(console.Output, "sizes: network 2/2, epoch 1/2, ");
        StringAssert.Contains(console.Output, "sizes: compact network, epoch 1/4, ");
        StringAssert.Contains(console.Output, "sizes: compact network, epoch 4/4, best epoch 4, ");
    }

    /// <summary>
    /// The area under the ROC curve of rows of one class is nothing; a network without validation rows has no metric at all.
    /// </summary>
    [TestMethod]
    public void MetricThatIsNotDefined_IsADash()
    {
        IDataView positive = s_mlContext.Data.FilterRowsByColumn(
            s_mlContext.Transforms.Conversion.ConvertType("Flag", "IsMuch", Microsoft.ML.Data.DataKind.Single).Fit(s_rows)
                .Transform(s_rows),
            "Flag", 0.5);
        string withRows = Lines(positive), without = Lines(null);

        StringAssert.Matches(withRows, new(@"^sizes: epoch 1/1, loss [\d.E-]+, validation loss [\d.E-]+, AUC -, [\d,]+ rows/s"));
        StringAssert.Matches(without, new(@"^sizes: epoch 1/1, loss [\d.E-]+, [\d,]+ rows/s"));

        static string Lines(IDataView? validation)
        {
            var console = new TestConsole();
            TrainingConsole.Show(
                "sizes", progress => s_mlContext.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
                {
                    LabelColumnName = "IsMuch", HiddenUnits = [4], MaximumNumberOfEpochs = 1, Seed = 1, NumberOfEnsembleMembers = 1,
                    Progress = progress, ValidationSet = validation, ValidationFraction = 0,
                }).Fit(s_rows), console, live: false);
            return console.Output;
        }
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Result_AndErrors_GoThrough(bool live)
    {
        Assert.AreEqual(7, TrainingConsole.Show("[odd] name", _ => 7, new TestConsole(), live));
        Assert.ThrowsExactly<TimeoutException>(
            () => TrainingConsole.Show<int>("x", _ => throw new TimeoutException(), new TestConsole(), live));
    }

    private static ITransformer Train(IProgress<TrainingProgress> progress, List<TrainingProgress> reports)
        => s_mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            LabelColumnName = "Amount", HiddenUnits = [4], BatchSize = 32, MaximumNumberOfEpochs = Epochs, EarlyStoppingPatience = 0,
            Seed = 1, NumberOfEnsembleMembers = 1, Progress = new Both(progress, reports),
        }).Fit(s_rows);

    private sealed class Both(IProgress<TrainingProgress> progress, List<TrainingProgress> reports) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            reports.Add(value);
            progress.Report(value);
        }
    }
}
