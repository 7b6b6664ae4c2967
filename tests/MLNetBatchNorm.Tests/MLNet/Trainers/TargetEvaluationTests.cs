using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Evaluation, cross-validation and importance of several targets, against what ML.NET says of each alone.</summary>
[TestClass]
public sealed class TargetEvaluationTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    public void EvaluateMultiOutput_OfEachTarget_IsMLNetsOfTheRowsThatHaveIt()
    {
        List<TargetExample> rows = TargetExamples.Rows(300, missing: 0.2);
        IDataView view = TargetExamples.View(_context, rows);
        IDataView scored = TargetExamples.Numbers(_context).Fit(view).Transform(view);
        MultiOutputRegressionMetrics metrics = _context.Regression.EvaluateMultiOutput(scored);

        float[][] labels = TargetExamples.Column<float>(scored, "Label"), scores = TargetExamples.Column<float>(scored, "Score");
        for (int target = 0; target < 3; target++)
        {
            RegressionMetrics expected = _context.Regression.Evaluate(_context.Data.LoadFromEnumerable(
                labels.Select((label, row) => new Number { Label = label[target], Score = scores[row][target] })
                    .Where(row => !float.IsNaN(row.Label))));
            MultiOutputRegressionTargetMetrics actual = metrics.Targets[target];
            Assert.AreEqual(labels.Count(label => !float.IsNaN(label[target])), actual.NumberOfRows);
            // ML.NET squares labels in single precision.
            Assert.AreEqual(expected.RSquared, actual.RSquared, 1e-4);
            Assert.AreEqual(expected.MeanAbsoluteError, actual.MeanAbsoluteError, 1e-6 * expected.MeanAbsoluteError);
            Assert.AreEqual(expected.MeanSquaredError, actual.MeanSquaredError, 1e-6 * expected.MeanSquaredError);
            Assert.AreEqual(expected.RootMeanSquaredError, actual.RootMeanSquaredError, 1e-6 * expected.RootMeanSquaredError);
        }

        Assert.AreEqual(metrics.Targets.Average(target => target.RSquared), metrics.RSquared, 1e-12);
        int empty = labels.Count(label => label.All(float.IsNaN));
        Assert.IsGreaterThan(0, empty);
        Assert.AreEqual((300 - empty, empty), ((int)metrics.NumberOfRows, (int)metrics.NumberOfRowsWithoutTarget));
        Assert.Throws<Exception>(() => _context.Regression.Evaluate(scored), "ML.NET's takes one number");
    }

    [TestMethod]
    public void EvaluateMultiLabel_OfEachLabel_IsMLNetsOfTheRowsThatHaveIt()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(300, missing: 0.2), nameof(TargetExample.Known));
        IDataView scored = TargetExamples.Labels(_context).Fit(view).Transform(view);
        MultiLabelClassificationMetrics metrics = _context.BinaryClassification.EvaluateMultiLabel(scored);

        float[][] labels = TargetExamples.Column<float>(scored, "Label"), scores = TargetExamples.Column<float>(scored, "Score"),
            probabilities = TargetExamples.Column<float>(scored, "Probability");
        for (int target = 0; target < 3; target++)
        {
            CalibratedBinaryClassificationMetrics expected = _context.BinaryClassification.Evaluate(_context.Data.LoadFromEnumerable(
                labels.Select((label, row) => (Label: label[target], Score: scores[row][target], Probability: probabilities[row][target]))
                    .Where(row => !float.IsNaN(row.Label))
                    .Select(row => new YesNo
                    {
                        Label = row.Label > 0, Score = row.Score, Probability = row.Probability, PredictedLabel = row.Score > 0,
                    })));
            MultiLabelClassificationTargetMetrics actual = metrics.Targets[target];
            Assert.AreEqual(labels.Count(label => label[target] == 1), actual.NumberOfPositives);
            Assert.AreEqual(expected.AreaUnderRocCurve, actual.AreaUnderRocCurve, 1e-6);
            Assert.AreEqual(expected.LogLoss, actual.LogLoss, 1e-5);
            Assert.AreEqual(expected.Accuracy, actual.Accuracy, 1e-9);
            Assert.AreEqual(expected.F1Score, actual.F1Score, 1e-9);
        }

        Assert.AreEqual(metrics.Targets.Average(target => target.AreaUnderRocCurve), metrics.AreaUnderRocCurve, 1e-12);
        Assert.Throws<Exception>(() => _context.BinaryClassification.Evaluate(scored), "ML.NET's takes one label");
    }

    [TestMethod]
    public void Evaluate_ColumnsOfOtherTypes_AreNamed()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(30));
        IDataView scored = TargetExamples.Numbers(_context).Fit(view).Transform(view);
        Assert.Contains("'Weight'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.Regression.EvaluateMultiOutput(scored, "Weight")).Message);
        Assert.Contains("'None'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.Regression.EvaluateMultiOutput(scored, "None")).Message);
        Assert.Contains("Column 'Features' has 4 slots and score column 'Score' 3", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.Regression.EvaluateMultiOutput(scored, "Features")).Message);
        Assert.Contains("no row with a value in label column 'Label'", Assert.ThrowsExactly<InvalidOperationException>(
            () => _context.Regression.EvaluateMultiOutput(Nothing(scored))).Message);
    }

    private IDataView Nothing(IDataView scored) => _context.Data.FilterRowsByColumn(scored, "Weight", 100, 200);

    /// <summary>The folds are ML.NET's own: a model of one number has the same held-out rows.</summary>
    [TestMethod]
    public void CrossValidate_HasMLNetsFolds_AndEvaluatesEach()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(90));
        var results = _context.Regression.CrossValidateMultiOutput(view, TargetExamples.Numbers(_context), numberOfFolds: 3, seed: 7);
        var expected = _context.Regression.CrossValidate(
            view, _context.Regression.Trainers.BatchNormNetwork(
                NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => options.LabelColumnName = "Weight")),
            numberOfFolds: 3, labelColumnName: "Weight", seed: 7);

        Assert.HasCount(3, results);
        for (int fold = 0; fold < 3; fold++)
        {
            CollectionAssert.AreEqual(
                expected[fold].ScoredHoldOutSet.Vectors<float>("Features").Select(row => row[0]).ToArray(),
                results[fold].ScoredHoldOutSet.Vectors<float>("Features").Select(row => row[0]).ToArray());
            Assert.AreEqual(
                _context.Regression.EvaluateMultiOutput(results[fold].ScoredHoldOutSet).RSquared, results[fold].Metrics.RSquared);
            Assert.AreEqual(fold, results[fold].Fold);
        }

        IDataView labels = TargetExamples.View(_context, TargetExamples.Rows(90), nameof(TargetExample.Labels));
        Assert.HasCount(2, _context.BinaryClassification.CrossValidateMultiLabel(labels, TargetExamples.Labels(_context), 2, seed: 7));
        Assert.HasCount(3, _context.Regression.CrossValidateMultiOutput(
            view, TargetExamples.Numbers(_context), 3, samplingKeyColumnName: "Weight").Select(fold => fold.Metrics).ToArray());
    }

    /// <summary>Each target loses by the slots that it is made of, and by no other.</summary>
    [TestMethod]
    public void PermutationFeatureImportance_IsThatOfEachTarget()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(1500, missing: 0.1));
        IDataView named = _context.Transforms.Concatenate("Features", "Features", "Weight").Fit(view).Transform(view);
        ITransformer model = _context.Transforms.CopyColumns("Other", "Weight").Append(TargetExamples.Numbers(_context, options =>
        {
            (options.HiddenUnits, options.MaximumNumberOfEpochs) = ([64, 32], 20);
        })).Fit(named);
        var importance = _context.Regression.PermutationFeatureImportanceMultiOutput(model, named, permutationCount: 2, seed: 3);

        Assert.HasCount(5, importance);
        Assert.AreEqual("Weight", importance[4].Name);
        // Years are of the first two slots only; a weight says nothing of anything.
        Assert.IsLessThan(-0.5, importance[0].Targets[2].Mean);
        Assert.IsLessThan(-0.5, importance[1].Targets[2].Mean);
        Assert.IsGreaterThan(-0.1, importance[2].Targets[2].Mean);
        Assert.IsLessThan(-0.1, importance[2].Targets[1].Mean);
        Assert.IsTrue(importance[4].Targets.All(change => Math.Abs(change.Mean) < 0.1));
        Assert.AreEqual(importance[0].Targets.Average(change => change.Mean), importance[0].MeanOverTargets.Mean, 1e-9);
        Assert.AreEqual(2, importance[0].Targets[0].Count);
        var again = _context.Regression.PermutationFeatureImportanceMultiOutput(model, named, permutationCount: 2, seed: 3);
        Assert.AreEqual(importance[1].Targets[0].Mean, again[1].Targets[0].Mean);
        Assert.AreNotEqual(
            importance[1].Targets[0].Mean,
            _context.Regression.PermutationFeatureImportanceMultiOutput(model, named, permutationCount: 2, seed: 4)[1].Targets[0].Mean);
        Assert.Contains("must end with what Fit of a trainer of several targets", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => _context.BinaryClassification.PermutationFeatureImportanceMultiLabel(model, named)).Message);
    }

    /// <summary>Rows are scored in blocks that take 16 MB at most, but of one row at least.</summary>
    [TestMethod]
    [DataRow(4, 3, 4096)]
    [DataRow(1024, 3, 4096)]
    [DataRow(2048, 3, 2048)]
    [DataRow(200_000, 5, 20)]
    [DataRow(524_288, 3, 8)]
    [DataRow(3, 100_000, 41)]
    [DataRow(1 << 24, 3, 1)]
    public void PermutationFeatureImportance_OfManySlots_TakesFewerRowsAtOnce(int slots, int targets, int expected)
    {
        Assert.AreEqual(expected, PermutationImportance.BlockRows(slots, targets));
        Assert.IsTrue(expected == 1 || (long)expected * Math.Max(slots, targets) <= 1 << 22);
    }

    /// <summary>A row that is longer or shorter than its column's type says would push all others of its block aside.</summary>
    [TestMethod]
    [DataRow(3)]
    [DataRow(5)]
    public void PermutationFeatureImportance_RowOfAnotherNumberOfFeatures_IsRefused(int slots)
    {
        List<TargetExample> rows = TargetExamples.Rows(40);
        ITransformer model = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows));
        rows[7].Features = new float[slots];
        Assert.Contains($"Column 'Features' has {slots} slots in row 7; its type says 4.", Assert.ThrowsExactly<InvalidOperationException>(
            () => _context.Regression.PermutationFeatureImportanceMultiOutput(model, TargetExamples.View(_context, rows))).Message);
    }

    private sealed class Number
    {
        public float Label { get; set; }

        public float Score { get; set; }
    }

    private sealed class YesNo
    {
        public bool Label { get; set; }

        public float Score { get; set; }

        public float Probability { get; set; }

        public bool PredictedLabel { get; set; }
    }
}
