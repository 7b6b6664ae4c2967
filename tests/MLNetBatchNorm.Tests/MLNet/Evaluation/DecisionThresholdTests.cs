using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The threshold that costs least, against all thresholds tried one by one.</summary>
[TestClass]
public sealed class DecisionThresholdTests
{
    private readonly MLContext _context = new(1);

    private sealed class Row
    {
        public bool Label { get; set; }

        public float Score { get; set; }

        public float Weight { get; set; } = 1;

        [VectorType(2)]
        public float[] Features { get; set; } = [0, 0];

        public string Text { get; set; } = "";
    }

    private sealed class Decision
    {
        public bool PredictedLabel { get; set; }
    }

    [TestMethod]
    [DataRow("distinct", 1, 1)]
    [DataRow("distinct", 1, 9)]
    [DataRow("ties", 1, 9)]
    [DataRow("ties", 20, 1)]
    [DataRow("weights", 1, 4)]
    [DataRow("no number", 2, 3)]
    [DataRow("infinite", 1, 5)]
    [DataRow("useless", 1, 1000)]
    [DataRow("useless", 1000, 1)]
    public void Find_IsTheCheapestOfAllThresholds(string form, double falsePositiveCost, double falseNegativeCost)
    {
        for (int seed = 1; seed <= 20; seed++)
        {
            Row[] rows = Rows(form, seed, 60);
            DecisionThreshold found = _context.BinaryClassification.FindDecisionThreshold(
                _context.Data.LoadFromEnumerable(rows), falsePositiveCost, falseNegativeCost,
                exampleWeightColumnName: form == "weights" ? nameof(Row.Weight) : null);
            float[] scores = [.. rows.Select(row => row.Score).Where(score => !float.IsNaN(score))];
            double least = scores.Concat(scores.Select(MathF.BitDecrement)).Append(0).Min(Cost);
            Assert.AreEqual(least, Cost(found.Threshold), 1e-9, $"{form}, {seed}");
            Assert.AreEqual(least, found.MeanCost, 1e-9);
            Assert.AreEqual(Cost(0), found.MeanCostAtZero, 1e-9);

            double Cost(float threshold) => rows.Sum(row => Weight(row) * (row.Score > threshold
                ? row.Label ? 0 : falsePositiveCost
                : row.Label ? falseNegativeCost : 0)) / rows.Sum(Weight);
            double Weight(Row row) => form == "weights" ? row.Weight : 1;
        }
    }

    /// <summary>As far from scores as it can be; and with probabilities that are right, near what the costs alone say.</summary>
    [TestMethod]
    public void Find_OfRightProbabilities_IsTheRatioOfTheCosts()
    {
        DecisionThreshold two = _context.BinaryClassification.FindDecisionThreshold(
            _context.Data.LoadFromEnumerable([new Row { Score = 1 }, new Row { Score = 2, Label = true }]), 1, 1);
        Assert.AreEqual(1.5f, two.Threshold);
        Assert.AreEqual(0, two.MeanCost);

        var random = new Random(1);
        Row[] rows = [.. Enumerable.Range(0, 200_000).Select(_ =>
        {
            float logit = 6 * random.NextSingle() - 3;
            return new Row { Score = logit, Label = random.NextDouble() < 1 / (1 + Math.Exp(-logit)) };
        })];
        Assert.AreEqual(
            Math.Log(1 / 4.0),
            _context.BinaryClassification.FindDecisionThreshold(_context.Data.LoadFromEnumerable(rows), 1, 4).Threshold, 0.15);
    }

    /// <summary>The recipe from beginning to end: held-out rows choose the threshold, and other rows cost less with it.</summary>
    [TestMethod]
    public void ChangeModelThreshold_WithWhatWasFound_CostsLess()
    {
        const double falsePositiveCost = 1, falseNegativeCost = 15;
        var model = _context.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
        {
            HiddenUnits = [8], MaximumNumberOfEpochs = 5, NumberOfEnsembleMembers = 1, Seed = 1,
        }).Fit(_context.Data.LoadFromEnumerable(Process(1, 4000)));
        Row[] others = Process(3);
        DecisionThreshold found = _context.BinaryClassification.FindDecisionThreshold(
            model.Transform(_context.Data.LoadFromEnumerable(Process(2))), falsePositiveCost, falseNegativeCost);
        var cheaper = _context.BinaryClassification.ChangeModelThreshold(model, found.Threshold);

