using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using Trained = Microsoft.ML.Data.RegressionPredictionTransformer<MLNetBatchNorm.BatchNormNetworkRegressionModelParameters>;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Labels in any unit and at any distance from zero: predictions are as good as those of labels around zero.</summary>
[TestClass]
public sealed class LabelScaleTests
{
    private const int Slots = 40;
    private const int RowsBeyondTheBudget = 8000;

    private readonly MLContext _context = new(1);
    private readonly SpillLog _spill;

    public LabelScaleTests() => _spill = new SpillLog(_context);

    private sealed class Row
    {
        [VectorType(Slots)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public float Weight { get; set; } = 1;
    }

    /// <summary>How rows come, each of which is learned from in another way.</summary>
    public static IEnumerable<object[]> Forms => [["dense"], ["sparse"], ["weighted"], ["spilled"], ["ensemble"], ["Huber"]];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Predictions_OfLabelsFarFromZero_AreAsGoodAsTheHistorySays(string form)
    {
        // The last place of a float is 1 at 1E7 and 128 at 1.6E9.
        foreach ((float offset, float deviation) in new[] { (1e7f, 10f), (-1e7f, 10f), (1.6e9f, 3000f), (5.2e6f, 500f), (-3e-30f, 1e-33f) })
        {
            IDataView rows = View(form, 1, x => offset + deviation * x, Count(form));
            Trained model = Fit(form, rows);
            Assert.AreEqual(form == "spilled", _spill.HasSpilled, form);
            TrainingHistory history = model.Model.Network.Members[0].TrainingHistory;
            double said = history.Epochs[history.BestEpoch - 1].ValidationMetric!.Value;

            Assert.IsGreaterThan(0.9, said, $"{form}, {offset}: not learned; the test shows nothing");
            Assert.IsGreaterThan(said - 0.05, RSquared(model, View(form, 2, x => offset + deviation * x, 1000)), $"{form}, {offset}");
        }
    }

