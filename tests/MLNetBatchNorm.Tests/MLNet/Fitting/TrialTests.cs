using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Distribution;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Configurations that are tried, and the model that is a weighted mean of the networks of the best.</summary>
[TestClass]
public sealed class TrialTests
{
    private const int Trials = 6;

    private readonly string _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
    private readonly LogLines _log;
    private readonly MLContext _context = new(1);

    public TrialTests() => _log = new LogLines(_context);

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    /// <summary>
    /// What is set is the same in all trials and what is null is drawn; the networks are those of some trials, and weights add up to 1.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_Trials_GiveAWeightedMeanOfSome(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        IDataView view = View(kind, 400);
        BatchNormNetwork network = NetworkOf(Trainer(kind, options => options.NumberOfTrials = 12).Fit(view));

        Assert.HasCount(12, network.Trials);
        Assert.IsTrue(network.Trials.All(trial => trial.MaximumNumberOfEpochs == 3), "what is set stays");
        Assert.IsTrue(network.Trials.Skip(1).All(trial => trial.HiddenUnits.All(units => units is 6 or 12)), "the search space");
        BatchNormNetworkTrial usual = network.Trials[0];
        Assert.AreEqual((0, ActivationFunction.ReLU, 0.1, 32), (usual.Number, usual.Activation, usual.DropoutRate, usual.BatchSize));
        foreach (Func<BatchNormNetworkTrial, object?> drawn in new Func<BatchNormNetworkTrial, object?>[]
        {
            trial => string.Join(",", trial.HiddenUnits), trial => trial.Activation, trial => trial.Placement, trial => trial.DropoutRate,
            trial => trial.LearningRate, trial => trial.WeightDecay, trial => trial.NumberOfInputPieces,
        })
        {
            Assert.IsGreaterThan(1, network.Trials.Select(drawn).Distinct().Count());
        }

        Assert.AreEqual(kind == NetworkKind.Multiclass, usual.LabelSmoothing is not null);
        Assert.AreEqual(1, network.Trials.Sum(trial => trial.Weight), 1e-9);
        Assert.AreEqual(1, network.Members.Sum(member => member.Weight), 1e-9);
        Assert.IsInRange(4, 8, network.Members.Count);
        foreach (BatchNormNetworkMember member in network.Members)
        {
            BatchNormNetworkTrial trial = network.Trials[member.Trial];
            Assert.AreEqual(trial.Weight / 4, member.Weight, 1e-12);
            CollectionAssert.AreEqual(
                trial.HiddenUnits.ToArray(), member.Layers.SkipLast(1).Select(layer => layer.Outputs).ToArray());
            Assert.AreEqual(trial.Activation, member.Layers[0].Activation);
        }

