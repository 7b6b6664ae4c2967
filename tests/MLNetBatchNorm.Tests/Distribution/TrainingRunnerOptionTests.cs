using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Tests.Distribution;

/// <summary>A Fit whose trainings went through bytes gives the model of one that ran on threads, byte by byte.</summary>
[TestClass]
public sealed class TrainingRunnerOptionTests
{
    private readonly MLContext _context = new(1);
    private readonly List<string> _log = [];

    public TrainingRunnerOptionTests() => _context.Log += (_, e) =>
    {
        lock (_log)
            _log.Add($"{e.Kind}: {e.RawMessage}");
    };

    /// <summary>Kinds of fits, by name: which trainer, how many rows, and what is set.</summary>
    private static readonly Dictionary<string, (NetworkKind Kind, int Rows, Action<BatchNormNetworkOptions> Change)> s_fits = new()
    {
        ["binary, defaults of inputs"] = (NetworkKind.Binary, 300, options => options.NumberOfInputPieces = null),
        ["binary, balanced"] = (
            NetworkKind.Binary, 300, options => ((BatchNormNetworkClassificationOptions)options).ClassWeights = [2, 1]),
        ["multiclass, ensemble"] = (NetworkKind.Multiclass, 300, options => options.NumberOfEnsembleMembers = 3),
        ["multiclass, smoothed"] = (
            NetworkKind.Multiclass, 300, options => ((BatchNormNetworkMulticlassTrainer.Options)options).LabelSmoothing = 0.2),
        ["regression, weights"] = (NetworkKind.Regression, 300, options => options.ExampleWeightColumnName = "Weight"),
        ["regression, Huber, other rules"] = (NetworkKind.Regression, 300, options =>
        {
            ((BatchNormNetworkRegressionTrainer.Options)options).Loss = new HuberLoss { Delta = 0.5 };
            options.Optimizer = new RmsPropOptimizer { Centered = true, OptimizerMomentum = 0.5 };
            options.LearningRateSchedule = new StepSchedule { Milestones = [3, 9], Factor = 0.5 };
            options.Statistics = BatchNormalizationStatistics.Population;
        }),
        ["picture, a batch of all rows"] = (NetworkKind.Multiclass, 300, options =>
        {
            // A whole batch would be more than an array holds; there are not as many rows.
            Picture(options);
            options.Convolutions = [new ConvolutionLayer(1024, 2), new ConvolutionLayer(4, 1)];
            options.BatchSize = BatchNormNetworkOptions.MaximumBatchSize;
        }),
        ["regression, restarts"] = (NetworkKind.Regression, 300, options =>
        {
            options.NumberOfEnsembleMembers = 2;
            options.NumberOfRestarts = 2;
        }),
        ["regression, groups"] = (NetworkKind.Regression, 300, options =>
        {
            options.SamplingKeyColumnName = "Weight";
            options.ValidationFraction = 0.34;
        }),
        ["regression, intervals"] = (NetworkKind.Regression, 600, options =>
        {
            ((BatchNormNetworkRegressionTrainer.Options)options).IntervalLevels = [0.8, 0.95];
            options.NumberOfEnsembleMembers = 2;
        }),
        ["regression, Poisson"] = (
            NetworkKind.Regression, 300, options => ((BatchNormNetworkRegressionTrainer.Options)options).Loss = new PoissonLoss()),
        ["regression, Tweedie"] = (NetworkKind.Regression, 300, options =>
            ((BatchNormNetworkRegressionTrainer.Options)options).Loss = new TweedieLoss { Power = 1.3 }),
        ["regression, quantile"] = (NetworkKind.Regression, 300, options =>
            ((BatchNormNetworkRegressionTrainer.Options)options).Loss = new QuantileLoss { Level = 0.9 }),
        ["multiclass, pictures"] = (NetworkKind.Multiclass, 300, Picture),
        ["regression, pictures, spilled"] = (NetworkKind.Regression, 40_000, options =>
        {
            Picture(options);
            options.MemoryBudgetInMegabytes = 1;
            options.BatchSize = 1024;
        }),
        ["regression, spilled"] = (NetworkKind.Regression, 40_000, options =>
        {
            options.MemoryBudgetInMegabytes = 1;
            options.BatchSize = 1024;
        }),
        ["binary, spilled, groups, weights"] = (NetworkKind.Binary, 40_000, options =>
        {
            options.MemoryBudgetInMegabytes = 1;
            options.BatchSize = 1024;
            options.ExampleWeightColumnName = "Weight";
            options.SamplingKeyColumnName = "Weight";
        }),
        ["multiclass, spilled"] = (NetworkKind.Multiclass, 40_000, options =>
        {
            options.MemoryBudgetInMegabytes = 1;
            options.BatchSize = 1024;
            options.NumberOfEnsembleMembers = 2;
        }),
    };

