using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Networks trained several times: the best is kept, whatever the threads, and however often the process ends.</summary>
[TestClass]
public sealed class RestartTests
{
    private const int Epochs = 5;

    private readonly string _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
    private readonly LogLines _log;
    private readonly MLContext _context = new(1);

    public RestartTests() => _log = new LogLines(_context);

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    /// <summary>
    /// The kept network is one of those whose losses were reported, and the best of them; the other restarts are other networks.
    /// </summary>
    [TestMethod]
    [DataRow(0.2)]
    [DataRow(0.0)]
    public void Fit_Restarts_KeepsTheBest(double validationFraction)
    {
        const int Restarts = 5;
        var keptRestarts = new HashSet<int>();
        foreach (int seed in new[] { 1, 2, 3, 4, 5, 6 })
        {
            var reports = new List<TrainingProgress>();
            BatchNormNetworkRegressionModelParameters model = Fit(
                Restarts,
                options =>
                    (options.Seed, options.ValidationFraction, options.Progress) = (seed, validationFraction, new Handler(reports.Add)));
            double[] losses = [.. Enumerable.Range(0, 1 + Restarts)
                .Select(restart => LossOfBest([.. reports.Where(report => report.Restart == restart)]))];
            Assert.HasCount(1 + Restarts, losses.Distinct().ToArray(), "every training is another one");
            EpochRecord best = model.Network.Members[0].TrainingHistory.Epochs[model.Network.Members[0].TrainingHistory.BestEpoch - 1];
            Assert.AreEqual(losses.Min(), best.ValidationLoss ?? best.TrainingLoss);
            keptRestarts.Add(losses.IndexOf(losses.Min()));
        }

        Assert.IsGreaterThan(1, keptRestarts.Count, "Always keeping the same one would have passed.");

        double LossOfBest(TrainingProgress[] reports)
        {
            Assert.HasCount(Epochs, reports);
            TrainingProgress best = reports[reports[^1].BestEpoch - 1];
            return best.ValidationLoss ?? best.TrainingLoss;
        }
    }

    /// <summary>The first training is the one that there would be without restarts, and more restarts only go on.</summary>
    [TestMethod]
    public void Fit_MoreRestarts_AreNeverWorse()
    {
        double[] losses = [.. new[] { 0, 1, 2, 4, 8 }.Select(restarts => Loss(Fit(restarts)))];
        for (int i = 1; i < losses.Length; i++)
            Assert.IsLessThanOrEqualTo(losses[i - 1], losses[i]);
        Assert.IsLessThan(losses[0], losses[^1], "None of eight restarts was better.");
    }

    [TestMethod]
    public void Fit_Restarts_DoNotDependOnThreads()
    {
        foreach (int members in new[] { 1, 3 })
        {
            string[] models = [.. new[] { 1, 2, 3, 16 }.Select(
                threads => Contents(2, options => (options.NumberOfEnsembleMembers, options.NumberOfThreads) = (members, threads)))];
            Assert.HasCount(1, models.Distinct().ToArray());
            Assert.AreNotEqual(
                models[0], Contents(2, options => (options.NumberOfEnsembleMembers, options.Seed) = (members, 12)),
                "Another seed would have gone unnoticed.");
        }
    }

