using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Networks of an ensemble trained side by side: the same model as one after the other, told
/// about on one thread, ended by the first failure.
/// </summary>
[TestClass]
public sealed class NetworkEnsembleTests
{
    private const int Members = 5;

    private readonly MLContext _context = new(1);

    [TestMethod]
    public void Fit_SideBySide_GivesTheSameBits()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(150));
        float[] Scores(int threads, double fraction, int seed = 11) => NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
        {
            options.NumberOfEnsembleMembers = Members;
            options.NumberOfInputPieces = 8;
            options.NumberOfThreads = threads;
            options.ValidationFraction = fraction;
            options.Seed = seed;
        }).Fit(view).Transform(view).Scalars<float>("Score");

        foreach (double fraction in new[] { 0.2, 0 })
        {
            float[] oneAfterTheOther = Scores(1, fraction);
            foreach (int threads in new[] { 2, 3, 16 })
                CollectionAssert.AreEqual(oneAfterTheOther, Scores(threads, fraction), $"{threads} threads");
            CollectionAssert.AreNotEqual(oneAfterTheOther, Scores(1, fraction, seed: 12), "Another seed would have gone unnoticed.");
        }
    }

    [TestMethod]
    public void Progress_SideBySide_ComesOnTheCallersThreadAndAddsUp()
    {
        var reports = new List<(TrainingProgress Progress, int Thread)>();
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(100));
        NetworkExamples.Quick(_context, NetworkKind.Binary, options =>
        {
            options.NumberOfEnsembleMembers = Members;
            options.NumberOfThreads = 3;
            options.Progress = new Handler(progress => reports.Add((progress, Environment.CurrentManagedThreadId)));
        }).Fit(view);

        Assert.IsTrue(reports.All(report => report.Thread == Environment.CurrentManagedThreadId));
        Assert.HasCount(4 * Members, reports);
        foreach (IGrouping<int, TrainingProgress> member in reports.Select(report => report.Progress).GroupBy(progress => progress.Member))
            CollectionAssert.AreEqual(new[] { 1, 2, 3, 4 }, member.Select(progress => progress.Epoch).ToArray());
        double[] done = [.. reports.Select(report => report.Progress.FractionDone)];
        CollectionAssert.AreEqual(Enumerable.Range(1, 4 * Members).Select(i => i / (4.0 * Members)).ToArray(), done);
        Assert.AreEqual(0, reports[^1].Progress.EstimatedRemainingSeconds);
        Assert.IsGreaterThan(0, reports[0].Progress.EstimatedRemainingSeconds);
    }

    [TestMethod]
    public void Fit_HandlerThatThrows_EndsAllNetworksWithItsException()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(100));
        IEstimator<ITransformer> trainer = SideBySide(NetworkKind.Binary, options =>
        {
            options.MaximumNumberOfEpochs = 100_000;
            options.Progress = new Handler(_ => throw new NotSupportedException("enough"));
        });

        Assert.AreEqual("enough", Assert.ThrowsExactly<NotSupportedException>(() => trainer.Fit(view)).Message);
    }

    [TestMethod]
    public void Fit_CancelledSideBySide_EndsAllNetworks()
    {
        using var cancellation = new CancellationTokenSource();
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(100));
        IEstimator<ITransformer> trainer = SideBySide(NetworkKind.Binary, options =>
        {
            options.MaximumNumberOfEpochs = 100_000;
            options.CancellationToken = cancellation.Token;
            options.Progress = new Handler(_ => cancellation.Cancel());
        });

        Assert.Throws<OperationCanceledException>(() => trainer.Fit(view));
        Assert.IsNotNull(NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(view), "The context stays usable.");
    }

    [TestMethod]
    public void Fit_NetworkThatDiverges_IsReportedNotTheCancellationOfTheOthers()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(100));
        IEstimator<ITransformer> trainer = SideBySide(NetworkKind.Regression, options =>
        {
            options.Placement = BatchNormalizationPlacement.None;
            options.Optimizer = new SgdOptimizer();
            options.LearningRateSchedule = new ConstantSchedule();
            options.LearningRate = 100;
            options.MaximumNumberOfEpochs = 50;
        });

        Assert.StartsWith("Training diverged", Assert.ThrowsExactly<InvalidOperationException>(() => trainer.Fit(view)).Message);
    }

    /// <summary>A quick trainer of several networks, three at the same time.</summary>
    private IEstimator<ITransformer> SideBySide(NetworkKind kind, Action<BatchNormNetworkOptions> change) =>
        NetworkExamples.Quick(_context, kind, options =>
        {
            options.NumberOfEnsembleMembers = Members;
            options.NumberOfThreads = 3;
            change(options);
        });

    private sealed class Handler(Action<TrainingProgress> handle) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => handle(value);
    }
}