        Assert.IsTrue(network.Trials.All(trial => trial.Score is not null));
        Assert.IsTrue(network.Trials.Where(trial => trial.Weight > 0).All(trial => trial.NumberOfTrainedNetworks == 4));
        Assert.Contains(line => line.StartsWith("The model is of ", StringComparison.Ordinal), _log);
    }

    /// <summary>
    /// The score is the sum of the networks' own times their weights: by row, in blocks, loaded again, and its contributions.
    /// </summary>
    [TestMethod]
    public void Score_OfSeveralTrials_IsTheWeightedMean()
    {
        IDataView view = View(NetworkKind.Regression, 300);
        ITransformer model = Trainer(
            NetworkKind.Regression, options => (options.HiddenUnits, options.NumberOfTrials) = ([12, 6], 12)).Fit(view);
        BatchNormNetworkRegressionModelParameters parameters = Parameters(model);
        Assert.IsGreaterThan(1, parameters.Network.Members.Select(member => member.Trial).Distinct().Count(), "one alone shows nothing");

        float[] features = [.. NetworkExamples.Rows(100, seed: 5).SelectMany(row => row.Features)];
        float[] scores = new float[100], own = new float[100];
        double[] mean = new double[100];
        parameters.Score(features, 100, scores);
        foreach (BatchNormNetworkMember member in parameters.Network.Members)
        {
            member.Score(features, 100, own);
            for (int row = 0; row < 100; row++)
                mean[row] += member.Weight * own[row];
        }

        for (int row = 0; row < 100; row++)
            Assert.AreEqual(mean[row], scores[row], 1e-3 * Math.Abs(scores[row]) * 0.01);
        float[] contributions = new float[400];
        parameters.GetFeatureContributions(features, 100, contributions);
        for (int row = 0; row < 100; row++)
        {
            double sum = parameters.FeatureContributionBase[0] + contributions.Skip(4 * row).Take(4).Sum(value => (double)value);
            Assert.AreEqual(scores[row], sum, 1e-4 * Math.Abs(scores[row]));
        }

        string path = Path.Combine(_folder, "model.zip");
        _context.Model.Save(model, view.Schema, path);
        ITransformer loaded = new MLContext(2).Model.Load(path, out _);
        CollectionAssert.AreEqual(model.Transform(view).Scalars<float>("Score"), loaded.Transform(view).Scalars<float>("Score"));
        BatchNormNetwork again = Parameters(loaded).Network;
        CollectionAssert.AreEqual(
            parameters.Network.Trials.Select(Text).ToArray(), again.Trials.Select(Text).ToArray());
        CollectionAssert.AreEqual(
            parameters.Network.Members.Select(member => (member.Trial, member.Weight)).ToArray(),
            again.Members.Select(member => (member.Trial, member.Weight)).ToArray());
        // Saved again it is the same to the byte.
        Assert.AreEqual(ModelFile.Contents(path), ModelFile.Contents(_context, loaded, view.Schema));
    }

    [TestMethod]
    public void Fit_Trials_DoNotDependOnThreadsOrPlaces()
    {
        IDataView view = View(NetworkKind.Multiclass, 300);
        string expected = Contents(options => options.NumberOfThreads = 1);
        Assert.AreEqual(expected, Contents(options => options.NumberOfThreads = 3));
        Assert.AreEqual(expected, Contents(options => options.TrainingRunner = new BytesRunner()));
        Assert.AreEqual(expected, Contents(options => options.TrainingRunner = new BytesRunner { LostAfter = 1, KeepsStates = true }));
        Assert.AreNotEqual(expected, Contents(options => options.Seed = 12), "Another seed would have gone unnoticed.");

        string Contents(Action<BatchNormNetworkOptions> change) =>
            ModelFile.Contents(_context, Trainer(NetworkKind.Multiclass, change).Fit(view), view.Schema);
    }

    /// <summary>Cancelled in any rung, it goes on to the same model, and what was trained is not trained again.</summary>
    [TestMethod]
    [DataRow(7)]
    [DataRow(40)]
    [DataRow(60)]
    public void Fit_AgainAfterCancellation_GoesOnToTheSameModel(int epochs)
    {
        IDataView view = View(NetworkKind.Regression, 300);
        int all = 0, before = 0, after = 0;
        string expected = Contents(() => all++, path: null, CancellationToken.None), path = Path.Combine(_folder, "training.checkpoint");
        using var source = new CancellationTokenSource();
        Assert.ThrowsExactly<OperationCanceledException>(() => Contents(
            () =>
            {
                if (++before == epochs)
                    source.Cancel();
            },
            path, source.Token));
        Assert.IsNotEmpty(Directory.GetFiles(_folder));

        Assert.AreEqual(expected, Contents(() => after++, path, CancellationToken.None));
        Assert.AreEqual(all, before + after);
        Assert.IsEmpty(Directory.GetFiles(_folder));

        string Contents(Action epoch, string? path, CancellationToken cancellation) => ModelFile.Contents(
            _context,
            Trainer(NetworkKind.Regression, options =>
            {
                options.NumberOfThreads = 1;
                options.CancellationToken = cancellation;
                options.Progress = new Handler(_ => epoch());
                if (path is not null)
                    options.Checkpoint = new CheckpointOptions { Path = path, IntervalInEpochs = 1 };
            }).Fit(view),
            view.Schema);
    }

    [TestMethod]
    public void Progress_TellsTrialsAndTheBest()
    {
        var reports = new List<TrainingProgress>();
        ITransformer model = Trainer(NetworkKind.Regression, options =>
            (options.Progress, options.NumberOfTrials) = (new Handler(reports.Add), 12)).Fit(View(NetworkKind.Regression, 3500));

        CollectionAssert.AreEquivalent(Enumerable.Range(1, 12).ToArray(), reports.Select(report => report.Trial).Distinct().ToArray());
        Assert.IsTrue(reports.All(report => report.NumberOfTrials == 12 && report.NumberOfMembers == 4));
        Assert.IsNull(reports[0].BestTrial);
        TrainingProgress last = reports[^1];
        Assert.IsInRange(1, 12, last.BestTrial!.Value);
        Assert.AreEqual(1, last.FractionDone, 1e-9);
        Assert.IsTrue(reports.Zip(reports.Skip(1)).All(pair => pair.First.FractionDone <= pair.Second.FractionDone + 0.2));
        // Twelve trials train a network, six a second one, and three two more.
        BatchNormNetwork network = NetworkOf(model);
        CollectionAssert.AreEqual(
            new[] { 1, 1, 1, 1, 1, 1, 2, 2, 2, 4, 4, 4 }, network.Trials.Select(trial => trial.NumberOfTrainedNetworks).Order().ToArray());
        Assert.IsGreaterThan(0, last.BestTrialScore!.Value);
    }

    /// <summary>
    /// Trials that diverge are given up; the others make the model. That of the options themselves ends training as ever.
    /// </summary>
    [TestMethod]
    public void Fit_TrialsThatDiverge_AreGivenUp()
    {
        IDataView view = View(NetworkKind.Regression, 300);
        BatchNormNetwork network = NetworkOf(Fit(new SearchSpace { LearningRate = [1e-4, 100] }, learningRate: null));

        BatchNormNetworkTrial[] diverged = [.. network.Trials.Where(trial => trial.Score is null)];
        Assert.IsNotEmpty(diverged);
        Assert.IsTrue(diverged.All(trial => trial is { LearningRate: 100, Weight: 0, NumberOfTrainedNetworks: 0 }));
        Assert.IsGreaterThan(1, network.Trials.Count - diverged.Length);
        Assert.HasCount(
            diverged.Length, _log.Where(line => line.Contains(" diverged and is given up", StringComparison.Ordinal)).ToArray());
        Assert.Contains(
            "Training diverged",
            Assert.ThrowsExactly<InvalidOperationException>(() => Fit(new SearchSpace(), learningRate: 100)).Message);

        ITransformer Fit(SearchSpace space, double? learningRate) => Trainer(NetworkKind.Regression, options =>
        {
            (options.Placement, options.Optimizer) = (BatchNormalizationPlacement.None, new SgdOptimizer());
            (options.MaximumNumberOfEpochs, options.LearningRate, options.SearchSpace) = (50, learningRate, space);
            options.NumberOfThreads = 2;
        }).Fit(view);
    }

    /// <summary>Rows of every kind, and everything a model may have beside its networks.</summary>
    [TestMethod]
    [DataRow("weights")]
    [DataRow("sparse")]
    [DataRow("spilled")]
    [DataRow("groups")]
    [DataRow("validation set")]
    [DataRow("one network")]
    [DataRow("counts")]
    [DataRow("layer input")]
    public void Fit_RowsOfEveryKind_Work(string form)
    {
        IDataView view = View(NetworkKind.Regression, form == "spilled" ? 40_000 : 300);
        if (form == "sparse")
            view = new SparseView(view, "Features");
        if (form == "groups")
        {
            view = _context.Data.LoadFromEnumerable(NetworkExamples.Rows(300).Select(
                (row, i) => new Grouped { Features = row.Features, Label = row.Value, Group = i / 3 }));
        }

        BatchNormNetworkRegressionTrainer trainer = _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => Try(options, options =>
            {
                if (form == "weights")
                    options.ExampleWeightColumnName = "Weight";
                if (form == "spilled")
                    (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs) = (1, 1000, 1);
                if (form == "groups")
                    options.SamplingKeyColumnName = nameof(Grouped.Group);
                if (form == "one network")
                    options.NumberOfEnsembleMembers = 1;
                if (form == "counts")
                    ((BatchNormNetworkRegressionTrainer.Options)options).Loss = new PoissonLoss();
                if (form == "layer input")
                    options.SearchSpace!.Placement = [BatchNormalizationPlacement.LayerInput];
            })));
        ITransformer model = form == "validation set"
            ? trainer.Fit(view, NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(100, seed: 2)))
            : trainer.Fit(view);

        BatchNormNetwork network = NetworkOf(model);
        Assert.HasCount(Trials, network.Trials);
        Assert.HasCount(form == "one network" ? 1 : 4 * network.Trials.Count(trial => trial.Weight > 0), network.Members);
        Assert.AreEqual(1, network.Members.Sum(member => member.Weight), 1e-9);
        if (form == "layer input")
            Assert.IsTrue(network.Trials.Skip(1).All(trial => trial.Placement == BatchNormalizationPlacement.LayerInput));
        // Rows that come sparse have the scores of those that do not.
        float[] scores = model.Transform(view).Scalars<float>("Score");
        if (form == "sparse")
            CollectionAssert.AreEqual(scores, model.Transform(View(NetworkKind.Regression, 300)).Scalars<float>("Score"));
        Assert.IsTrue(scores.All(float.IsFinite));
        Assert.IsGreaterThan(1, scores.Distinct().Count());
    }

    [TestMethod]
    public void Fit_SeveralTargets_Work()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(300, missing: 0.1));
        BatchNormNetworkMultiOutputRegressionTrainer trainer = TargetExamples.Numbers(_context, options => Try(options));
        BatchNormNetwork network = trainer.Fit(view).Model.Network;
        Assert.HasCount(Trials, network.Trials);
        Assert.AreEqual(1, network.Members.Sum(member => member.Weight), 1e-9);

        BatchNormNetworkMultiLabelTrainer labels = TargetExamples.Labels(_context, options => Try(options));
        view = TargetExamples.View(_context, TargetExamples.Rows(300), nameof(TargetExample.Labels));
        Assert.HasCount(Trials, labels.Fit(view).Model.Network.Trials);
    }

    [TestMethod]
    public void Create_OptionsOfTrialsThatCannotWork_AreRefused()
    {
        (string Option, string Message, Action<BatchNormNetworkOptions> Change)[] cases =
        [
            ("NumberOfTrials", "NumberOfTrials is 0; it must be in [1, 1000].", options => options.NumberOfTrials = 0),
            ("SearchSpace.DropoutRate", "SearchSpace.DropoutRate[1] is 1; it must be in [0, 1).",
                options => options.SearchSpace = new SearchSpace { DropoutRate = [0.5, 1] }),
            ("SearchSpace.LearningRate", "SearchSpace.LearningRate[0] is 0; it must be in (0, 100].",
                options => options.SearchSpace = new SearchSpace { LearningRate = [0] }),
            ("SearchSpace.BatchSize", "SearchSpace.BatchSize is empty;",
                options => options.SearchSpace = new SearchSpace { BatchSize = [] }),
            ("SearchSpace.Activation", "SearchSpace.Activation[0] is 99; it must be one of ReLU,",
                options => options.SearchSpace = new SearchSpace { Activation = [(ActivationFunction)99] }),
            ("NumberOfEnsembleMembers", "NumberOfEnsembleMembers is 9, but NumberOfTrials is 8:",
                options => (options.NumberOfTrials, options.NumberOfEnsembleMembers) = (8, 9)),
            ("NumberOfRestarts", "NumberOfRestarts is 1, and NumberOfTrials is 6:", options => options.NumberOfRestarts = 1),
        ];
        foreach ((string option, string message, Action<BatchNormNetworkOptions> change) in cases)
        {
            var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Trainer(NetworkKind.Binary, change), option);
            Assert.Contains(message, e.Message);
            Assert.AreEqual(option, e.ParamName);
        }
    }

    [TestMethod]
    public void Fit_TrialsThatCannotWork_AreRefused()
    {
        IDataView view = View(NetworkKind.Regression, 100);
        var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>();
        BatchNormNetworkRegressionModelParameters start = _context.Regression.Trainers.BatchNormNetwork(options).Fit(view).Model;
        options.NumberOfTrials = 4;
        Assert.Contains(
            "NumberOfTrials is 4, but training goes on from a model",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _context.Regression.Trainers.BatchNormNetwork(options).Fit(view, null, start)).Message);
        options.ValidationFraction = 0;
        Assert.Contains(
            "NumberOfTrials is 4, which needs rows that the networks were not trained on",
            Assert.ThrowsExactly<InvalidOperationException>(
                () => _context.Regression.Trainers.BatchNormNetwork(options).Fit(view)).Message);

        ITransformer several = Trainer(NetworkKind.Regression).Fit(view);
        BatchNormNetworkRegressionModelParameters mixed = Parameters(several);
        Assert.IsGreaterThan(1, mixed.Network.Members.Select(member => member.Trial).Distinct().Count());
        Assert.Contains(
            "The initial model has networks of",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.Regression.Trainers.BatchNormNetwork(
                new BatchNormNetworkRegressionTrainer.Options()).Fit(view, null, mixed)).Message);
    }

    /// <summary>
    /// Where too few rows judge, or somebody has said how many networks are to be trained, the highest effort trains as without trials.
    /// </summary>
    [TestMethod]
    public void Fit_BestEffort_TriesOnlyWhereThatSaysSomething()
    {
        IDataView view = View(NetworkKind.Regression, 3000);
        const string Few = "Nothing is tried, because too few rows are held out";
        Assert.HasCount(16, NetworkOf(Fit(1000)).Trials);
        Assert.DoesNotContain(line => line.StartsWith(Few, StringComparison.Ordinal), _log);
        ITransformer few = Fit(100);
        Assert.Contains(line => line.StartsWith(Few, StringComparison.Ordinal), _log);
        Assert.IsEmpty(NetworkOf(few).Trials);
        Assert.AreEqual(
            ModelFile.Contents(_context, Fit(100, options => options.NumberOfTrials = 1), view.Schema),
            ModelFile.Contents(_context, few, view.Schema));
        BatchNormNetwork set = NetworkOf(Fit(1000, options => options.NumberOfEnsembleMembers = 2));
        Assert.AreEqual((0, 2), (set.Trials.Count, set.Members.Count));

        ITransformer Fit(int validationRows, Action<BatchNormNetworkOptions>? change = null)
        {
            var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>();
            (options.Effort, options.NumberOfEnsembleMembers, options.HiddenUnits) = (TrainingEffort.Best, null, [8]);
            (options.BatchSize, options.MaximumNumberOfEpochs) = (256, 1);
            change?.Invoke(options);
            return _context.Regression.Trainers.BatchNormNetwork(options).Fit(
                view, NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(validationRows, seed: 2)));
        }
    }

    /// <summary>
    /// Who asks for trials is told that no row is left to judge; a single validation row is one that judges or one that does not.
    /// </summary>
    [TestMethod]
    public void Fit_TrialsWithoutAnyRowThatJudges_AreRefused()
    {
        IDataView view = View(NetworkKind.Regression, 40), one = View(NetworkKind.Regression, 1);
        int tried = 0, refused = 0;
        for (int seed = 1; seed <= 10; seed++)
        {
            var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>();
            (options.NumberOfTrials, options.Seed, options.MaximumNumberOfEpochs) = (2, seed, 1);
            try
            {
                _context.Regression.Trainers.BatchNormNetwork(options).Fit(view, one);
                tried++;
            }
            catch (InvalidOperationException e)
            {
                Assert.Contains("NumberOfTrials is 2, but of 40 training rows none are left to judge trials by.", e.Message);
                refused++;
            }
        }

        Assert.IsTrue(tried > 0 && refused > 0, $"{tried}, {refused}");
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(1)]
    public void Fit_SearchSpaceWithoutTrials_Warns(int? trials)
    {
        Trainer(NetworkKind.Regression, options => options.NumberOfTrials = 2).Fit(View(NetworkKind.Regression, 60));
        Assert.DoesNotContain(line => line.StartsWith("SearchSpace is set and has no effect", StringComparison.Ordinal), _log);
        Trainer(NetworkKind.Regression, options => options.NumberOfTrials = trials).Fit(View(NetworkKind.Regression, 60));
        Assert.Contains(line => line.StartsWith("SearchSpace is set and has no effect: nothing is tried.", StringComparison.Ordinal), _log);
    }

    private static string Text(BatchNormNetworkTrial trial) => string.Join(
        "; ", trial.Number, string.Join(",", trial.HiddenUnits), trial.Activation, trial.Placement, trial.DropoutRate, trial.BatchSize,
        trial.MaximumNumberOfEpochs, trial.LearningRate, trial.WeightDecay, trial.NumberOfInputPieces, trial.LabelSmoothing,
        trial.NumberOfTrainedNetworks, trial.Score, trial.Weight);

    private IDataView View(NetworkKind kind, int rows) => NetworkExamples.View(_context, kind, NetworkExamples.Rows(rows));

    private IEstimator<ITransformer> Trainer(NetworkKind kind, Action<BatchNormNetworkOptions>? change = null) =>
        NetworkExamples.Quick(_context, kind, options => Try(options, change));

    private static void Try(BatchNormNetworkOptions options, Action<BatchNormNetworkOptions>? change = null)
    {
        (options.HiddenUnits, options.BatchSize, options.NumberOfInputPieces, options.NumberOfEnsembleMembers) = (null, null, null, null);
        options.MaximumNumberOfEpochs = 3;
        options.NumberOfTrials = Trials;
        options.SearchSpace = new SearchSpace { NumberOfUnits = [6, 12], NumberOfHiddenLayers = [1, 2] };
        change?.Invoke(options);
    }

    private static BatchNormNetwork NetworkOf(ITransformer model) => model switch
    {
        BinaryPredictionTransformer<Microsoft.ML.Calibrators.CalibratedModelParametersBase<
            BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>> binary => binary.Model.SubModel.Network,
        MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters> several => several.Model.Network,
        _ => Parameters(model).Network,
    };

    private static BatchNormNetworkRegressionModelParameters Parameters(ITransformer model) =>
        (BatchNormNetworkRegressionModelParameters)((ISingleFeaturePredictionTransformer<object>)model).Model;

    private sealed class Grouped
    {
        [VectorType(4)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public int Group { get; set; }
    }

    private sealed class Handler(Action<TrainingProgress> handle) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => handle(value);
    }
}
