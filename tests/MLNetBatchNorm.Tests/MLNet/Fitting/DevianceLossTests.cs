using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Distribution;
using Trained = Microsoft.ML.Data.RegressionPredictionTransformer<MLNetBatchNorm.BatchNormNetworkRegressionModelParameters>;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Losses of counts, amounts and quantiles through a whole <c>Fit</c>.</summary>
[TestClass]
public sealed class DevianceLossTests
{
    private const int Slots = 6;

    /// <summary>Rows of 6 features, a label and a weight that come to more than a megabyte.</summary>
    private const int RowsBeyondTheBudget = 40_000;

    private readonly MLContext _context = new(1);
    private readonly SpillLog _spill;

    public DevianceLossTests() => _spill = new SpillLog(_context);

    private sealed class Row
    {
        [VectorType(Slots)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public float Weight { get; set; } = 1;
    }

    public static IEnumerable<object[]> Forms => [["dense"], ["sparse"], ["spilled"]];

    /// <summary>Counts over unlike spans, as rates with the span as weight: totals are right, also of parts of the rows.</summary>
    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Poisson_OfRatesWeightedBySpan_PredictsTheTotals(string form)
    {
        Row[] training = Counts(1, form == "spilled" ? RowsBeyondTheBudget : 12_000), others = Counts(2, 12_000);
        Trained model = Fit(form, training, new PoissonLoss());
        Assert.AreEqual(form == "spilled", _spill.HasSpilled, form);
        float[] scores = Scores(model, form, others);
        double Total(Func<Row, bool> of) => others.Zip(scores).Where(row => of(row.First)).Sum(row => row.First.Weight * row.Second);
        double Truth(Func<Row, bool> of) => others.Where(of).Sum(row => row.Weight * Rate(row.Features));

        double observed = training.Sum(row => (double)row.Weight * row.Label);
        // How many events the training rows happened to have, of as many as were to be expected.
        double chance = observed / training.Sum(row => row.Weight * Rate(row.Features));

        Assert.AreEqual(chance, Total(_ => true) / Truth(_ => true), 0.015, form);
        // Half of the training rows have some 3,900 events, whose number has a standard error of 1.6%.
        Assert.AreEqual(chance, Total(row => row.Features[0] > 0) / Truth(row => row.Features[0] > 0), 0.05, form);
        Assert.IsTrue(scores.All(score => score > 0));
        float[] onTraining = Scores(model, form, training);
        double predicted = training.Zip(onTraining, (row, score) => (double)row.Weight * score).Sum();
        // A network has not trained on the rows it was validated on, which are of all rows.
        Assert.AreEqual(1, predicted / observed, 0.01, form);
        TrainingHistory history = model.Model.Network.Members[0].TrainingHistory;
        Assert.IsGreaterThan(0.05, history.Epochs[history.BestEpoch - 1].ValidationMetric!.Value,
            "nothing was learned; the test shows nothing");
    }

    /// <summary>Labels that are all equal, in any unit: nothing that a network learns of noise may move them.</summary>
    [TestMethod]
    [DataRow("dense", 7f)]
    [DataRow("dense", 0f)]
    [DataRow("dense", 1e-6f)]
    [DataRow("dense", 0.1f)]
    [DataRow("sparse", 5000f)]
    [DataRow("spilled", 3f)]
    [DataRow("elsewhere", 0.7f)]
    [DataRow("intervals", 7f)]
    public void EqualLabels_ArePredictedExactly(string form, float label)
    {
        Row[] training = Counts(1, form == "spilled" ? RowsBeyondTheBudget : 300), others = Counts(2, 200);
        foreach (Row row in training)
            row.Label = label;
        foreach (RegressionLoss loss in new RegressionLoss[] { new PoissonLoss(), new TweedieLoss(), new QuantileLoss { Level = 0.9 } })
        {
            Trained model = Fit(form, training, loss);
            CollectionAssert.AreEqual(
                new[] { label }, Scores(model, form, others).Distinct().ToArray(), $"{loss.GetType().Name}, {form}, {label}");
            if (form != "intervals")
                continue;
            IDataView scored = model.Transform(View(form, others));
            Assert.IsTrue(scored.GetColumn<float>("ScoreLowerBound").Concat(scored.GetColumn<float>("ScoreUpperBound"))
                .All(bound => bound == label));
        }
        Assert.AreEqual(form == "spilled", _spill.HasSpilled);

        training[3].Label = label + 1;
        Assert.IsGreaterThan(10, Scores(Fit(form, training, new PoissonLoss()), form, others).Distinct().Count(), "the test shows nothing");
    }