    /// <summary>
    /// Every network of an ensemble is kept for its own loss: none is worse than without restarts, and
    /// all have rows of their own to be validated on.
    /// </summary>
    [TestMethod]
    public void Fit_EnsembleWithRestarts_KeepsTheBestOfEach()
    {
        BatchNormNetworkRegressionModelParameters once = Fit(0, options => options.NumberOfEnsembleMembers = 4),
            again = Fit(3, options => options.NumberOfEnsembleMembers = 4);
        Assert.HasCount(4, again.Network.Members);
        int better = 0;
        for (int member = 0; member < 4; member++)
        {
            double before = Loss(once.Network.Members[member].TrainingHistory), after = Loss(again.Network.Members[member].TrainingHistory);
            Assert.IsLessThanOrEqualTo(before, after);
            better += after < before ? 1 : 0;
        }

        Assert.IsGreaterThan(0, better);
        Assert.HasCount(
            4, _log.Where(line => line.Contains(" is that of its ", StringComparison.Ordinal)).ToArray(), string.Join('\n', _log));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Progress_CountsRestarts(int threads)
    {
        const int Members = 2, Restarts = 2, All = Members * (1 + Restarts) * Epochs;
        var reports = new List<TrainingProgress>();
        Fit(
            Restarts,
            options => (options.NumberOfEnsembleMembers, options.NumberOfThreads, options.Progress) =
                (Members, threads, new Handler(reports.Add)));

        Assert.HasCount(All, reports);
        CollectionAssert.AreEqual(
            Enumerable.Range(1, All).Select(i => (double)i / All).ToArray(), reports.Select(report => report.FractionDone).ToArray());
        CollectionAssert.AreEquivalent(
            (from member in Enumerable.Range(1, Members)
             from restart in Enumerable.Range(0, 1 + Restarts)
             from epoch in Enumerable.Range(1, Epochs)
             select (member, restart, epoch)).ToArray(),
            reports.Select(report => (report.Member, report.Restart, report.Epoch)).ToArray());
        Assert.IsTrue(reports.All(report => report.NumberOfRestarts == Restarts && report.NumberOfMembers == Members));
        TrainingProgress first = reports[0];
        Assert.AreEqual(first.ElapsedSeconds * (All - 1), first.EstimatedRemainingSeconds, 1e-9 + 1e-9 * first.EstimatedRemainingSeconds);
        Assert.IsTrue(
            _log.Any(line => line.StartsWith($"Network 2/2, restart 1/2, epoch 3/{Epochs}:", StringComparison.Ordinal)),
            string.Join('\n', _log));
    }

    /// <summary>
    /// Interrupted in each training once: those before are not trained again, that one goes on, and the model is the same.
    /// </summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Fit_AgainAfterInterruptions_GoesOnToTheSameModel(int members)
    {
        const int Restarts = 2;
        string path = Path.Combine(_folder, "training.checkpoint");
        void Kept(BatchNormNetworkOptions options) =>
            (options.NumberOfEnsembleMembers, options.NumberOfThreads, options.Checkpoint) =
                (members, 1, new() { Path = path, IntervalInEpochs = 1, IntervalInSeconds = null });

        string expected = Contents(Restarts, options => options.NumberOfEnsembleMembers = members);
        int trainings = members * (1 + Restarts);
        for (int training = 0; training < trainings; training++)
        {
            int epochs = 0, interrupted = training;
            Assert.ThrowsExactly<NotSupportedException>(() => Fit(Restarts, options =>
            {
                Kept(options);
                options.Progress = new Handler(report =>
                {
                    epochs++;
                    if ((report.Member - 1) * (1 + Restarts) + report.Restart == interrupted && report.Epoch == 3)
                        throw new NotSupportedException("the end");
                });
            }));
            // The interrupted epoch is lost: two of the training before were kept, which leaves three of it, and three of this one.
            Assert.AreEqual(training == 0 ? 3 : 6, epochs);
            Assert.HasCount(
                training + 1,
                Directory.GetFiles(_folder, "*").Where(file => !file.EndsWith(".previous", StringComparison.Ordinal)).ToArray());
        }

        int rest = 0;
        Assert.AreEqual(expected, Contents(Restarts, options =>
        {
            Kept(options);
            options.Progress = new Handler(_ => rest++);
        }));
        Assert.AreEqual(3, rest);
        Assert.IsEmpty(Directory.GetFiles(_folder));
    }

    [TestMethod]
    public void Fit_CheckpointOfAnotherNumberOfRestarts_IsRefused()
    {
        string path = Path.Combine(_folder, "training.checkpoint");
        void Kept(BatchNormNetworkOptions options) => options.Checkpoint = new() { Path = path, IntervalInEpochs = 1 };
        int epochs = 0;
        Assert.ThrowsExactly<NotSupportedException>(() => Fit(2, options =>
        {
            Kept(options);
            options.Progress = new Handler(_ => epochs = ++epochs == 3 ? throw new NotSupportedException("the end") : epochs);
        }));

        Assert.Contains(
            "its options, seed or initial network are others", Assert.ThrowsExactly<InvalidOperationException>(() => Fit(1, Kept)).Message);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Fit_CancelledInARestart_Ends(int threads)
    {
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Fit(20, options =>
        {
            (options.NumberOfThreads, options.CancellationToken) = (threads, cancellation.Token);
            options.Progress = new Handler(report =>
            {
                if (report.Restart == 2)
                    cancellation.Cancel();
            });
        }));
        Assert.IsNotNull(Fit(1), "The context stays usable.");
    }

    /// <summary>Every restart begins with the given network, and is another one by the order of its rows.</summary>
    [TestMethod]
    public void Fit_RestartsOfAWarmStart_BeginWithTheNetwork()
    {
        BatchNormNetworkRegressionModelParameters start = Fit(0, options => options.MaximumNumberOfEpochs = 40);
        var reports = new List<TrainingProgress>();
        Fit(3, options => options.Progress = new Handler(reports.Add), start);
        double[] firstLosses = [.. reports.Where(report => report.Epoch == 1).Select(report => report.TrainingLoss)];

        Assert.HasCount(4, firstLosses.Distinct().ToArray());
        double anew = 0;
        Fit(0, options => options.Progress = new Handler(report => anew = report.Epoch == 1 ? report.TrainingLoss : anew));
        foreach (double loss in firstLosses)
            Assert.IsLessThan(anew / 2, loss);
    }

    /// <summary>Rows from a temporary file, of which each training reads its own order.</summary>
    [TestMethod]
    public void Fit_RestartsOnRowsInATemporaryFile_KeepTheBest()
    {
        IDataView rows = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(20_000));
        void Large(BatchNormNetworkOptions options) =>
            (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs) = (1, 500, 2);
        BatchNormNetworkRegressionModelParameters once = Fit(0, Large, rows: rows), again = Fit(3, Large, rows: rows);
        Assert.IsTrue(_log.Any(line => line.Contains("temporary file", StringComparison.Ordinal)), "the rows were to be too many");
        Assert.IsLessThanOrEqualTo(Loss(once), Loss(again));
        CollectionAssert.AreEqual(ShownNetwork.FirstWeightsOf(again.Network), ShownNetwork.FirstWeightsOf(Fit(3, options =>
        {
            Large(options);
            options.NumberOfThreads = 3;
        }, rows: rows).Network));
    }

    private static double Loss(BatchNormNetworkRegressionModelParameters model) => Loss(model.Network.Members[0].TrainingHistory);

    private static double Loss(TrainingHistory history) => history.Epochs[history.BestEpoch - 1].ValidationLoss!.Value;

    private string Contents(int restarts, Action<BatchNormNetworkOptions> change)
    {
        IDataView rows = Rows();
        return ModelFile.Contents(_context, Trainer(restarts, change).Fit(rows), rows.Schema);
    }

    private BatchNormNetworkRegressionModelParameters Fit(
        int restarts, Action<BatchNormNetworkOptions>? change = null,
        BatchNormNetworkRegressionModelParameters? start = null, IDataView? rows = null) =>
        Trainer(restarts, change).Fit(rows ?? Rows(), null, start).Model;

    private BatchNormNetworkRegressionTrainer Trainer(int restarts, Action<BatchNormNetworkOptions>? change) =>
        _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
            {
                (options.NumberOfRestarts, options.MaximumNumberOfEpochs) = (restarts, Epochs);
                change?.Invoke(options);
            }));

    private IDataView Rows() => NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(150));

    private sealed class Handler(Action<TrainingProgress> handle) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => handle(value);
    }
}
