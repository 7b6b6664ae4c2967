using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Tests.Distribution;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What is drawn for a trial depends on the seed, its number and what is left open, and on no other trial.</summary>
[TestClass]
public sealed class TrialDrawingTests
{
    private readonly MLContext _context = new(1);

    /// <summary>
    /// Whether features enter through a projection is one decision for all trials: with a normalized input among what may be drawn none
    /// has one, whatever it draws itself and whichever was planned first.
    /// </summary>
    [TestMethod]
    public void Fit_Placements_DoNotChangeWhatOtherTrialsRead()
    {
        var random = new Random(1);
        Words[] rows = [.. Enumerable.Range(0, 200).Select(_ =>
        {
            var row = new Words { Label = random.NextSingle() };
            for (int i = 0; i < 30; i++)
                row.Features[random.Next(Words.Slots)] = 1;
            return row;
        })];
        NetworkTraining[] mixed = Trainings(BatchNormalizationPlacement.LayerInput, BatchNormalizationPlacement.BeforeActivation);
        Assert.HasCount(2, mixed.Select(training => training.Definition.Placement).Distinct().ToArray());
        Assert.IsTrue(mixed.All(training => training.Encoder.Part<SparseSlots>() is null));
        Assert.IsTrue(
            Trainings(BatchNormalizationPlacement.BeforeActivation).All(training => training.Encoder.Part<SparseSlots>() is not null),
            "These rows are not projected, and the test shows nothing.");

        NetworkTraining[] Trainings(params BatchNormalizationPlacement[] placements)
        {
            var seen = new List<NetworkTraining>();
            Trainer(options =>
            {
                (options.NumberOfTrials, options.MaximumNumberOfEpochs) = (8, 1);
                options.SearchSpace = new SearchSpace { Placement = placements, NumberOfUnits = [4] };
                options.TrainingRunner = new WatchedRunner(trainings => seen.AddRange(trainings.Trainings));
            }).Fit(_context.Data.LoadFromEnumerable(rows));
            return [.. seen];
        }
    }

    /// <summary>An option that is set changes nothing of what is drawn for the others.</summary>
    [TestMethod]
    public void Fit_AnOptionThatIsSet_LeavesTheOtherDrawsAlone()
    {
        IDataView view = View(60);
        string[] free = Draws(_ => { });
        string[] set = Draws(options => (options.Activation, options.Placement, options.DropoutRate) =
            (ActivationFunction.SiLU, BatchNormalizationPlacement.AfterActivation, 0.25));
        CollectionAssert.AreEqual(free, set);
        CollectionAssert.AreNotEqual(free, Draws(options => options.Seed = 12), "Other draws would have gone unnoticed.");

        string[] Draws(Action<BatchNormNetworkOptions> change)
        {
            BatchNormNetwork network = Trainer(options =>
            {
                (options.NumberOfTrials, options.MaximumNumberOfEpochs) = (12, null);
                options.SearchSpace!.MaximumNumberOfEpochs = [1, 2];
                change(options);
            }).Fit(view).Model.Network;
            return [.. network.Trials.Skip(1).Select(trial => string.Join(
                "; ", string.Join(",", trial.HiddenUnits), trial.BatchSize, trial.MaximumNumberOfEpochs, trial.LearningRate,
                trial.WeightDecay, trial.NumberOfInputPieces))];
        }
    }

    /// <summary>
    /// Without a space of one's own the first trials train longer, with finer pieces, and are trained to their last network whatever the
    /// first says of them; what is set stays; a space of one's own has no such trials, nor have few rows.
    /// </summary>
    [TestMethod]
    public void Fit_FirstTrials_TrainLongerAndAreNotGivenUp()
    {
        IReadOnlyList<BatchNormNetworkTrial> free = Trials(options => options.DropoutRate = null);
        int usual = free[0].MaximumNumberOfEpochs, longer = Math.Min(3 * usual, 108);
        Assert.IsGreaterThan(usual, longer);
        Assert.AreEqual((usual, 32, 0.1), Drawn(free[0]));
        Assert.AreEqual((longer, 128, 0.0), Drawn(free[1]));
        Assert.AreEqual((longer, 128, 0.1), Drawn(free[2]));
        Assert.AreEqual((longer, 64, 0.05), Drawn(free[3]));
        Assert.IsTrue(free.Take(3).All(trial => trial.NumberOfTrainedNetworks == 4));
        Assert.Contains(trial => trial.NumberOfTrainedNetworks < 4, free);

        IReadOnlyList<BatchNormNetworkTrial> own = Trials(options => options.SearchSpace = new SearchSpace { MaximumNumberOfEpochs = [5] });
        Assert.IsTrue(own.Skip(1).All(trial => trial.MaximumNumberOfEpochs == 5));
        Assert.AreNotEqual((longer, 128, 0.0), Drawn(Trials(_ => { }, rows: 60)[1]));

        // Where a direction leads nowhere the next trial draws.
        IReadOnlyList<BatchNormNetworkTrial> set = Trials(options =>
            (options.DropoutRate, options.NumberOfInputPieces, options.MaximumNumberOfEpochs) = (0.3, 8, 2));
        Assert.IsTrue(set.All(trial => Drawn(trial) == (2, 8, 0.3)));
        Assert.IsGreaterThan(3, set.Skip(1).Select(trial => trial.LearningRate).Distinct().Count());

        IReadOnlyList<BatchNormNetworkTrial> Trials(Action<BatchNormNetworkOptions> change, int rows = 3_200) => Trainer(options =>
        {
            (options.NumberOfTrials, options.SearchSpace, options.DropoutRate) = (9, null, null);
            (options.MaximumNumberOfEpochs, options.HiddenUnits, options.BatchSize) = (null, [2], 400);
            options.Effort = TrainingEffort.Best;
            change(options);
        }).Fit(View(rows)).Model.Network.Trials;

        static (int, int, double) Drawn(BatchNormNetworkTrial trial) =>
            (trial.MaximumNumberOfEpochs, trial.NumberOfInputPieces, trial.DropoutRate);
    }