    /// <summary>Powers of two change no digit of what is learned: predictions are the same in the other unit, to the last bit.</summary>
    [TestMethod]
    [DataRow("dense", -100)]
    [DataRow("dense", 100)]
    [DataRow("sparse", 120)]
    [DataRow("elsewhere", -90)]
    public void Predictions_InAnotherUnit_AreTheSame(string form, int power)
    {
        float unit = MathF.ScaleB(1, power);
        Row[] rows = Counts(1, 400), others = Counts(2, 200), scaled = Counts(1, 400);
        foreach (Row row in scaled)
            row.Label *= unit;
        foreach (RegressionLoss loss in new RegressionLoss[] { new PoissonLoss(), new TweedieLoss(), new QuantileLoss { Level = 0.9 } })
        {
            float[] expected = Scores(Fit("dense", rows, loss), "dense", others), found = Scores(Fit(form, scaled, loss), form, others);
            CollectionAssert.AreEqual(expected.Select(score => score * unit).ToArray(), found, loss.Name);
            Assert.IsGreaterThan(100, expected.Distinct().Count());
        }
    }

    /// <summary>The mean of logarithms would be a geometric mean, which is below.</summary>
    [TestMethod]
    public void Scores_OfAnEnsemble_AreTheMeansOfTheNetworksPredictions()
    {
        Trained model = Fit("dense", Counts(1, 2000), new PoissonLoss());
        Row[] others = Counts(2, 300);
        float[] features = [.. others.SelectMany(row => row.Features)];
        float[][] ofMembers = [.. model.Model.Network.Members.Select(member =>
        {
            float[] scores = new float[others.Length];
            member.Score(features, others.Length, scores);
            return scores;
        })];
        float[] block = new float[others.Length], threaded = new float[others.Length];
        model.Model.Score(features, others.Length, block);
        model.Model.Score(features, others.Length, threaded, 3);
        float[] single = Scores(model, "dense", others);

        CollectionAssert.AreEqual(block, single);
        CollectionAssert.AreEqual(block, threaded);
        double largest = 0;
        for (int row = 0; row < others.Length; row++)
        {
            double mean = ofMembers.Average(scores => (double)scores[row]);
            Assert.AreEqual(mean, block[row], 1e-5 * mean);
            largest = Math.Max(largest, 1 - Math.Exp(ofMembers.Average(scores => Math.Log(scores[row]))) / mean);
        }

        Assert.IsGreaterThan(1e-3, largest, "the networks agree; the test cannot tell the means apart");
    }

    /// <summary>Contributions are of the prediction in label units, which is no sum of logarithms.</summary>
    [TestMethod]
    public void Contributions_OfALogLink_AddUpToTheScore()
    {
        Trained model = Fit("dense", Counts(1, 2000), new PoissonLoss());
        Row[] others = Counts(2, 50);
        float[] scores = Scores(model, "dense", others), contributions = new float[Slots * others.Length];
        model.Model.GetFeatureContributions([.. others.SelectMany(row => row.Features)], others.Length, contributions);
        for (int row = 0; row < others.Length; row++)
        {
            double sum = contributions.AsSpan(row * Slots, Slots).ToArray().Sum(value => (double)value);
            Assert.AreEqual(scores[row], model.Model.FeatureContributionBase[0] + sum, 1e-4 * scores[row]);
        }
    }

    [TestMethod]
    public void Model_OfEachLoss_ComesBackFromItsFile()
    {
        Row[] rows = Counts(1, 400);
        foreach (RegressionLoss loss in new RegressionLoss[] { new PoissonLoss(), new TweedieLoss { Power = 1.7 },
            new QuantileLoss { Level = 0.8 } })
        {
            Trained model = Fit("dense", rows, loss);
            using var file = new MemoryStream();
            _context.Model.Save(model, View("dense", rows).Schema, file);
            file.Position = 0;
            ITransformer loaded = new MLContext(2).Model.Load(file, out _);
            CollectionAssert.AreEqual(Scores(model, "dense", rows), Scores(loaded, "dense", rows), loss.Name);
        }
    }

    /// <summary>Labels without a unit: of counts a thousand times as large the predictions are, too.</summary>
    [TestMethod]
    public void Tweedie_InAnotherUnit_PredictsTheSame()
    {
        Row[] rows = Counts(1, 1000), large = [.. Counts(1, 1000)];
        foreach (Row row in large)
            row.Label *= 1024;
        Trained plain = Fit("dense", rows, new TweedieLoss()), scaled = Fit("dense", large, new TweedieLoss());
        CollectionAssert.AreEqual(Scores(plain, "dense", rows).Select(score => 1024 * score).ToArray(), Scores(scaled, "dense", rows));
        // The deviance grows with the unit to the power of 2 - 1.5.
        double Loss(Trained model) => model.Model.Network.Members[0].TrainingHistory.Epochs[0].TrainingLoss;
        Assert.AreEqual(32, Loss(scaled) / Loss(plain), 1e-6);
    }

