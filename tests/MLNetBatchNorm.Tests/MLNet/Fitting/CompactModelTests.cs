// Length: one network in place of an ensemble, in every form of rows, task, loss and interruption that a model is used in.
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Distribution;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>One network that is taught by an ensemble and takes its place, everywhere a model is used.</summary>
[TestClass]
public sealed class CompactModelTests
{
    private const int Members = 5;
    private const int Epochs = 4;
    private const int NoisyRows = 1000;

    private readonly string _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
    private readonly LogLines _log;
    private readonly MLContext _context = new(1);

    public CompactModelTests() => _log = new LogLines(_context);

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    /// <summary>
    /// One network, which says of new rows what the ensemble says: it is nearer to it than its networks are, each of which has learned from
    /// the labels.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_Compact_SaysWhatTheEnsembleSays(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView rows = Noisy(kind, NoisyRows), others = View(kind, 400, seed: 7);
        void Long(BatchNormNetworkOptions options) => (options.MaximumNumberOfEpochs, options.HiddenUnits) = (24, [64, 32]);
        ITransformer ensemble = Trainer(kind, compact: false, Long).Fit(rows), compact = Trainer(kind, compact: true, Long).Fit(rows);

        BatchNormNetwork network = NetworkOf(compact);
        Assert.HasCount(1, network.Members);
        Assert.HasCount(Members, NetworkOf(ensemble).Members);
        float[] expected = Scores(ensemble, others);
        double near = Distance(expected, Scores(compact, others));
        var alone = Enumerable.Range(1, 3).Select(seed => Distance(expected, Scores(
            NetworkExamples.Quick(_context, kind, options =>
            {
                Long(options);
                options.Seed = seed;
            }).Fit(rows), others))).ToArray();
        Assert.IsLessThan(alone.Average(), near, $"networks of their own: {string.Join(", ", alone)}");
        Assert.IsGreaterThan(0, near);

