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
    private static readonly IDataView s_rows = s_mlContext.Transforms.Concatenate("Features", "Deciding", "Helping").Fit(ReportedTables.Rows(s_mlContext, 100)).Transform(ReportedTables.Rows(s_mlContext, 100));

    [TestMethod]
    public void WithoutTerminal_PrintsPlainLines()
    {
        var console = new TestConsole();
        var reports = new List<TrainingProgress>();

        TrainingConsole.Show("sizes", progress => Train(progress, reports), console, live: false);

        string[] lines = console.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.HasCount(4, lines, console.Output);
        StringAssert.Matches(lines[0], new(@"^sizes: epoch 1/21, loss [\d.E-]+, validation loss [\d.E-]+, [\d,]+ rows/s, \d:\d\d left$"));
        StringAssert.StartsWith(lines[1], FormattableString.Invariant($"sizes: epoch 10/21, loss {reports[9].TrainingLoss:G4}, validation loss {reports[9].ValidationLoss:G4}, {reports[9].RowsPerSecond:N0} rows/s"));
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
        StringAssert.Contains(console.Output, FormattableString.Invariant($"loss {reports[0].TrainingLoss:G4} val {reports[0].ValidationLoss:G4} {reports[0].RowsPerSecond:N0} rows/s"));
        StringAssert.Contains(console.Output, $"sizes: epoch 21/21, best epoch {reports[^1].BestEpoch}, ");
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Result_AndErrors_GoThrough(bool live)
    {
        Assert.AreEqual(7, TrainingConsole.Show("[odd] name", _ => 7, new TestConsole(), live));
        Assert.ThrowsExactly<TimeoutException>(() => TrainingConsole.Show<int>("x", _ => throw new TimeoutException(), new TestConsole(), live));
    }

    private static ITransformer Train(IProgress<TrainingProgress> progress, List<TrainingProgress> reports)
        => s_mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            LabelColumnName = "Amount", HiddenUnits = [4], BatchSize = 32, MaximumNumberOfEpochs = Epochs, EarlyStoppingPatience = 0, Seed = 1, NumberOfEnsembleMembers = 1, Progress = new Both(progress, reports),
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
