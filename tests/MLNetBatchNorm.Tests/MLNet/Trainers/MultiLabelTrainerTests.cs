using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>One network for several labels, each yes or no, as a trainer of ML.NET.</summary>
[TestClass]
public sealed class MultiLabelTrainerTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(TargetExample.Labels))]
    [DataRow(nameof(TargetExample.Known))]
    public void Battery_LabelsOfBothTypes(string label)
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(60, missing: 0.3), label);
        EstimatorBattery.Check(
            _context, TargetExamples.Labels(_context), view,
            validTransformOnly: _context.Transforms.DropColumns("Label").Fit(view).Transform(view),
            fitOnly: _context.Transforms.Concatenate("Features", "Features", "Weight").Fit(view).Transform(view),
            invalidInputs: [_context.Transforms.DropColumns("Features").Fit(view).Transform(view)]);
    }

    /// <summary>Three columns that belong together, all learned.</summary>
    [TestMethod]
    public void Fit_Labels_AreAllLearned()
    {
        IDataView rows = TargetExamples.View(_context, TargetExamples.Rows(2000), nameof(TargetExample.Labels)),
            others = TargetExamples.View(_context, TargetExamples.Rows(500, seed: 2), nameof(TargetExample.Labels));
        var model = TargetExamples.Labels(_context, options =>
        {
            (options.HiddenUnits, options.MaximumNumberOfEpochs, options.NumberOfEnsembleMembers) = ([64, 32], 20, 2);
        }).Fit(rows);
        IDataView scored = model.Transform(others);
        MultiLabelClassificationMetrics metrics = _context.BinaryClassification.EvaluateMultiLabel(scored);

        foreach (MultiLabelClassificationTargetMetrics label in metrics.Targets)
            Assert.IsGreaterThan(0.95, label.AreaUnderRocCurve, label.Name);
        float[][] scores = TargetExamples.Column<float>(scored, "Score");
        float[][] probabilities = TargetExamples.Column<float>(scored, "Probability");
        bool[][] labels = TargetExamples.Column<bool>(scored, "PredictedLabel");
        for (int i = 0; i < 1500; i++)
        {
            float score = scores[i / 3][i % 3];
            Assert.AreEqual(1 / (1 + Math.Exp(-score)), probabilities[i / 3][i % 3], 1e-6);
            Assert.AreEqual(score > 0, labels[i / 3][i % 3]);
        }

        foreach (string column in new[] { "Score", "Probability", "PredictedLabel" })
        {
            VBuffer<ReadOnlyMemory<char>> names = default;
            scored.Schema[column].GetSlotNames(ref names);
            CollectionAssert.AreEqual(TargetExamples.Names, names.DenseValues().Select(name => name.ToString()).ToArray());
        }
        Assert.IsTrue(model.Model.Network.Members[0].TrainingHistory.Epochs[^1].ValidationMetric is > 0.9 and <= 1);
    }

    /// <summary>Labels as 0 and 1 are the same labels; where one is missing it does not count.</summary>
    [TestMethod]
    public void Fit_NumbersForLabels_AreTheSame_AndMayBeMissing()
    {
        List<TargetExample> rows = TargetExamples.Rows(200);
        float[] features = [.. rows.SelectMany(row => row.Features)];
        float[] Scores(string label)
        {
            float[] scores = new float[600];
            TargetExamples.Labels(_context).Fit(TargetExamples.View(_context, rows, label)).Model.Score(features, 200, scores);
            return scores;
        }

        float[] booleans = Scores(nameof(TargetExample.Labels)), numbers = Scores(nameof(TargetExample.Known));
        CollectionAssert.AreEqual(booleans, numbers);

        for (int row = 5; row < 15; row++)
            rows[row].Known[1] = float.NaN;
        CollectionAssert.AreNotEqual(numbers, Scores(nameof(TargetExample.Known)));
        rows[5].Known[1] = 2;
        Assert.Contains(
            "Label column 'Label' is 2 in row 5, target 1 ('Share'). A target must be false or true, 0 or 1, or NaN where it is missing",
            Assert.ThrowsExactly<InvalidOperationException>(
                () => TargetExamples.Labels(_context).Fit(TargetExamples.View(_context, rows, nameof(TargetExample.Known)))).Message);
    }

    [TestMethod]
    public void Fit_TemperatureAndTargetWeights_Matter()
    {
        IDataView rows = TargetExamples.View(_context, TargetExamples.Rows(300, missing: 0.2), nameof(TargetExample.Known));
        string Fit(Action<BatchNormNetworkMultiLabelTrainer.Options> change) => Contents(TargetExamples.Labels(_context, options =>
        {
            options.MaximumNumberOfEpochs = 30;
            change(options);
        }).Fit(rows));

        string usual = Fit(_ => { });
        Assert.AreNotEqual(usual, Fit(options => options.TemperatureScaling = false));
        Assert.AreNotEqual(usual, Fit(options => options.TargetWeights = [1, 2, 3]));
        Assert.AreEqual(usual, Fit(options => options.TargetWeights = [3, 3, 3]));
    }

    /// <summary>The same bits by any way of scoring; every column of a row from one pass through the network.</summary>
    [TestMethod]
    public void Score_ByEveryWay_IsTheSame()
    {
        List<TargetExample> rows = TargetExamples.Rows(100);
        IDataView view = TargetExamples.View(_context, rows, nameof(TargetExample.Labels));
        var model = TargetExamples.Labels(_context, options => options.NumberOfEnsembleMembers = 2).Fit(view);
        float[] expected = [.. TargetExamples.Column<float>(model.Transform(view), "Score").SelectMany(row => row)], block = new float[300];
        model.Model.Score([.. rows.SelectMany(row => row.Features)], 100, block);
        CollectionAssert.AreEqual(expected, block);
        using var engine = _context.Model.CreatePredictionEngine<TargetExample, Prediction>(model);
        for (int row = 0; row < 20; row++)
        {
            Prediction prediction = engine.Predict(rows[row]);
            CollectionAssert.AreEqual(expected[(3 * row)..(3 * row + 3)], prediction.Score);
            CollectionAssert.AreEqual(prediction.Score.Select(score => score > 0).ToArray(), prediction.PredictedLabel);
        }
    }

    [TestMethod]
    public void Load_InAFreshProcess_GivesTheSameBits()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(60), nameof(TargetExample.Labels));
        FreshModelLoad.Check(_context, TargetExamples.Labels(_context).Fit(view), view, "tr-TR");
    }

    [TestMethod]
    public void Fit_GoingOn_BeginsAtTheModel()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(300), nameof(TargetExample.Labels));
        var first = TargetExamples.Labels(_context, options => options.MaximumNumberOfEpochs = 15).Fit(view, view);
        var second = TargetExamples.Labels(_context, options => (options.MaximumNumberOfEpochs, options.LearningRate) = (1, 1e-6))
            .Fit(view, view, first.Model);
        double reached = first.Model.Network.Members[0].TrainingHistory.Epochs.Min(epoch => epoch.ValidationLoss!.Value);
        Assert.AreEqual(reached, second.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss!.Value, 0.02 * reached);
    }

    private string Contents(ITransformer model) =>
        ModelFile.Contents(_context, model, TargetExamples.View(_context, TargetExamples.Rows(1)).Schema);

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];

        public bool[] PredictedLabel { get; set; } = [];
    }
}