    /// <summary>
    /// A network does not notice the unit: of labels 2^k times as large the predictions are 2^k times as large, to the last bit.
    /// </summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("sparse")]
    [DataRow("ensemble")]
    public void Predictions_InAnotherUnit_AreTheSame(string form)
    {
        float[] plain = Scores(Fit(form, View(form, 1, x => x, 1000)), View(form, 2, x => x, 200));
        foreach (double unit in new[] { Math.ScaleB(1, 100), Math.ScaleB(1, -100), 1024 })
        {
            float[] scaled = Scores(Fit(form, View(form, 1, x => (float)(x * unit), 1000)), View(form, 2, x => x, 200));
            CollectionAssert.AreEqual(plain.Select(score => (float)(score * unit)).ToArray(), scaled, $"{form}, unit {unit}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Predictions_OfEqualLabels_AreThatNumber(string form)
    {
        foreach (float label in new[] { 0f, 1e-6f, 0.1f, -5000f, 16777217f, 3e38f, -float.MaxValue, float.Epsilon, 1e-40f })
        {
            int count = form == "spilled" ? RowsBeyondTheBudget : 50;
            float[] scores = Scores(Fit(form, View(form, 1, _ => label, count)), View(form, 2, _ => label, 100));
            Assert.IsTrue(scores.All(score => score == label), $"{form}: {scores.Min()} to {scores.Max()} instead of {label}");
        }
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(10)]
    public void Predictions_OfFewEqualLabels_AreThatNumber(int rows)
    {
        float[] scores = Scores(Fit("dense", View("dense", 1, _ => 0.1f, rows)), View("dense", 2, _ => 0.1f, 100));
        Assert.IsTrue(scores.All(score => score == 0.1f));
    }

    /// <summary>The losses that are told are those of the predictions, which equal labels of the training rows make constant.</summary>
    [TestMethod]
    public void History_OfEqualLabels_IsThatOfTheirPrediction()
    {
        var options = Options("dense");
        options.ValidationSet = View("dense", 2, x => 7 + x, 500);
        IDataView rows = View("dense", 1, _ => 7, 100);
        TrainingHistory history = _context.Regression.Trainers.BatchNormNetwork(options).Fit(rows).Model.Network.Members[0].TrainingHistory;
        double expected = options.ValidationSet.GetColumn<float>("Label").Average(label => Math.Pow(label - 7, 2));

        Assert.AreEqual(0, history.Epochs[^1].TrainingLoss);
        Assert.AreEqual(expected, history.Epochs[^1].ValidationLoss!.Value, 1e-5 * expected);
    }

    /// <summary>Sums over units and networks stay far below the largest float, however large labels are.</summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("sparse")]
    [DataRow("ensemble")]
    public void Predictions_OfLabelsNearTheLargestFloat_AreFinite(string form)
    {
        foreach (float largest in new[] { 3e37f, 5e37f, -5e37f, 1e38f })
        {
            IDataView rows = View(form, 1, x => largest * x / 3, 1000);
            Trained model = Fit(form, rows);
            float[] scores = Scores(model, rows);

            Assert.IsTrue(scores.All(float.IsFinite), $"{form}, {largest}");
            Assert.IsGreaterThan(0.9, RSquared(model, rows), $"{form}, {largest}");
        }
    }

    [TestMethod]
    public void Predictions_BeyondTheLargestFloat_AreTheLargest()
    {
        IDataView rows = View("dense", 1, x => x > 0 ? float.MaxValue : -float.MaxValue, 1000);
        float[] scores = Scores(Fit("dense", rows), View("dense", 2, x => x, 500));

        Assert.IsTrue(scores.All(float.IsFinite));
        Assert.Contains(float.MaxValue, scores);
        Assert.Contains(-float.MaxValue, scores);
    }

    /// <summary>
    /// Labels below the smallest normal float are learned as well; a score can be told apart as finely as such floats are.
    /// </summary>
    [TestMethod]
    [DataRow(1e-36f, 0.9)]
    [DataRow(1e-39f, 0.9)]
    public void Predictions_OfLabelsNearTheSmallestFloat_AreGood(float unit, double least)
    {
        IDataView rows = View("dense", 1, x => unit * x, 1000);
        Assert.IsGreaterThan(least, RSquared(Fit("dense", rows), rows));
    }

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Score_RowByRow_InBlocksAndByThreads_HasTheSameBits(string form)
    {
        Trained model = Fit(form, View(form, 1, x => 1e7f + 10 * x, Count(form)));
        IDataView rows = View(form, 2, x => x, 1000);
        float[] expected = Scores(model, rows);
        float[] features = [.. rows.GetColumn<float[]>("Features").SelectMany(row => row)];
        float[] block = new float[1000], threads = new float[1000];
        model.Model.Score(features, 1000, block);
        model.Model.Score(features, 1000, threads, 3);

        CollectionAssert.AreEqual(expected, block);
        CollectionAssert.AreEqual(expected, threads);
        using var saved = new MemoryStream();
        _context.Model.Save(model, rows.Schema, saved);
        saved.Position = 0;
        CollectionAssert.AreEqual(expected, new MLContext(2).Model.Load(saved, out _).Transform(rows).GetColumn<float>("Score").ToArray());
    }

    [TestMethod]
    public void LabelMeanAndDeviation_MakePredictionsOfOutputs()
    {
        IDataView rows = View("dense", 1, x => 1000 + 20 * x, 1000);
        BatchNormNetworkRegressionModelParameters model = Fit("dense", rows).Model;
        float[] labels = [.. rows.GetColumn<float>("Label")];
        double mean = labels.Average(label => (double)label), deviation = Math.Sqrt(labels.Average(label => Math.Pow(label - mean, 2)));

        Assert.AreEqual(mean, model.LabelMean, 1e-9 * mean);
        Assert.AreEqual(deviation, model.LabelDeviation, 1e-9 * deviation);
        Assert.AreEqual(0, Fit("dense", View("dense", 1, _ => 7, 50)).Model.LabelDeviation);
    }

    /// <summary>Going on keeps the unit of the labels: a batch whose labels say nothing of it neither diverges nor is far off.</summary>
    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void WarmStart_WithLabelsThatSayNothingOfTheUnit_KeepsIt(string form)
    {
        Trained first = Fit(form, View(form, 1, x => 1000 * x, Count(form)));
        int few = form == "spilled" ? RowsBeyondTheBudget : 100;
        foreach ((string what, Func<float, float> label) in new (string, Func<float, float>)[]
        {
            ("labels of 0.1", _ => 0.1f), ("labels of 3000", _ => 3000), ("labels of 3000 to 3000.01", x => 3000 + 0.003f * x),
            ("labels of -1E7", _ => -1e7f), ("labels like before", x => 1000 * x),
        })
        {
            IDataView batch = View(form, 3, label, few);
            Trained second = Trainer(form).Fit(batch, null, first.Model);
            Trained third = Trainer(form).Fit(batch, null, second.Model);
            double before = Error(first, batch), once = Error(second, batch), twice = Error(third, batch);

            if (what is "labels of 0.1" or "labels like before")
                Assert.AreEqual(first.Model.LabelMean, third.Model.LabelMean);
            Assert.AreEqual(first.Model.LabelDeviation, third.Model.LabelDeviation);
            Assert.IsLessThan(600, once, $"{form}, {what}: {before}, then {once}");
            Assert.IsLessThan(Math.Max(1.1 * once, 400), twice, $"{form}, {what}: {once}, then {twice}");
            Assert.IsLessThan(Math.Max(before, 400), once, $"{form}, {what}: {before}, then {once}");
        }
    }

    /// <summary>Labels that are all farther away than training reaches are met at once, by one number that is added.</summary>
    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void WarmStart_WithLabelsFarAway_MovesAllPredictions(string form)
    {
        Trained first = Fit(form, View(form, 1, x => 1000 * x, Count(form)));
        int few = form == "spilled" ? RowsBeyondTheBudget : 100;
        double usual = Error(first, View(form, 3, x => 1000 * x, few));
        foreach (float offset in new[] { 2500, -5000, 1e6f, -3e9f })
        {
            IDataView batch = View(form, 3, x => offset + 1000 * x, few);
            BatchNormNetworkRegressionTrainer.Options options = Options(form);
            options.LearningRate = 1e-7;
            Trained second = _context.Regression.Trainers.BatchNormNetwork(options).Fit(batch, null, first.Model);

            Assert.AreEqual(first.Model.LabelMean + offset, second.Model.LabelMean, usual + 1e-7 * Math.Abs(offset), $"{form}, {offset}");
            Assert.AreEqual(first.Model.LabelDeviation, second.Model.LabelDeviation);
            // Of labels of 1E9 a float keeps hundreds.
            Assert.IsLessThan(1.3 * usual + 1e-7 * Math.Abs(offset), Error(second, batch), $"{form}, {offset}");
        }
    }

    /// <summary>Labels of a unit a thousand times as large, which usual steps would not reach, are learned in their unit.</summary>
    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void WarmStart_WithLabelsOfALargerUnit_TakesIt(string form)
    {
        Trained first = Fit(form, View(form, 1, x => 1000 * x, Count(form)));
        foreach (float offset in new[] { 0, 1e8f })
        {
            IDataView batch = View(form, 3, x => offset + 1e6f * x, Count(form));
            Trained second = Trainer(form).Fit(batch, null, first.Model);

            Assert.AreEqual(1000, second.Model.LabelDeviation / first.Model.LabelDeviation, 150, $"{form}, {offset}");
            Assert.IsGreaterThan(0.8, RSquared(second, batch), $"{form}, {offset}");
        }
    }

    /// <summary>Only where most labels are far from predictions are these moved: not for a few wild ones, nor for foreseen ones.</summary>
    [TestMethod]
    public void WarmStart_WithFewWildOrForeseenLabels_KeepsMeanAndUnit()
    {
        Trained first = Fit("dense", View("dense", 1, x => 1000 * x, 1500));
        int row = 0;
        IDataView wild = View("dense", 3, x => row++ % 10 == 0 ? 1e8f : 1000 * x, 100);
        IDataView foreseen = _context.Data.FilterRowsByColumn(View("dense", 4, x => 1000 * x, 3000), "Label", 1200, 1e9);
        row = 0;
        IDataView sides = View("dense", 5, x => row++ % 2 == 0 ? 2500 + 1000 * x : -2500 + 1000 * x, 100);
        double meanOfForeseen = foreseen.GetColumn<float>("Label").Average();
        Assert.IsGreaterThan(1.4 * first.Model.LabelDeviation, meanOfForeseen, "not far; the test shows nothing");

        foreach (IDataView batch in new[] { wild, foreseen, sides })
        {
            Trained second = Trainer("dense").Fit(batch, null, first.Model);
            Assert.AreEqual(first.Model.LabelMean, second.Model.LabelMean);
            Assert.AreEqual(first.Model.LabelDeviation, second.Model.LabelDeviation);
        }
    }

    /// <summary>Validation rows and early stopping go by the moved labels as well; so does the history, in the label's own unit.</summary>
    [TestMethod]
    public void WarmStart_WithLabelsFarAway_TellsLossesOfThePredictions()
    {
        Trained first = Fit("dense", View("dense", 1, x => 1000 * x, 1500));
        IDataView validation = View("dense", 4, x => 1e6f + 1000 * x, 500);
        BatchNormNetworkRegressionTrainer.Options options = Options("dense");
        options.LearningRate = 1e-7;
        Trained second = _context.Regression.Trainers.BatchNormNetwork(options).Fit(
            View("dense", 3, x => 1e6f + 1000 * x, 100), validation, first.Model);
        TrainingHistory history = second.Model.Network.Members[0].TrainingHistory;
        EpochRecord best = history.Epochs[history.BestEpoch - 1];
        double error = Error(second, validation);

        Assert.AreEqual(error * error, best.ValidationLoss!.Value, 0.02 * error * error);
        Assert.IsLessThan(Math.Pow(first.Model.LabelDeviation, 2), best.TrainingLoss);
    }

    /// <summary>A model of equal labels knows no unit: going on from it takes that of the new labels.</summary>
    [TestMethod]
    public void WarmStart_OfAModelOfEqualLabels_LearnsTheUnit()
    {
        Trained first = Fit("dense", View("dense", 1, _ => 7, 100));
        IDataView rows = View("dense", 2, x => 5000 * x, 1000);
        Trained second = Trainer("dense").Fit(rows, null, first.Model);

        Assert.IsGreaterThan(0.9, RSquared(second, rows));
        // And back: all labels are the same number again, another one.
        IDataView equal = View("dense", 3, _ => -2, 100);
        Assert.IsTrue(Scores(Trainer("dense").Fit(equal, null, first.Model), equal).All(score => score == -2));
    }

    private static int Count(string form) => form == "spilled" ? RowsBeyondTheBudget : 1500;

    private BatchNormNetworkRegressionTrainer Trainer(string form) => _context.Regression.Trainers.BatchNormNetwork(Options(form));

    private static BatchNormNetworkRegressionTrainer.Options Options(string form) => new()
    {
        HiddenUnits = [32],
        BatchSize = 32,
        LearningRate = 0.02,
        MaximumNumberOfEpochs = form == "spilled" ? 3 : 12,
        NumberOfEnsembleMembers = form == "ensemble" ? 3 : 1,
        NumberOfInputPieces = 0,
        ExampleWeightColumnName = form == "weighted" ? nameof(Row.Weight) : null,
        MemoryBudgetInMegabytes = form == "spilled" ? 1 : 100,
        Loss = form == "Huber" ? new HuberLoss() : new SquaredLoss(),
        Seed = 1,
    };

    private Trained Fit(string form, IDataView rows) => Trainer(form).Fit(rows);

    /// <summary>A tenth of the slots is not 0. The label is made of a number of mean about 0 and deviation about 1 that they say.</summary>
    private IDataView View(string form, int seed, Func<float, float> label, int count)
    {
        var random = new Random(seed);
        IDataView rows = _context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ =>
        {
            float[] features = new float[Slots];
            for (int i = 0; i < 4; i++)
                features[i] = 4 * random.NextSingle() - 2;
            return new Row
            {
                Features = features,
                Label = label(0.7f * features[0] + 0.4f * features[1] * MathF.Abs(features[1]) - 0.3f * MathF.Sin(2 * features[2])),
                Weight = form == "weighted" ? 0.1f + random.NextSingle() : 1,
            };
        }).ToList());
        return form == "sparse" ? new SparseView(rows, "Features") : rows;
    }

    private static float[] Scores(ITransformer model, IDataView rows) => [.. model.Transform(rows).GetColumn<float>("Score")];

    private static double Error(ITransformer model, IDataView rows) =>
        Math.Sqrt(rows.GetColumn<float>("Label").Zip(Scores(model, rows), (label, score) => Math.Pow((double)label - score, 2)).Average());

    private static double RSquared(ITransformer model, IDataView rows)
    {
        double[] labels = [.. rows.GetColumn<float>("Label").Select(label => (double)label)];
        double mean = labels.Average(), unit = labels.Max(label => Math.Abs(label - mean));
        double residual = labels.Zip(Scores(model, rows), (label, score) => Math.Pow((label - score) / unit, 2)).Sum();
        return 1 - residual / labels.Sum(label => Math.Pow((label - mean) / unit, 2));
    }
}
