using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>Our networks and our transform take part in ML.NET's own conversion of pipelines.</summary>
[TestClass]
public sealed class PipelineConversionTests
{
    private static readonly string[] s_binaryOutputs = ["Score", "Probability", "PredictedLabel"];

    private readonly MLContext _context = new(1);

    /// <summary>The opsets that the converter allows.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), 9)]
    [DataRow(nameof(NetworkKind.Binary), 12)]
    [DataRow(nameof(NetworkKind.Multiclass), 9)]
    [DataRow(nameof(NetworkKind.Multiclass), 12)]
    [DataRow(nameof(NetworkKind.Regression), 9)]
    [DataRow(nameof(NetworkKind.Regression), 12)]
    public void Convert_Network_AgreesWithModel(string kindName, int opSet)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        ITransformer transformer = TinyNetworks.Train(_context, kind, options =>
        {
            options.NumberOfInputPieces = 3;
            options.NumberOfEnsembleMembers = 2;
            options.Activation = ActivationFunction.GELU;
        });
        string[] outputs = kind switch
        {
            NetworkKind.Binary => s_binaryOutputs,
            NetworkKind.Multiclass => ["Score", "PredictedLabel"],
            _ => ["Score"],
        };
        Check(transformer, TinyNetworks.TestRows(), outputs, opSet);
    }

    [TestMethod]
    public void Convert_OpSetTooLow_IsRefused()
    {
        ITransformer transformer = TinyNetworks.Train(_context, NetworkKind.Regression);
        Assert.ThrowsExactly<NotSupportedException>(() => Convert(transformer, TinyNetworks.TestRows(), ["Score"], 8));
    }

    [TestMethod]
    public void Convert_NormalizerInFront_AgreesWithModel() =>
        CheckInFront(NetworkKind.Multiclass, _context.Transforms.NormalizeMeanVariance("Features"), ["Score", "PredictedLabel"], "Scaler");

    [TestMethod]
    public void Convert_BatchNormalizeInFront_AgreesWithModel() =>
        CheckInFront(NetworkKind.Binary, _context.Transforms.BatchNormalize("Features"), s_binaryOutputs, "BatchNormalization");

    [TestMethod]
    public void Convert_OneVersusAll_AgreesWithModel()
    {
        var trainer = (BatchNormNetworkBinaryTrainer)TinyNetworks.Trainer(_context, NetworkKind.Binary);
        ITransformer transformer = _context.MulticlassClassification.Trainers.OneVersusAll(trainer)
            .Fit(NetworkExamples.View(_context, NetworkKind.Multiclass, TinyNetworks.TrainingRows()));
        Check(transformer, TinyNetworks.TestRows(), ["Score", "PredictedLabel"]);
    }

    /// <summary>A calibrator learned after the network takes the place of its own.</summary>
    [TestMethod]
    public void Convert_PlattCalibratorBehind_AgreesWithModel()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, TinyNetworks.TrainingRows());
        ITransformer network = TinyNetworks.Trainer(_context, NetworkKind.Binary).Fit(view);
        IDataView scored = _context.Transforms.DropColumns("Probability").Fit(network.Transform(view)).Transform(network.Transform(view));
        ITransformer calibrator = _context.BinaryClassification.Calibrators.Platt().Fit(scored);
        Check(new Microsoft.ML.Data.TransformerChain<ITransformer>(network, calibrator), TinyNetworks.TestRows(), ["Score", "Probability"]);
    }

    /// <summary>The converter keeps columns and constants in one table; a constant must not take the place of a column of the same name.</summary>
    [TestMethod]
    [DataRow("mean")]
    [DataRow("gamma")]
    public void Convert_BatchNormalizeOfColumnNamedLikeConstant_AgreesWithModel(string name)
    {
        IDataView view = Parity.View(_context, OrdinaryRows());
        ITransformer transformer = _context.Transforms.CopyColumns(name, "Features").Append(_context.Transforms.BatchNormalize("Other", name)).Fit(view);
        Check(transformer, OrdinaryRows(), [name, "Other"]);
    }

    private static float[][] OrdinaryRows() => [.. NetworkExamples.Rows(80, seed: 2).Select(r => r.Features)];

    private void CheckInFront(NetworkKind kind, IEstimator<ITransformer> front, string[] outputs, string operation)
    {
        List<Example> rows = NetworkExamples.Rows(120);
        ITransformer transformer = front.Append(TinyNetworks.Trainer(_context, kind)).Fit(NetworkExamples.View(_context, kind, rows));
        Assert.Contains(operation, Convert(transformer, OrdinaryRows(), outputs, 12).Operations);
        Check(transformer, OrdinaryRows(), outputs);
    }

    private void Check(ITransformer transformer, float[][] rows, string[] outputs, int opSet = 12)
    {
        OnnxModel model = Convert(transformer, rows, outputs, opSet);
        Dictionary<string, Array> results = model.Run(rows);
        Assert.HasCount(outputs.Length, results);
        Assert.IsNull(Parity.Difference(results, _context, transformer, rows, PipelineConversion.OutputSuffix));
    }

    private OnnxModel Convert(ITransformer transformer, float[][] rows, string[] outputs, int opSet) =>
        PipelineConversion.Convert(transformer, Parity.View(_context, rows), outputs, opSet);
}