    public static IEnumerable<object[]> Fits => s_fits.Keys.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Fits))]
    public void Fit_ThroughBytes_LostOrNot_GivesTheSameModel(string fit)
    {
        string expected = Fit(fit, null);
        var whole = new BytesRunner();
        Assert.AreEqual(expected, Fit(fit, whole));
        Assert.IsGreaterThan(fit.Contains("spilled", StringComparison.Ordinal) ? 1 : 0, whole.Blocks);
        Assert.AreEqual(expected, Fit(fit, new BytesRunner { LostAfter = 2, KeepsStates = true, Threads = 2 }));
        Assert.IsTrue(_log.Any(line => line.Contains("goes on from its checkpoint, after 2 epochs", StringComparison.Ordinal)));
        Assert.AreEqual(expected, Fit(fit, new BytesRunner { LostAfter = 2 }));
        Assert.AreEqual(expected, Fit(fit, new BytesRunner { SharesRows = true }));
        // It can fail: another seed on the way.
        Assert.AreNotEqual(expected, Fit(fit, null, options => options.Seed = 12));
    }

    [TestMethod]
    public void Fit_SparseRows_OwnValidationSet_WarmStart_GiveTheSameModel()
    {
        IDataView rows = SparseRows(400, seed: 1), validation = SparseRows(100, seed: 2);
        string expected = FitSparse(null, out bool isSparse);
        Assert.IsTrue(isSparse);
        Assert.AreEqual(expected, FitSparse(new BytesRunner { LostAfter = 1, KeepsStates = true }, out _));
        Assert.AreEqual(expected, FitSparse(new BytesRunner { LostAfter = 1 }, out _));

        string FitSparse(TrainingRunner? runner, out bool isSparse)
        {
            _log.Clear();
            var first = Trainer(5).Fit(rows, validation);
            var model = Trainer(6).Fit(rows, validation, first.Model);
            isSparse = _log.Any(line => line.Contains("kept sparse", StringComparison.Ordinal));
            return ModelFile.Contents(_context, model, rows.Schema);

            BatchNormNetworkRegressionTrainer Trainer(int seed) => _context.Regression.Trainers.BatchNormNetwork(
                NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
                {
                    options.TrainingRunner = runner;
                    options.NumberOfEnsembleMembers = 2;
                    options.Seed = seed;
                }));
        }
    }

    /// <summary>Rows keep the number of a category, which the other side must know.</summary>
    [TestMethod]
    public void Fit_Categories_OwnValidationSet_GiveTheSameModel()
    {
        IDataView rows = OneHotRows.View(_context, 400), validation = OneHotRows.View(_context, 100);
        string expected = Fit(null);
        Assert.AreEqual(expected, Fit(new BytesRunner()));
        Assert.AreEqual(expected, Fit(new BytesRunner { LostAfter = 1, KeepsStates = true }));

        string Fit(TrainingRunner? runner) => ModelFile.Contents(
            _context, OneHotRows.Trainer(_context, runner).Fit(rows, validation), rows.Schema);
    }

    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    [DataRow(false, true)]
    public void Fit_TellsOfEachEpochOnce_AlsoWhereTrainingsWereLost(bool keepsStates, bool losesNews)
    {
        var told = new List<string>();
        var runner = new BytesRunner { LostAfter = 2, KeepsStates = keepsStates, LosesNews = losesNews };
        Fit("multiclass, ensemble", runner, options => options.Progress = new Listener(told));
        var expected = new List<string>();
        Fit("multiclass, ensemble", null, options => options.Progress = new Listener(expected));
        CollectionAssert.AreEquivalent(expected, told);
        Assert.HasCount(12, told);
    }

    [TestMethod]
    public void Fit_TrainingThatDiverges_FailsAsOnThreads()
    {
        Action<BatchNormNetworkOptions> poison = options =>
        {
            options.LearningRate = 100;
            options.Optimizer = new SgdOptimizer();
            options.ScaleInputs = false;
            options.Placement = BatchNormalizationPlacement.None;
        };
        var onThreads = Assert.Throws<InvalidOperationException>(() => Fit("regression, restarts", null, poison));
        var elsewhere = Assert.Throws<InvalidOperationException>(() => Fit("regression, restarts", new BytesRunner(), poison));
        StringAssert.StartsWith(onThreads.Message, "Training diverged");
        Assert.AreEqual(onThreads.GetType(), elsewhere.GetType());
        StringAssert.StartsWith(elsewhere.Message, "Training diverged");
    }

    [TestMethod]
    public void Fit_Checkpoint_NetworksThatAreTrainedAreNotTrainedAgain()
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        try
        {
            string expected = Fit("multiclass, ensemble", null);
            Action<BatchNormNetworkOptions> kept = options =>
                options.Checkpoint = new CheckpointOptions { Path = Path.Combine(folder, "checkpoint") };
            int news = 0;
            var failing = new BytesRunner
            {
                OnTheWay = (name, bytes) => name == "news" && ++news == 8 ? throw new TimeZoneNotFoundException() : bytes,
            };
            Assert.Throws<Exception>(() => Fit("multiclass, ensemble", failing, kept));
            var again = new BytesRunner();
            Assert.AreEqual(expected, Fit("multiclass, ensemble", again, kept));
            Assert.AreEqual(2, again.Trainings, "the first network to be trained had ended");
            Assert.IsEmpty(Directory.GetFiles(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void Fit_RunnerThatReturnsTooEarly_IsNamed()
    {
        var thrown = Assert.Throws<InvalidOperationException>(() => Fit("multiclass, ensemble", new Idle()));
        Assert.AreEqual("Idle has returned, but Network 1/3 is not trained: a runner returns when all have ended.", thrown.Message);
    }

    [TestMethod]
    public void CheckReady_IsAskedBeforeAnyRowIsRead()
    {
        var counted = new CountingView(NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(80)));
        Assert.ThrowsExactly<TimeZoneNotFoundException>(
            () => NetworkExamples.Quick(_context, NetworkKind.Binary, options => options.TrainingRunner = new NotReady()).Fit(counted));
        Assert.AreEqual(0, counted.Rows);
    }

    [TestMethod]
    public void Create_NativeProductsElsewhere_IsRefused()
    {
        var thrown = Assert.Throws<ArgumentOutOfRangeException>(() => NetworkExamples.Quick(_context, NetworkKind.Binary, options =>
        {
            options.TrainingRunner = new Idle();
            options.MatrixMultiplication = MatrixMultiplication.Native;
        }));
        Assert.Contains("depends on the machine", thrown.Message);
    }

    /// <summary>The four features as a picture of 2 x 2, moved and mirrored at random.</summary>
    private static void Picture(BatchNormNetworkOptions options)
    {
        options.InputShape = new ImageShape(2, 2, 1);
        options.Convolutions = [new ConvolutionLayer(4, 2)];
        (options.RandomShift, options.RandomHorizontalFlip) = (1, true);
    }

    private string Fit(string fit, TrainingRunner? runner, Action<BatchNormNetworkOptions>? change = null)
    {
        _log.Clear();
        (NetworkKind kind, int count, Action<BatchNormNetworkOptions> set) = s_fits[fit];
        IDataView rows = NetworkExamples.View(_context, kind, NetworkExamples.Rows(count));
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(_context, kind, options =>
        {
            set(options);
            options.TrainingRunner = runner;
            change?.Invoke(options);
        });
        return ModelFile.Contents(_context, trainer.Fit(rows), rows.Schema);
    }

    private IDataView SparseRows(int count, int seed)
    {
        var random = new Random(seed);
        return _context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ =>
        {
            int[] slots = [.. Enumerable.Range(0, 20).Select(_ => random.Next(Sparse.Slots)).Distinct().Order()];
            return new Sparse
            {
                Features = new VBuffer<float>(Sparse.Slots, slots.Length, [.. slots.Select(_ => 1f + random.NextSingle())], slots),
                Label = slots[0] + random.NextSingle(),
            };
        }).ToArray());
    }

    private sealed class Sparse
    {
        public const int Slots = 2000;

        [VectorType(Slots)]
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }

    private sealed class Listener(List<string> told) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => told.Add($"{value.Member} {value.Epoch} {value.TrainingLoss} {value.ValidationLoss}");
    }

    private sealed class Idle : TrainingRunner
    {
        public override void Run(FitTrainings trainings, CancellationToken cancellation)
        {
        }
    }

    private sealed class NotReady : TrainingRunner
    {
        public override void CheckReady(CancellationToken cancellation) => throw new TimeZoneNotFoundException();

        public override void Run(FitTrainings trainings, CancellationToken cancellation)
        {
        }
    }
}
