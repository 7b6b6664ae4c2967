using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Tests.Data;
using MLNetBatchNorm.Tests.Training;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Fit on more rows than the memory budget: what it learns, what it leaves behind, and how it fails.</summary>
[TestClass]
public sealed class NetworkLargeDataTests
{
    private const int ManyRows = 40_000;

    private readonly MLContext _context = new(1);

    private sealed class Row
    {
        [VectorType(6)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public bool IsPositive { get; set; }

        public float Weight { get; set; } = 1;
    }

    [TestMethod]
    public void Fit_RowsBeyondTheBudget_LearnsAsWellAsInMemory()
    {
        BatchNormNetworkRegressionModelParameters inMemory = Fit(budget: 2048, out double memoryR2),
            spilled = Fit(budget: 1, out double fileR2);
        Assert.IsGreaterThan(0.95, memoryR2);
        Assert.AreEqual(memoryR2, fileR2, 0.01);
        Assert.AreNotEqual(
            ShownNetwork.FirstWeightsOf(inMemory.Network)[0], ShownNetwork.FirstWeightsOf(spilled.Network)[0],
            "A file is read in another order, or it was not used.");
        Assert.IsNotNull(spilled.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss);
    }

    [TestMethod]
    public void Fit_RowsBeyondTheBudget_DoesNotDependOnThreads_NorOnABudgetThatIsNotReached()
    {
        float[] one = Weights(Fit(1, out _, o => o.NumberOfThreads = 1)), three = Weights(Fit(1, out _, o => o.NumberOfThreads = 3));
        CollectionAssert.AreEqual(one, three);
        CollectionAssert.AreNotEqual(one, Weights(Fit(1, out _, o => o.Seed = 8)));
        CollectionAssert.AreEqual(Weights(Fit(2048, out _)), Weights(Fit(64, out _)), "A budget that is not reached has no influence.");

        static float[] Weights(BatchNormNetworkRegressionModelParameters model) => ShownNetwork.FirstWeightsOf(model.Network);
    }

    [TestMethod]
    public void Fit_RowsBeyondTheBudget_TakesMembersValidationSetsAndWeights()
    {
        Fit(1, out double ensemble, o => o.NumberOfEnsembleMembers = 2);
        Fit(1, out double ownRows, o => o.ValidationSet = View(30_000, 3));
        Fit(1, out double weighted, o => o.ExampleWeightColumnName = nameof(Row.Weight));
        Fit(1, out double unvalidated, o => o.ValidationFraction = 0);
        foreach (double r2 in new[] { ensemble, ownRows, weighted, unvalidated })
            Assert.IsGreaterThan(0.9, r2);
    }

    [TestMethod]
    public void Fit_BinaryRowsBeyondTheBudget_SkipsMissingLabelsAndScalesMissingValues()
    {
        var options = new BatchNormNetworkBinaryTrainer.Options
        {
            LabelColumnName = nameof(Row.IsPositive), MemoryBudgetInMegabytes = 1, MaximumNumberOfEpochs = 3, NumberOfEnsembleMembers = 1,
            NumberOfInputPieces = 0, HiddenUnits = [16], Seed = 1,
        };
        IDataView rows = View(ManyRows, 1, missing: true);
        BinaryClassificationMetrics metrics = _context.BinaryClassification.EvaluateNonCalibrated(
            _context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(rows).Transform(View(2000, 2)), nameof(Row.IsPositive));
        Assert.IsGreaterThan(0.9, metrics.AreaUnderRocCurve);
    }

    [TestMethod]
    public void Fit_RowsBeyondTheBudget_LeavesNoFileAndNoThread_HoweverItEnds()
    {
        string directory = Directory.CreateTempSubdirectory("batchnorm-test").FullName;
        _context.TempFilePath = directory;
        try
        {
            Fit(1, out _);
            using var cancelling = new CancellationTokenSource();
            Assert.ThrowsExactly<OperationCanceledException>(() => Fit(1, out _, o =>
            {
                o.CancellationToken = cancelling.Token;
                o.Progress = new Reports(cancelling.Cancel);
            }));
            Assert.ThrowsExactly<InvalidOperationException>(
                () => Fit(1, out _, o => o.Progress = new Reports(() => throw new InvalidOperationException("the caller's own"))));
            Assert.ThrowsExactly<InvalidOperationException>(
                () => Fit(1, out _, o => o.LearningRate = 100, infiniteRow: ManyRows - 1), "A row that cannot be read ends the reading.");
            Assert.IsEmpty(Directory.GetFileSystemEntries(directory));
            if (Directory.Exists("/proc/self/task"))
            {
                Assert.IsTrue(SpinWait.SpinUntil(() => StreamedRowsTests.ReaderThreads() == 0, 30_000), "A thread that reads is left.");
                Assert.IsEmpty(
                    Directory.GetFiles("/proc/self/fd").Select(fd => new FileInfo(fd).LinkTarget ?? "")
                        .Where(target => target.StartsWith(directory, StringComparison.Ordinal)));
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [TestMethod]
    public void Fit_WithoutAPlaceForTheFile_SaysWhatToDo()
    {
        string missing = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        _context.TempFilePath = missing;
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(1, out _));
        Assert.Contains($"No temporary file can be made in '{missing}'", exception.Message);
        Assert.Contains("MemoryBudgetInMegabytes (1)", exception.Message);
        Assert.Contains("MLContext.TempFilePath", exception.Message);
        Assert.IsInstanceOfType<SpillException>(exception.InnerException);
        Fit(2048, out _);                              // in memory no place is needed
    }

    private BatchNormNetworkRegressionModelParameters Fit(
        int budget, out double r2, Action<BatchNormNetworkRegressionTrainer.Options>? set = null, int infiniteRow = -1)
    {
        var options = new BatchNormNetworkRegressionTrainer.Options
        {
            MemoryBudgetInMegabytes = budget, MaximumNumberOfEpochs = 4, NumberOfEnsembleMembers = 1, NumberOfInputPieces = 0,
            HiddenUnits = [32], Seed = 1,
        };
        set?.Invoke(options);
        RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> model =
            _context.Regression.Trainers.BatchNormNetwork(options).Fit(View(ManyRows, 1, infiniteRow: infiniteRow));
        r2 = _context.Regression.Evaluate(model.Transform(View(2000, 2))).RSquared;
        return model.Model;
    }

    /// <summary>Rows made when they are read; sorted by label, as tables often are, so that a poor shuffle would show.</summary>
    private IDataView View(int rows, ulong seed, bool missing = false, int infiniteRow = -1) =>
        _context.Data.LoadFromEnumerable(Rows(rows, seed, missing, infiniteRow));

    private static IEnumerable<Row> Rows(int rows, ulong seed, bool missing, int infiniteRow)
    {
        var random = new RandomStream(seed, 0);
        for (int r = 0; r < rows; r++)
        {
            float[] x = [.. Enumerable.Range(0, 6).Select(_ => (float)(2 * random.NextDouble() - 1))];
            x[0] = 2f * r / rows - 1;
            float label = 1000 + 300 * x[0] + 100 * x[1] * x[2] + 50 * x[3];
            bool positive = x[0] + x[1] > 0;
            if (missing && r % 10 == 0)
                x[4] = float.NaN;
            if (r == infiniteRow)
                x[5] = float.PositiveInfinity;
            yield return new Row
            {
                Features = x, Label = missing && r % 50 == 0 ? float.NaN : label, IsPositive = positive, Weight = r % 3,
            };
        }
    }

    private sealed class Reports(Action report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report();
    }
}
