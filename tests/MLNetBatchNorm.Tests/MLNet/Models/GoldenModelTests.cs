using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Models saved by earlier builds, in Golden/, load and score as they did then. A released file is never written again; a new format
/// version adds files of its own. Renewing writes only files that are absent.
/// </summary>
[TestClass]
public sealed class GoldenModelTests
{
    /// <summary>
    /// A better kernel may round otherwise, in the last digits; a number read from the wrong place is wrong in the first.
    /// </summary>
    private const double RelativeTolerance = 1e-5;

    private const string RenewVariable = "BATCHNORM_RENEW_GOLDEN_MODELS";

    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow("binary-v1", nameof(NetworkKind.Binary))]
    [DataRow("multiclass-v1", nameof(NetworkKind.Multiclass))]
    [DataRow("regression-v1", nameof(NetworkKind.Regression))]
    [DataRow("regression-ensemble-v1", nameof(NetworkKind.Regression))]
    [DataRow("binary-v2", nameof(NetworkKind.Binary))]
    [DataRow("multiclass-v2", nameof(NetworkKind.Multiclass))]
    [DataRow("regression-v2", nameof(NetworkKind.Regression))]
    [DataRow("regression-ensemble-v2", nameof(NetworkKind.Regression))]
    public void Load_GoldenModel_ScoresAsWhenItWasSaved(string name, string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        if (Environment.GetEnvironmentVariable(RenewVariable) == "1"
            && !File.Exists(Path.Combine(SourceFolder(), "..", "Golden", name + ".zip")))
        {
            Renew(name, kind);
            Assert.Inconclusive($"Golden/{name} was written anew; run again without {RenewVariable}.");
        }

        string folder = Path.Combine(AppContext.BaseDirectory, "Golden");
        ITransformer model = _context.Model.Load(Path.Combine(folder, name + ".zip"), out DataViewSchema schema);

        Assert.AreEqual("Features", schema[0].Name);
        string[] expected = File.ReadAllLines(Path.Combine(folder, name + ".txt"));
        string[] actual = Scores(model);
        Assert.HasCount(12, expected);
        Assert.HasCount(12, actual);
        for (int row = 0; row < expected.Length; row++)
        {
            double[] then = Numbers(expected[row]), now = Numbers(actual[row]);
            Assert.HasCount(then.Length, now);
            for (int i = 0; i < then.Length; i++)
                Assert.AreEqual(then[i], now[i], RelativeTolerance * Math.Max(0.1, Math.Abs(then[i])), $"row {row}");
        }
    }

    /// <summary>
    /// Going on from models that have the scale of the labels in their last map: at first nothing changes, then the error falls, and a
    /// batch of equal labels does no harm.
    /// </summary>
    [TestMethod]
    [DataRow("regression-v1")]
    [DataRow("regression-v2")]
    [DataRow("regression-ensemble-v1")]
    [DataRow("regression-ensemble-v2")]
    public void WarmStart_OfAGoldenModel_GoesOnInTheLabelsUnit(string name)
    {
        ITransformer loaded = _context.Model.Load(Path.Combine(AppContext.BaseDirectory, "Golden", name + ".zip"), out _);
        var start = (BatchNormNetworkRegressionModelParameters)((ISingleFeaturePredictionTransformer<object>)loaded).Model;
        List<Example> examples = NetworkExamples.Rows(400);
        IDataView rows = NetworkExamples.View(_context, NetworkKind.Regression, examples);
        double before = Error(loaded, rows);
        Assert.AreEqual((0, 1), (start.LabelMean, start.LabelDeviation));

        var still = GoOn(rows, learningRate: 1e-12, epochs: 1);
        Assert.AreEqual(before, Error(still, rows), 1e-4 * before);
        Assert.IsTrue(still.Model.LabelDeviation is > 100 and < 1_000_000, $"{still.Model.LabelDeviation}");
        Assert.IsLessThan(0.8 * before, Error(GoOn(rows, learningRate: 0.02, epochs: 20), rows));

        foreach (Example example in examples)
            example.Value = 50_000;
        IDataView equal = NetworkExamples.View(_context, NetworkKind.Regression, examples);
        Assert.IsLessThan(Error(loaded, equal), Error(GoOn(equal, learningRate: 0.02, epochs: 20), equal));

        RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> GoOn(IDataView view, double learningRate, int epochs) =>
            _context.Regression.Trainers.BatchNormNetwork(NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
            {
                options.HiddenUnits = [5, 3];
                options.Placement = BatchNormalizationPlacement.LayerInput;
                options.NormalizeOutputLayerInput = true;
                options.NumberOfEnsembleMembers = null;
                options.LearningRate = learningRate;
                options.RunningStatisticsMomentum = learningRate;
                options.MaximumNumberOfEpochs = epochs;
            })).Fit(view, modelParameters: start);

        static double Error(ITransformer model, IDataView view) => Math.Sqrt(
            view.Scalars<float>("Label")
                .Zip(model.Transform(view).Scalars<float>("Score"), (label, score) => Math.Pow((double)label - score, 2)).Average());
    }

    /// <summary>What the list above is for: nothing that can be in a file of a version is missing from all of them.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void GoldenModels_TogetherHoldEveryPartOfTheFormat(int version)
    {
        TrainedNetwork[] networks = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Golden"), $"*-v{version}.zip")
            .Select(path => Network(_context.Model.Load(path, out _)))];

        Assert.IsTrue(
            networks.Length > 0
                && networks.All(n => n.Members.All(m => m.History.Epochs.All(e => e.ValidationMetric is not null == version > 1))),
            "validation metrics");
        Assert.IsTrue(networks.Any(n => n.Members.Count > 1), "several networks");
        Assert.IsTrue(networks.Any(n => n.Encoder.Part<Pieces>() is not null), "pieces");
        Assert.IsTrue(networks.Any(n => n.Encoder.Part<MissingColumns>() is not null), "missing effects");
        Assert.IsTrue(networks.Any(n => n.Parameters.Definition.Outputs > 1), "several outputs");
        Assert.IsTrue(networks.Any(n => n.Parameters.Definition.NormalizeOutputLayerInput), "a normalized input of the output layer");
        foreach (BatchNormalizationPlacement placement in Enum.GetValues<BatchNormalizationPlacement>().Where(
            p => p != BatchNormalizationPlacement.None))
        {
            Assert.IsTrue(networks.Any(n => n.Parameters.Definition.Placement == placement), placement.ToString());
        }
    }

    private static TrainedNetwork Network(ITransformer model) => model switch
    {
        ISingleFeaturePredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>> binary =>
            ((INetworkModel)binary.Model.SubModel).Network,
        ISingleFeaturePredictionTransformer<object> other => ((INetworkModel)other.Model).Network,
        _ => throw new ArgumentException(model.GetType().Name, nameof(model)),
    };

    /// <summary>Small networks that together hold every part of the format.</summary>
    private void Renew(string name, NetworkKind kind)
    {
        List<Example> rows = NetworkExamples.Rows(120);
        rows[3].Features[1] = float.NaN;
        IDataView view = NetworkExamples.View(_context, kind, rows);
        ITransformer model = NetworkExamples.Quick(_context, kind, options =>
        {
            options.HiddenUnits = [5, 3];
            options.NumberOfThreads = 1;
            options.Placement = kind switch
            {
                NetworkKind.Binary => BatchNormalizationPlacement.BeforeActivation,
                NetworkKind.Multiclass => BatchNormalizationPlacement.AfterActivation,
                _ => BatchNormalizationPlacement.LayerInput,
            };
            options.NormalizeOutputLayerInput = kind == NetworkKind.Regression;
            options.Activation = kind == NetworkKind.Multiclass ? ActivationFunction.SiLU : ActivationFunction.ReLU;
            if (name.Contains("ensemble", StringComparison.Ordinal))
            {
                options.NumberOfEnsembleMembers = 2;
                options.NumberOfInputPieces = 3;
            }
        }).Fit(view);
        string folder = Path.Combine(SourceFolder(), "..", "Golden");
        Directory.CreateDirectory(folder);
        _context.Model.Save(model, view.Schema, Path.Combine(folder, name + ".zip"));
        File.WriteAllLines(Path.Combine(folder, name + ".txt"), Scores(model));
    }

    /// <summary>Scores of fixed rows, one line for each row, every number with all its digits.</summary>
    private string[] Scores(ITransformer model)
    {
        List<Example> rows = NetworkExamples.Rows(12, seed: 77);
        rows[2].Features[1] = float.NaN;
        rows[5].Features[0] = float.NaN;
        IDataView scored = model.Transform(NetworkExamples.Unlabelled(_context, rows));
        float[][] scores = scored.Schema["Score"].Type is VectorDataViewType
            ? scored.Vectors<float>("Score") : [.. scored.Scalars<float>("Score").Select(score => new[] { score })];
        return [.. scores.Select(row => string.Join(' ', row.Select(score => score.ToString("R", CultureInfo.InvariantCulture))))];
    }

    private static double[] Numbers(string line) => [.. line.Split(' ')
        .Select(number => double.Parse(number, CultureInfo.InvariantCulture))];

    private static string SourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