        // Its history is that of its own training, on all rows, to the end.
        TrainingHistory history = network.Members[0].TrainingHistory;
        Assert.HasCount(48, history.Epochs);
        Assert.AreEqual(48, history.BestEpoch);
        Assert.IsTrue(history.Epochs.All(epoch => epoch.ValidationLoss is null));
        Assert.AreEqual((48, 0.0), Chosen(network));
        Assert.AreEqual((24, 0.2), Chosen(NetworkOf(ensemble)));
        static (int, double) Chosen(BatchNormNetwork of) =>
            (of.ChosenSettings!.MaximumNumberOfEpochs, of.ChosenSettings.ValidationFraction);
        Assert.IsTrue(_log.Any(line => line.Contains($"Compact network, training on {NoisyRows} rows, 0 for", StringComparison.Ordinal)));
        Assert.IsTrue(_log.Any(line => line.Contains("Compacting: one network of 64 + 32 hidden units", StringComparison.Ordinal)));
    }

    /// <summary>
    /// Every number of threads gives the same file, and so does a runner that has the ensemble trained elsewhere; another seed another one.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_OnAnyNumberOfThreadsAndElsewhere_IsTheSameModel(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView rows = View(kind, 300);
        string[] models = [.. new[] { 1, 2, 3, 16 }.Select(threads => Contents(kind, rows, options => options.NumberOfThreads = threads))];
        Assert.HasCount(1, models.Distinct().ToArray());
        var runner = new BytesRunner { LostAfter = 2, KeepsStates = true };
        Assert.AreEqual(models[0], Contents(kind, rows, options => options.TrainingRunner = runner));
        Assert.IsGreaterThanOrEqualTo(Members, runner.Trainings);
        Assert.AreNotEqual(models[0], Contents(kind, rows, options => options.Seed = 12), "Another seed would have gone unnoticed.");
    }

    /// <summary>Weights, classes that count for more, missing values, validation rows, and none at all.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_RowsOfEveryKind_TeachOneNetwork(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        List<Example> all = NetworkExamples.Rows(400);
        for (int i = 0; i < all.Count; i += 7)
            all[i].Features[i % 4] = float.NaN;
        IDataView rows = NetworkExamples.View(_context, kind, all);
        var models = new List<string>();
        foreach (Action<BatchNormNetworkOptions> change in new Action<BatchNormNetworkOptions>[]
        {
            options => { }, options => options.ExampleWeightColumnName = "Weight", options => options.ValidationFraction = 0,
            options => options.ValidationSet = View(kind, 100, seed: 3), options => options.NumberOfInputPieces = 8,
            options => options.NumberOfRestarts = 1, options => options.Statistics = BatchNormalizationStatistics.Population,
            options =>
            {
                if (options is BatchNormNetworkClassificationOptions classes)
                    classes.UnbalancedSets = true;
                else
                    options.BatchSize = 64;
            },
        })
        {
            ITransformer model = Trainer(kind, compact: true, change).Fit(rows);
            Assert.HasCount(1, NetworkOf(model).Members);
            Assert.IsTrue(Scores(model, rows).All(float.IsFinite));
            models.Add(ModelFile.Contents(_context, model, rows.Schema));
        }

        Assert.HasCount(models.Count, models.Distinct().ToArray(), "each of them matters");
    }

    /// <summary>What is wider than the networks that teach it is never larger than a part of them.</summary>
    [TestMethod]
    [DataRow(2, "128 + 64")]
    [DataRow(9, "256 + 128")]
    public void Fit_FewNetworks_TeachOneThatIsSmaller(int members, string expected)
    {
        IDataView rows = View(NetworkKind.Regression, AutomaticOptions.RowsOfLargerTables);
        Trainer(NetworkKind.Regression, compact: true, options =>
        {
            (options.HiddenUnits, options.NumberOfInputPieces, options.NumberOfEnsembleMembers) = (null, 32, members);
            (options.MaximumNumberOfEpochs, options.BatchSize) = (1, 1000);
        }).Fit(rows);
        Assert.IsTrue(
            _log.Any(line => line.Contains($"Compacting: one network of {expected} hidden units", StringComparison.Ordinal)),
            string.Join('\n', _log));
    }

    /// <summary>Losses whose outputs are logarithms, quantiles, or numbers that are far off.</summary>
    [TestMethod]
    [DataRow(typeof(HuberLoss))]
    [DataRow(typeof(PoissonLoss))]
    [DataRow(typeof(TweedieLoss))]
    [DataRow(typeof(QuantileLoss))]
    public void Fit_OtherLosses_SayWhatTheEnsembleSays(Type type)
    {
        var loss = (RegressionLoss)Activator.CreateInstance(type)!;
        if (loss is QuantileLoss)
            loss = new QuantileLoss { Level = 0.9 };
        IDataView rows = Noisy(NetworkKind.Regression, NoisyRows), others = View(NetworkKind.Regression, 300, seed: 7);
        RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> Fit(bool compact, int members) =>
            _context.Regression.Trainers.BatchNormNetwork(NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(
                options => (options.Loss, options.CompactModel, options.NumberOfEnsembleMembers, options.MaximumNumberOfEpochs,
                    options.HiddenUnits) = (loss, compact, members, 16, [32, 16]))).Fit(rows);
        float[] expected = Scores(Fit(false, 4), others);
        float[] compact = Scores(Fit(true, 4), others);

        Assert.IsLessThan(Distance(expected, Scores(Fit(false, 1), others)), Distance(expected, compact));
        // Neither above nor below as a whole, which the quantile's own loss would make it.
        Assert.AreEqual(expected.Average(), compact.Average(), 0.1 * Deviation(expected));
    }

    [TestMethod]
    public void Fit_SeveralTargetsSomeMissing_TeachOneNetwork()
    {
        List<TargetExample> all = TargetExamples.Rows(500, missing: 0.3);
        IDataView numbers = TargetExamples.View(_context, all), labels = TargetExamples.View(_context, all, nameof(TargetExample.Known));
        IDataView others = TargetExamples.View(_context, TargetExamples.Rows(300, seed: 2));
        foreach (bool areNumbers in new[] { true, false })
        {
            float[][] Fit(bool compact, int members, int seed)
            {
                void Change(BatchNormNetworkOptions options)
                {
                    (options.CompactModel, options.NumberOfEnsembleMembers, options.Seed) = (compact, members, seed);
                    (options.MaximumNumberOfEpochs, options.HiddenUnits) = (16, [64, 32]);
                }

                ITransformer model = areNumbers
                    ? TargetExamples.Numbers(_context, Change).Fit(numbers) : TargetExamples.Labels(_context, Change).Fit(labels);
                return TargetExamples.Column<float>(model.Transform(others), "Score");
            }

            float[][] expected = Fit(compact: false, 4, seed: 1);
            double near = Distance(expected, Fit(compact: true, 4, seed: 1));
            double[] alone = [.. new[] { 1, 2, 3 }.Select(seed => Distance(expected, Fit(compact: false, 1, seed)))];
            Assert.IsLessThan(alone.Min(), near, $"numbers: {areNumbers}, networks of their own: {string.Join(", ", alone)}");
        }

        // In the deviation of each target, whose units are unlike.
        static double Distance(float[][] one, float[][] other) => Enumerable.Range(0, one[0].Length).Average(target =>
        {
            float[] expected = [.. one.Select(row => row[target])];
            return CompactModelTests.Distance(expected, [.. other.Select(row => row[target])]) / Deviation(expected);
        });
    }

    /// <summary>Rows of a temporary file are spoken of anew in each epoch: the same for any number of threads.</summary>
    [TestMethod]
    public void Fit_RowsInATemporaryFile_TeachOneNetwork()
    {
        IDataView rows = View(NetworkKind.Regression, 20_000), others = View(NetworkKind.Regression, 500, seed: 5);
        void Large(BatchNormNetworkOptions options) =>
            (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs, options.NumberOfEnsembleMembers) =
                (1, 200, 2, 2);
        string once = Contents(NetworkKind.Regression, rows, Large);
        Assert.IsTrue(_log.Any(line => line.Contains("temporary file", StringComparison.Ordinal)), "the rows were to be too many");
        Assert.AreEqual(once, Contents(NetworkKind.Regression, rows, options =>
        {
            Large(options);
            options.NumberOfThreads = 3;
        }));
        float[] expected = Scores(Trainer(NetworkKind.Regression, compact: false, Large).Fit(rows), others);
        float[] compact = Scores(Trainer(NetworkKind.Regression, compact: true, Large).Fit(rows), others);
        Assert.IsLessThan(0.2 * Deviation(expected), Distance(expected, compact));
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Fit_Pictures_TeachOneNetwork(bool changed)
    {
        IDataView rows = Picture.View(_context, NetworkKind.Multiclass, Picture.Rows(150));
        IDataView others = Picture.View(_context, NetworkKind.Multiclass, Picture.Rows(200, seed: 2));
        ITransformer Fit(bool compact, int threads, int members = 3, int seed = 11) =>
            Trainer(NetworkKind.Multiclass, compact, options =>
            {
                Picture.Shape(options);
                (options.NumberOfEnsembleMembers, options.MaximumNumberOfEpochs, options.NumberOfThreads, options.Seed) =
                    (members, 8, threads, seed);
                (options.RandomShift, options.RandomHorizontalFlip) = (changed ? 1 : 0, changed);
            }).Fit(rows);
        ITransformer model = Fit(compact: true, 1);
        Assert.AreEqual(
            ModelFile.Contents(_context, model, rows.Schema), ModelFile.Contents(_context, Fit(compact: true, 2), rows.Schema));
        float[] expected = Scores(Fit(compact: false, 2), others);
        double[] alone =
            [.. new[] { 1, 2, 3 }.Select(seed => Distance(expected, Scores(Fit(compact: false, 2, members: 1, seed), others)))];
        Assert.IsLessThan(alone.Average(), Distance(expected, Scores(model, others)), string.Join(", ", alone));
    }

    /// <summary>Categories kept as numbers, and very many words, which are projected, in rows of entries.</summary>
    [TestMethod]
    public void Fit_CategoriesAndWords_TeachOneNetwork()
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Words));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, Words.Slots);
        foreach (IDataView rows in new[]
        {
            OneHotRows.View(_context, 300), _context.Data.LoadFromEnumerable(Words.Rows(600), schema),
        })
        {
            string[] models = [.. new[] { 1, 3 }.Select(threads =>
            {
                var model = _context.Regression.Trainers.BatchNormNetwork(
                    NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
                        (options.CompactModel, options.NumberOfEnsembleMembers, options.NumberOfThreads) = (true, 2, threads))).Fit(rows);
                Assert.HasCount(1, model.Model.Network.Members);
                Assert.IsTrue(Scores(model, rows).All(float.IsFinite));
                return ModelFile.Contents(_context, model, rows.Schema);
            })];
            Assert.AreEqual(models[0], models[1]);
        }

        Assert.IsTrue(_log.Any(line => line.Contains("Rows are kept sparse", StringComparison.Ordinal)), string.Join('\n', _log));
    }

    /// <summary>What priors add is added to the network that is taught, once.</summary>
    [TestMethod]
    public void Fit_ClassPriors_MoveTheTaughtNetworkOnce()
    {
        IDataView rows = View(NetworkKind.Binary, 300);
        float[] Fit(double[]? priors) => Scores(
            Trainer(NetworkKind.Binary, compact: true, options => ((BatchNormNetworkBinaryTrainer.Options)options).ClassPriors = priors)
                .Fit(rows), rows);
        float[] plain = Fit(null), moved = Fit([0.99, 0.01]);
        double positives = NetworkExamples.Rows(300).Count(row => row.IsPositive) / 300.0;
        double shift = Math.Log(0.01 / 0.99) - Math.Log(positives / (1 - positives));
        for (int i = 0; i < plain.Length; i++)
            Assert.AreEqual(plain[i] + shift, moved[i], 1e-4);
    }

    /// <summary>The reports of the one network come behind all others and say so; the share that is done rises to 1.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Progress_SaysThatItCompacts(int threads)
    {
        var reports = new List<TrainingProgress>();
        Trainer(NetworkKind.Regression, compact: true, options =>
            (options.NumberOfThreads, options.Progress) = (threads, new Handler(reports.Add))).Fit(View(NetworkKind.Regression, 150));

        const int All = (Members + 2) * Epochs;
        CollectionAssert.AreEqual(
            Enumerable.Range(1, All).Select(i => i > Members * Epochs).ToArray(), reports.Select(report => report.IsCompacting).ToArray());
        CollectionAssert.AreEqual(
            Enumerable.Range(1, All).Select(i => (double)i / All).ToArray(), reports.Select(report => report.FractionDone).ToArray());
        Assert.IsTrue(reports.TakeLast(2 * Epochs).All(report => report is { Member: 1, NumberOfMembers: Members, Restart: 0 }));
        Assert.IsTrue(
            _log.Any(line => line.StartsWith($"Compact network, epoch 3/{2 * Epochs}:", StringComparison.Ordinal)),
            string.Join('\n', _log));
    }

    /// <summary>
    /// Interrupted while the one network is taught: those that teach are not trained again, it goes on, and the model is the same.
    /// </summary>
    [TestMethod]
    public void Fit_AgainAfterAnInterruption_GoesOnToTheSameModel()
    {
        IDataView rows = View(NetworkKind.Multiclass, 200);
        string path = Path.Combine(_folder, "training.checkpoint");
        void Kept(BatchNormNetworkOptions options) =>
            (options.NumberOfThreads, options.Checkpoint) = (1, new() { Path = path, IntervalInEpochs = 1, IntervalInSeconds = null });
        string expected = Contents(NetworkKind.Multiclass, rows);
        Assert.ThrowsExactly<NotSupportedException>(() => Contents(NetworkKind.Multiclass, rows, options =>
        {
            Kept(options);
            options.Progress = new Handler(report =>
            {
                if (report is { IsCompacting: true, Epoch: 3 })
                    throw new NotSupportedException("the end");
            });
        }));
        Assert.Contains($"{path}.{Members + 1}", Directory.GetFiles(_folder));

        int rest = 0;
        Assert.AreEqual(expected, Contents(NetworkKind.Multiclass, rows, options =>
        {
            Kept(options);
            options.Progress = new Handler(report => rest += report.IsCompacting ? 1 : 100);
        }));
        Assert.AreEqual(2 * Epochs - 2, rest);
        Assert.IsEmpty(Directory.GetFiles(_folder));
    }

    [TestMethod]
    public void Fit_CancelledWhileItCompacts_Ends()
    {
        using var cancellation = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => Trainer(NetworkKind.Binary, compact: true, options =>
        {
            (options.CancellationToken, options.MaximumNumberOfEpochs) = (cancellation.Token, 20);
            options.Progress = new Handler(report =>
            {
                if (report.IsCompacting)
                    cancellation.Cancel();
            });
        }).Fit(View(NetworkKind.Binary, 150)));
        Assert.HasCount(1, NetworkOf(Trainer(NetworkKind.Binary, compact: true).Fit(View(NetworkKind.Binary, 150))).Members);
    }

    /// <summary>
    /// From an ensemble all go on, and the taught network begins as the first of them; from a compact model one network goes on, as from
    /// any other.
    /// </summary>
    [TestMethod]
    public void Fit_GoingOnFromAModel_KeepsWhatItKnew()
    {
        IDataView rows = View(NetworkKind.Regression, 1200), few = View(NetworkKind.Regression, 60, seed: 4);
        BatchNormNetworkRegressionTrainer Trainer(bool compact, int? members, int epochs) =>
            _context.Regression.Trainers.BatchNormNetwork(NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(
                options => (options.CompactModel, options.NumberOfEnsembleMembers, options.MaximumNumberOfEpochs, options.LearningRate) =
                    (compact, members, epochs, epochs > 10 ? null : 1e-4)));
        var ensemble = Trainer(false, 3, 30).Fit(rows);
        var from = Trainer(true, null, 2).Fit(few, null, ensemble.Model);
        Assert.HasCount(1, from.Model.Network.Members);
        double before = _context.Regression.Evaluate(ensemble.Transform(rows)).RSquared;
        Assert.IsGreaterThan(before - 0.1, _context.Regression.Evaluate(from.Transform(rows)).RSquared);
        Assert.IsLessThan(
            before - 0.3, _context.Regression.Evaluate(Trainer(true, 3, 2).Fit(few).Transform(rows)).RSquared,
            "Sixty rows alone would have taught as much.");

        Assert.AreEqual(3, from.Model.Network.NumberOfTeachers);
        var again = Trainer(true, null, 2).Fit(few, null, from.Model);
        Assert.AreEqual(0, again.Model.Network.NumberOfTeachers, "It has learned from labels since.");
        Assert.HasCount(1, again.Model.Network.Members);
        Assert.IsTrue(_log.Any(line => line.Contains("CompactModel has no effect", StringComparison.Ordinal)));
        Assert.Contains("NumberOfEnsembleMembers 1", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Trainer(true, 3, 2).Fit(few, null, from.Model)).Message);
    }

    /// <summary>One network is compact as it is: the same bits, and the log says so.</summary>
    [TestMethod]
    public void Fit_OneNetwork_IsWhatItIsWithout()
    {
        IDataView rows = View(NetworkKind.Binary, 200);
        string Model(bool compact) => ModelFile.Contents(_context, Trainer(NetworkKind.Binary, compact, options =>
            options.NumberOfEnsembleMembers = 1).Fit(rows), rows.Schema);
        Assert.AreEqual(Model(false), Model(true));
        Assert.IsTrue(_log.Any(line => line.Contains("CompactModel has no effect", StringComparison.Ordinal)));
    }

    /// <summary>Cross-validation, a saved model, and a prediction engine take it for the model of one network that it is.</summary>
    [TestMethod]
    public void Model_Saved_ScoresAsBefore()
    {
        IDataView rows = View(NetworkKind.Regression, 200);
        ITransformer model = Trainer(NetworkKind.Regression, compact: true).Fit(rows);
        using var stream = new MemoryStream();
        _context.Model.Save(model, rows.Schema, stream);
        stream.Position = 0;
        ITransformer loaded = _context.Model.Load(stream, out _);
        CollectionAssert.AreEqual(Scores(model, rows), Scores(loaded, rows));
        Assert.HasCount(1, NetworkOf(loaded).Members);
        Assert.AreEqual(Members, NetworkOf(loaded).NumberOfTeachers);
        Assert.AreEqual(0, NetworkOf(Trainer(NetworkKind.Regression, compact: false).Fit(rows)).NumberOfTeachers);
        var folds = _context.Regression.CrossValidate(rows, Trainer(NetworkKind.Regression, compact: true), numberOfFolds: 2);
        Assert.IsTrue(folds.All(fold => NetworkOf(fold.Model).Members.Count == 1 && double.IsFinite(fold.Metrics.RSquared)));
    }

    [TestMethod]
    public void Options_ThatItCannotGoWith_AreRefusedByBothNames()
    {
        string trials = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.Regression.Trainers.BatchNormNetwork(
            new BatchNormNetworkRegressionTrainer.Options { CompactModel = true, NumberOfTrials = 16 })).Message;
        Assert.Contains("CompactModel is true, and NumberOfTrials is 16", trials);
        string levels = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.Regression.Trainers.BatchNormNetwork(
            new BatchNormNetworkRegressionTrainer.Options { CompactModel = true, IntervalLevels = [0.9] })).Message;
        Assert.Contains("CompactModel is true, and IntervalLevels is not empty", levels);
        // An effort by itself tries nothing then.
        var best = new BatchNormNetworkRegressionTrainer.Options { CompactModel = true, Effort = TrainingEffort.Best };
        Assert.AreEqual(1, TrialOptions.MostTrials(best));
        best.CompactModel = false;
        Assert.AreEqual(16, TrialOptions.MostTrials(best));
        Assert.IsNotNull(_context.Regression.Trainers.BatchNormNetwork(
            new BatchNormNetworkRegressionTrainer.Options { CompactModel = true, NumberOfTrials = 1 }));
    }

    /// <summary>Rows many of whose labels are those of others: networks of their own learn some of that by heart, each its own.</summary>
    private IDataView Noisy(NetworkKind kind, int rows)
    {
        List<Example> all = NetworkExamples.Rows(rows), others = NetworkExamples.Rows(rows, seed: 99);
        for (int i = 0; i < rows; i++)
        {
            if (i % 3 == 0)
                (all[i].IsPositive, all[i].Class) = (others[i].IsPositive, others[i].Class);
            all[i].Value += 0.7f * (others[i].Value - 50_000);
        }

        return NetworkExamples.View(_context, kind, all);
    }

    private IDataView View(NetworkKind kind, int rows, int seed = 1) =>
        NetworkExamples.View(_context, kind, NetworkExamples.Rows(rows, seed));

    private IEstimator<ITransformer> Trainer(NetworkKind kind, bool compact, Action<BatchNormNetworkOptions>? change = null) =>
        NetworkExamples.Quick(_context, kind, options =>
        {
            (options.CompactModel, options.NumberOfEnsembleMembers, options.MaximumNumberOfEpochs) = (compact, Members, Epochs);
            change?.Invoke(options);
        });

    private string Contents(NetworkKind kind, IDataView rows, Action<BatchNormNetworkOptions>? change = null) =>
        ModelFile.Contents(_context, Trainer(kind, compact: true, change).Fit(rows), rows.Schema);

    private static BatchNormNetwork NetworkOf(ITransformer model) => model switch
    {
        BinaryPredictionTransformer<Microsoft.ML.Calibrators.CalibratedModelParametersBase<
            BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>> binary => binary.Model.SubModel.Network,
        MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters> several => several.Model.Network,
        _ => ((BatchNormNetworkRegressionModelParameters)((ISingleFeaturePredictionTransformer<object>)model).Model).Network,
    };

    private static float[] Scores(ITransformer model, IDataView rows)
    {
        IDataView scored = model.Transform(rows);
        return scored.Schema["Score"].Type is VectorDataViewType
            ? [.. scored.GetColumn<float[]>("Score").SelectMany(scores => scores)]
            : [.. scored.GetColumn<float>("Score")];
    }

    private static double Distance(float[] one, float[] other) =>
        Math.Sqrt(one.Zip(other, (a, b) => ((double)a - b) * ((double)a - b)).Average());

    private static double Deviation(float[] values) => Distance(values, [.. Enumerable.Repeat(values.Average(), values.Length)]);

    private sealed class Handler(Action<TrainingProgress> handle) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => handle(value);
    }

    /// <summary>Rows of some words of very many.</summary>
    private sealed class Words
    {
        public const int Slots = 4000;

        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }

        public static Words[] Rows(int count)
        {
            var random = new Random(1);
            return [.. Enumerable.Range(0, count).Select(_ =>
            {
                int[] words = [.. Enumerable.Range(0, 12).Select(_ => (int)Math.Pow(Slots, random.NextDouble()) - 1).Distinct().Order()];
                return new Words
                {
                    Features = new VBuffer<float>(Slots, words.Length, [.. words.Select(_ => 1f)], words),
                    Label = words.Sum(word => word < 100 ? word % 3 - 1 : 0),
                };
            })];
        }
    }
}