    /// <summary>One of the first trials has one more layer; where dropout and pieces are set, the first two would be the same.</summary>
    [TestMethod]
    public void Fit_FirstTrials_DifferInLayersToo()
    {
        CollectionAssert.AreEqual(new[] { "256, 128", "256, 128", "256, 128", "256, 128, 128" }, Layers(_ => { }, 4));
        CollectionAssert.AreEqual(
            new[] { "256, 128", "256, 128", "256, 128, 128" },
            Layers(options => (options.DropoutRate, options.NumberOfInputPieces) = (0.3, 8), 3));

        string[] Layers(Action<BatchNormNetworkOptions> change, int trials)
        {
            NetworkTraining[] seen = [];
            BatchNormNetworkRegressionTrainer trainer = Trainer(options =>
            {
                (options.NumberOfTrials, options.SearchSpace, options.DropoutRate) = (trials, null, null);
                options.MaximumNumberOfEpochs = null;
                options.TrainingRunner = new WatchedRunner(trainings =>
                {
                    seen = [.. trainings.Trainings];
                    throw new NotSupportedException("All that is to be known is known.");
                });
                change(options);
            });
            Assert.Throws<Exception>(() => trainer.Fit(View(3_200)));
            return
            [
                .. seen.OrderBy(training => training.Number.Trial).Select(training => string.Join(", ", training.Definition.HiddenUnits)),
            ];
        }
    }

    /// <summary>Batches stay in the bounds of the usual one: 32 of tables, fewer of pictures whose maps take all memory.</summary>
    [TestMethod]
    public void BatchesAround_StayWithinBounds()
    {
        CollectionAssert.AreEqual(new[] { 64, 128, 256 }, TrialDrawing.BatchesAround(128, 0));
        CollectionAssert.AreEqual(new[] { 32, 32, 64 }, TrialDrawing.BatchesAround(32, 0));
        CollectionAssert.AreEqual(new[] { 8, 8, 8 }, TrialDrawing.BatchesAround(8, AutomaticOptions.LargestMapOfBatch / 8));
        CollectionAssert.AreEqual(new[] { 32, 64, 100 }, TrialDrawing.BatchesAround(64, AutomaticOptions.LargestMapOfBatch / 100));
    }

    /// <summary>Of rows in a file only those that judge are kept; where errors are measured too, half of them.</summary>
    [TestMethod]
    public void JudgedRows_OfAFile_AreATableOfTheirOwn()
    {
        int files = 0;
        Trainer(options =>
        {
            (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs, options.NumberOfTrials) = (1, 1000, 1, 2);
            options.TrainingRunner = new WatchedRunner(trainings =>
            {
                NetworkTraining training = trainings.Trainings[0];
                files += training.Rows.IsSpilled ? 1 : 0;
                var judged = new JudgedRows(training, 100, measuresErrors: false, CancellationToken.None);
                Assert.AreEqual((100, 100), (judged.Count, judged.Table!.Rows));
                var all = new JudgedRows(training, int.MaxValue, measuresErrors: false, CancellationToken.None);
                var half = new JudgedRows(training, int.MaxValue, measuresErrors: true, CancellationToken.None);
                Assert.IsInRange(0.45, 0.55, half.Count / (double)all.Count);
                Assert.IsEmpty(half.Hashes.Except(all.Hashes));
            });
        }).Fit(View(40_000));
        Assert.IsGreaterThan(0, files);
    }

    private IDataView View(int rows) => NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(rows));

    private BatchNormNetworkRegressionTrainer Trainer(Action<BatchNormNetworkOptions> change) =>
        _context.Regression.Trainers.BatchNormNetwork(NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
        {
            (options.HiddenUnits, options.BatchSize) = (null, null);
            (options.NumberOfInputPieces, options.NumberOfEnsembleMembers) = (null, null);
            options.SearchSpace = new SearchSpace { NumberOfUnits = [6, 12], NumberOfHiddenLayers = [1, 2] };
            change(options);
        }));

    private sealed class Words
    {
        public const int Slots = 3000;

        [VectorType(Slots)]
        public float[] Features { get; set; } = new float[Slots];

        public float Label { get; set; }
    }

    /// <summary>Shows the trainings before they are run.</summary>
    private sealed class WatchedRunner(Action<FitTrainings> watch) : TrainingRunner
    {
        public override void Run(FitTrainings trainings, CancellationToken cancellation)
        {
            watch(trainings);
            new BytesRunner { SharesRows = true }.Run(trainings, cancellation);
        }
    }
}