    [TestMethod]
    public void Quantile_HasItsPartOfTheLabelsBelow()
    {
        Row[] training = Counts(1, 6000), others = Counts(2, 6000);
        foreach (Row[] rows in new[] { training, others })
        {
            var random = new Random(rows == others ? 5 : 6);
            foreach (Row row in rows)
                (row.Label, row.Weight) = (row.Features[0] + (1.5f + row.Features[1]) * random.NextSingle(), 1);
        }

        foreach (double level in new[] { 0.2, 0.9 })
        {
            float[] scores = Scores(Fit("dense", training, new QuantileLoss { Level = level }), "dense", others);
            foreach (bool wide in new[] { false, true })
            {
                bool[] below = [.. others.Zip(scores).Where(row => row.First.Features[1] > 0 == wide).Select(row =>
                    row.First.Label < row.Second)];
                Assert.AreEqual(level, below.Count(b => b) / (double)below.Length, 0.04, $"level {level}, wide {wide}");
            }
        }
    }

    [TestMethod]
    public void Fit_NegativeLabelForALogarithm_IsRefused()
    {
        Row[] rows = Counts(1, 50);
        rows[17].Label = -2;
        foreach ((RegressionLoss loss, string name) in new (RegressionLoss, string)[]
        {
            (new PoissonLoss(), "Poisson's deviance"), (new TweedieLoss(), "Tweedie's deviance"),
        })
        {
            var error = Assert.ThrowsExactly<InvalidOperationException>(() => Fit("dense", rows, loss));
            Assert.Contains($"Label column 'Label' is -2 in row 17. A label must be a finite number from 0 up for {name};", error.Message);
        }

        Fit("dense", rows, new QuantileLoss());
    }

    [TestMethod]
    public void Fit_LabelsThatAreAllZero_PredictsZero()
    {
        Row[] rows = Counts(1, 100);
        foreach (Row row in rows)
            row.Label = 0;
        Assert.IsTrue(Scores(Fit("dense", rows, new PoissonLoss()), "dense", rows).All(score => score == 0));
    }

    [TestMethod]
    public void Fit_GoingOnFromAnotherLoss_IsTakenWhereOutputsMeanTheSame()
    {
        Row[] rows = Counts(1, 2000);
        Trained poisson = Fit("dense", rows, new PoissonLoss()), squared = Fit("dense", rows, new SquaredLoss());
        Trained tweedie = Trainer("dense", new TweedieLoss()).Fit(View("dense", rows), null, poisson.Model);
        Assert.AreEqual(poisson.Model.LabelDeviation, tweedie.Model.LabelDeviation);
        Trainer("dense", new QuantileLoss()).Fit(View("dense", rows), null, squared.Model);

        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Trainer("dense", new PoissonLoss()).Fit(View("dense", rows), null, squared.Model));
        Assert.StartsWith(
            "The initial model was trained with squared error, whose outputs are labels; Loss is Poisson's deviance, whose outputs are "
            + "logarithms of labels. Give a model that was trained with a loss of the same kind, or none.", error.Message);
        error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => Trainer("dense", new SquaredLoss()).Fit(View("dense", rows), null, tweedie.Model));
        Assert.Contains("Tweedie's deviance, whose outputs are logarithms of labels; Loss is squared error", error.Message);
    }

    private Trained Fit(string form, Row[] rows, RegressionLoss loss) => Trainer(form, loss).Fit(View(form, rows));

    private BatchNormNetworkRegressionTrainer Trainer(string form, RegressionLoss loss) =>
        _context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            Loss = loss,
            HiddenUnits = [32, 16],
            MaximumNumberOfEpochs = 12,
            NumberOfEnsembleMembers = form == "spilled" ? 1 : 4,
            ExampleWeightColumnName = nameof(Row.Weight),
            MemoryBudgetInMegabytes = form == "spilled" ? 1 : 100,
            TrainingRunner = form == "elsewhere" ? new BytesRunner() : null,
            IntervalLevels = form == "intervals" ? [0.8] : [],
            Seed = 1,
        });

    private IDataView View(string form, Row[] rows)
    {
        IDataView view = _context.Data.LoadFromEnumerable(rows);
        return form == "sparse" ? new SparseView(view, nameof(Row.Features)) : view;
    }

    private float[] Scores(ITransformer model, string form, Row[] rows) => [.. model.Transform(View(form, rows)).GetColumn<float>("Score")];

    /// <summary>Events per unit of span.</summary>
    private static double Rate(float[] features) => Math.Exp(-1 + 0.8 * features[0] + 0.4 * Math.Sin(3 * features[1]));

    /// <summary>Rates whose counts are Poisson's over spans between a tenth and 2.</summary>
    private static Row[] Counts(int seed, int count)
    {
        var random = new Random(seed);
        var rows = new Row[count];
        for (int i = 0; i < count; i++)
        {
            float[] features = [.. Enumerable.Range(0, Slots).Select(_ => 2 * random.NextSingle() - 1)];
            float span = 0.1f + 1.9f * random.NextSingle();
            double limit = Math.Exp(-Rate(features) * span), product = random.NextDouble();
            int events = 0;
            for (; product > limit; events++)
                product *= random.NextDouble();
            rows[i] = new Row { Features = features, Label = events / span, Weight = span };
        }

        return rows;
    }
}