        Assert.IsLessThan(0.8 * Cost(model), Cost(cheaper));
        Assert.AreEqual(found.MeanCost, Cost(cheaper), 0.15 * found.MeanCost);
        Assert.AreEqual(found.MeanCostAtZero, Cost(model), 0.15 * found.MeanCostAtZero);
        var engine = _context.Model.CreatePredictionEngine<Row, Decision>(cheaper);
        Assert.AreEqual(Cost(cheaper), Of(others.Select(row => engine.Predict(row).PredictedLabel)), 1e-9);

        double Cost(ITransformer scorer) =>
            Of(scorer.Transform(_context.Data.LoadFromEnumerable(others)).GetColumn<bool>("PredictedLabel"));
        double Of(IEnumerable<bool> decisions) => others.Zip(decisions, (row, decision) =>
            row.Label == decision ? 0 : decision ? falsePositiveCost : falseNegativeCost).Average();
    }

    [TestMethod]
    public void Find_BadInput_IsRefused()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(Rows("distinct", 1, 20));
        foreach ((double falsePositive, double falseNegative, string message) in new (double, double, string)[]
        {
            (0, 1, "falsePositiveCost is 0; it must be a finite number above 0."),
            (1, -2, "falseNegativeCost is -2; it must be a finite number above 0."),
            (double.NaN, 1, "falsePositiveCost is NaN; it must be"),
            (1, double.PositiveInfinity, "falseNegativeCost is Infinity; it must be"),
        })
        {
            Assert.StartsWith(message, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _context.BinaryClassification.FindDecisionThreshold(rows, falsePositive, falseNegative)).Message);
        }

        foreach ((string label, string score, string? weight, string name) in new (string, string, string?, string)[]
        {
            ("Absent", "Score", null, "'Absent'"), ("Score", "Score", null, "'Score'"), ("Label", "Text", null, "'Text'"),
            ("Label", "Score", "Label", "'Label'"),
        })
        {
            Assert.Contains(name, Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _context.BinaryClassification.FindDecisionThreshold(rows, 1, 1, label, score, weight)).Message);
        }

        Row[] oneClass = Rows("distinct", 1, 20);
        foreach (Row row in oneClass)
            row.Label = true;
        Assert.Contains("Label column 'Label' is true in all rows that count", Refusal(oneClass));
        Assert.Contains("Label column 'Label' is nothing in all rows that count", Refusal([]));
        Row[] weighted = Rows("distinct", 1, 20);
        weighted[4].Weight = -1;
        Assert.Contains("Weight column 'Weight' is -1 in row 4; weights must be finite and not negative.", Refusal(weighted));

        string Refusal(Row[] of) => Assert.ThrowsExactly<InvalidOperationException>(() =>
            _context.BinaryClassification.FindDecisionThreshold(
                _context.Data.LoadFromEnumerable(of), 1, 1, exampleWeightColumnName: nameof(Row.Weight))).Message;
    }

    private static Row[] Rows(string form, int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            float score = 4 * random.NextSingle() - 2;
            bool label = form == "useless" ? i % 2 == 0 : random.NextDouble() < 1 / (1 + Math.Exp(-2 * score)) || i == 0;
            if (i == 1)
                label = false;
            return new Row
            {
                Label = label, Weight = random.Next(0, 4) + (i < 2 ? 1 : 0),
                Score = form switch
                {
                    "ties" => MathF.Round(score),
                    "no number" when i % 5 == 0 => float.NaN,
                    "infinite" when i % 7 == 0 => label ? float.PositiveInfinity : float.NegativeInfinity,
                    _ => score,
                },
            };
        })];
    }

    /// <summary>A label that two features say something of; one in eight is true.</summary>
    private static Row[] Process(int seed, int count = 20_000)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            float[] x = [2 * random.NextSingle() - 1, 2 * random.NextSingle() - 1];
            return new Row { Features = x, Label = random.NextDouble() < 1 / (1 + Math.Exp(2.6 - 2 * x[0] + x[1])) };
        })];
    }
}
