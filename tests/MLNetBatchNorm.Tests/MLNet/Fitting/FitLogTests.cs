using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// What a <c>Fit</c> says in the log: once what all its networks have in common, then nothing that does not name its network.
/// </summary>
[TestClass]
public sealed class FitLogTests
{
    private const string Ending = "ended after";

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), 3, 0, 1)]
    [DataRow(nameof(NetworkKind.Multiclass), 3, 0, 4)]
    [DataRow(nameof(NetworkKind.Regression), 2, 2, 2)]
    [DataRow(nameof(NetworkKind.Regression), 1, 2, 2)]
    public void Log_OfSeveralTrainings_NamesEachInEveryLine(string kind, int networks, int restarts, int threads)
    {
        string[] log = LogOf(Enum.Parse<NetworkKind>(kind), NetworkExamples.Rows(80), options =>
        {
            options.NumberOfEnsembleMembers = networks;
            options.NumberOfRestarts = restarts;
            options.NumberOfThreads = threads;
        });

        string all = string.Join('\n', log);
        int header = Array.FindLastIndex(
            log, line => Regex.IsMatch(line, @"^Training (a network|\d networks, each) of 4 features, 16 \+ 8 hidden units"));
        Assert.AreEqual(header, Array.FindIndex(log, line => line.Contains("hidden units", StringComparison.Ordinal)), all);
        string[] lines = [.. log.Skip(header + 1).Where(line => !line.StartsWith("Chosen ", StringComparison.Ordinal))];
        Assert.HasCount(lines.Length, lines.Distinct(), all);
        foreach (string line in lines)
            Assert.MatchesRegex(@"^(First training|Restart \d/\d|Network \d/\d(, restart \d/\d)?)(,| is) ", line);
        // Rows, four epochs, the end; and of each network which of its trainings is kept.
        Assert.HasCount(networks * (1 + restarts) * 6 + (restarts > 0 ? networks : 0), lines, all);
        Assert.HasCount(networks * (1 + restarts), lines.Where(line => line.Contains(Ending, StringComparison.Ordinal)).ToArray(), all);
    }

    [TestMethod]
    public void Log_OfOneTraining_NamesNoNetwork()
    {
        string[] log = LogOf(NetworkKind.Binary, NetworkExamples.Rows(80), _ => { });
        string all = string.Join('\n', log);
        Assert.IsFalse(log.Any(line => line.Contains("Network ", StringComparison.Ordinal)), all);
        Assert.HasCount(
            1,
            log.Where(line => line.Contains("Training a network of 4 features, 16 + 8 hidden units", StringComparison.Ordinal)).ToArray(),
            all);
        Assert.HasCount(1, log.Where(line => line.StartsWith("Training on ", StringComparison.Ordinal)).ToArray(), all);
    }

    /// <summary>In the words of the options: whoever sets them so trains the same model.</summary>
    [TestMethod]
    public void Log_WhereOptionsAreOpen_SaysWhatWasChosen()
    {
        string[] open = LogOf(NetworkKind.Regression, NetworkExamples.Rows(80), options =>
        {
            options.MaximumNumberOfEpochs = 1;
            options.HiddenUnits = [4];
            options.BatchSize = null;
            options.NumberOfInputPieces = null;
            options.NumberOfEnsembleMembers = null;
        });
        string chosen = open.Single(line => line.StartsWith("Chosen ", StringComparison.Ordinal));
        Assert.AreEqual(
            "Chosen where the options leave it open: BatchSize = 32, LearningRate = 0.003, NumberOfEnsembleMembers = 8, "
            + "ValidationFraction = 0.2, NumberOfInputPieces = 32.",
            chosen);

        string[] set = LogOf(
            NetworkKind.Regression, NetworkExamples.Rows(80), options => (options.LearningRate, options.ValidationFraction) = (0.01, 0.25));
        Assert.IsFalse(set.Any(line => line.StartsWith("Chosen ", StringComparison.Ordinal)), string.Join('\n', set));
    }

    /// <summary>What is wrong with the rows of all networks is said once, not by each of them.</summary>
    [TestMethod]
    public void Log_RowsTooFewToValidate_WarnsOnce()
    {
        string[] log = LogOf(NetworkKind.Regression, NetworkExamples.Rows(2), options => options.NumberOfEnsembleMembers = 3);
        Assert.HasCount(1, log.Where(line => line.Contains("too few", StringComparison.Ordinal)).ToArray(), string.Join('\n', log));
    }

    private static string[] LogOf(NetworkKind kind, List<Example> rows, Action<BatchNormNetworkOptions> change)
    {
        var context = new MLContext(1);
        IDataView view = NetworkExamples.View(context, kind, rows);
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(context, kind, change);
        var lines = new List<string>();
        context.Log += (_, e) =>
        {
            if (e.Kind != ChannelMessageKind.Trace && e.Source.EndsWith("; Training", StringComparison.Ordinal))
                lines.Add(e.RawMessage);
        };
        trainer.Fit(view);
        return [.. lines];
    }
}
