using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>
/// Whole pipelines through ML.NET's own converter, <c>ConvertToOnnx</c>: ONNX Runtime, and ML.NET's transform that scores ONNX files,
/// give what the model gives.
/// </summary>
[TestClass]
public sealed class PipelineConversionTests
{
    private const int LowestOpSet = 9;
    private const int HighestOpSet = 12;

    private readonly MLContext _context = new(1);
    private readonly RidePipelines _pipelines;

    public PipelineConversionTests() => _pipelines = new RidePipelines(_context);

    public TestContext TestContext { get; set; } = null!;

    /// <summary>
    /// Every opset that the converter offers, for other rows than those of training, with missing values and a category that was not in
    /// training.
    /// (ONNX Runtime warns that ML.NET declares one-hot columns in another shape than it writes; the transform gives no way to silence it.)
    /// Where ML.NET's own nodes need a higher opset than the lowest, the lower ones are refused, by the converter or by the runtime.
    /// </summary>
    [TestMethod]
    [DataRow("Regression", 9)]
    [DataRow("Binary", 9)]
    [DataRow("Multiclass", 9)]
    [DataRow("Multiclass, keys", 9)]
    [DataRow("OneVersusAll", 11)]
    [DataRow("Platt", 9)]
    [DataRow("Platt, fixed", 9)]
    [DataRow("Naive", 12)]
    [DataRow("Two networks", 9)]
    [DataRow("BatchNormalize", 9)]
    [DataRow("Columns of other types", 9)]
    [DataRow("Missing values as a column", 9)]
    [DataRow("Missing values replaced", 9)]
    [DataRow("NormalizeMinMax", 9)]
    [DataRow("NormalizeMeanVariance", 9)]
    [DataRow("NormalizeRobustScaling", 9)]
    [DataRow("NormalizeLpNorm", 9)]
    [DataRow("MapValue", 9)]
    [DataRow("OneHotHashEncoding", 11)]
    public void Convert_Pipeline_AgreesWithModel(string name, int lowestOpSet)
    {
        ITransformer model = _pipelines.Named(name).Fit(_pipelines.Rows(300));
        for (int opSet = LowestOpSet; opSet <= HighestOpSet; opSet++)
        {
            if (opSet >= lowestOpSet)
                Check(model, $"{name}, opset {opSet}", opSet);
            else
                Assert.IsTrue(IsRefused(model, opSet), $"{name} works with opset {opSet} by now: say so here and in docs/onnx.md.");
        }

        TestContext.WriteLine($"Largest deviation so far: {Parity.Worst:G3}");
    }

    /// <summary>That one versus all needs opset 11 is not the network's doing.</summary>
    [TestMethod]
    [DataRow(9)]
    [DataRow(10)]
    public void Convert_OneVersusAllOfALinearTrainer_IsRefusedBelowOpSet11AsWell(int opSet) =>
        Assert.IsTrue(IsRefused(_pipelines.Named("OneVersusAll of L-BFGS").Fit(_pipelines.Rows(100)), opSet));

    /// <summary>
    /// ML.NET writes its splitting into words for one row at a time: given more, the runtime joins them. So rows go one by one; ML.NET's
    /// transform does so anyway.
    /// </summary>
    [TestMethod]
    [DataRow("Words")]
    [DataRow("Word bags")]
    public void Convert_Words_AgreeRowByRow(string name)
    {
        ITransformer model = _pipelines.Named(name).Fit(_pipelines.Rows(300));
        for (int opSet = LowestOpSet; opSet <= HighestOpSet; opSet++)
            Check(model, $"{name}, opset {opSet}", opSet, oneByOne: true);
    }

    /// <summary>What ML.NET has no ONNX form for: the conversion fails.</summary>
    [TestMethod]
    [DataRow("FeaturizeText")]
    [DataRow("NormalizeText")]
    [DataRow("NormalizeLogMeanVariance")]
    [DataRow("NormalizeBinning")]
    [DataRow("PairwiseCoupling")]
    [DataRow("Isotonic")]
    public void Convert_StepWithoutOnnxForm_IsRefused(string name)
    {
        IDataView rows = _pipelines.Rows(100);
        ITransformer model = _pipelines.Named(name).Fit(rows);
        Exception refusal = Assert.Throws<Exception>(() => ConvertedPipeline.Of(_context, model, rows));
        Assert.IsTrue(refusal is InvalidOperationException or KeyNotFoundException, $"{name}: {refusal}");
    }

    /// <summary>
    /// A trap of the converter's that docs/onnx.md names: where a first step writes into the column it reads, it is left out, and only
    /// the log says so.
    /// </summary>
    [TestMethod]
    public void Convert_StepInPlaceWithoutOnnxForm_IsLeftOutWithAWarning()
    {
        List<string> warnings = [];
        _context.Log += (_, line) =>
        {
            if (line.Message.Contains("cannot save itself as ONNX", StringComparison.Ordinal))
                warnings.Add(line.Message);
        };
        IDataView rows = _pipelines.Rows(100);
        ConvertedPipeline.Of(_context, _pipelines.Named("NormalizeText in place").Fit(rows), rows);
        Assert.HasCount(1, warnings);
    }

    [TestMethod]
    [DataRow(8)]
    [DataRow(13)]
    public void Convert_OpSetOutsideOfWhatTheConverterOffers_IsRefused(int opSet)
    {
        IDataView rows = _pipelines.Rows(100);
        ITransformer model = _pipelines.Named("Regression").Fit(rows);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ConvertedPipeline.Of(_context, model, rows, opSet));
    }

    /// <summary>Every task with every activation and placement; the opsets take turns.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Convert_ActivationAndPlacement_AgreesWithModel(string kindName)
    {
        IDataView rows = Parity.View(_context, TinyNetworks.TestRows());
        int opSet = LowestOpSet;
        foreach (ActivationFunction activation in Enum.GetValues<ActivationFunction>())
        {
            foreach (BatchNormalizationPlacement placement in Enum.GetValues<BatchNormalizationPlacement>())
            {
                ITransformer model = TinyNetworks.Train(_context, Enum.Parse<NetworkKind>(kindName), options =>
                {
                    options.Activation = activation;
                    options.Placement = placement;
                });
                Check(ConvertedPipeline.Of(_context, model, rows, opSet), model, rows, $"{activation}, {placement}, opset {opSet}");
                opSet = opSet == HighestOpSet ? LowestOpSet : opSet + 1;
            }
        }
    }

    /// <summary>Rows of which nobody knows the label yet: the file then asks for none.</summary>
    [TestMethod]
    [DataRow("Regression")]
    [DataRow("Binary")]
    public void Convert_FromRowsWithoutLabels_AsksForNone(string name)
    {
        ITransformer model = _pipelines.Named(name).Fit(_pipelines.Rows(300));
        ConvertedPipeline converted = ConvertedPipeline.Of(_context, model, _context.Data.LoadFromEnumerable<RideWithoutLabels>([]));
        string[] inputs = [.. converted.Model.Content.Graph.Input.Select(input => input.Name)];
        Assert.Contains("Payment", inputs);
        Assert.DoesNotContain("Amount", inputs);
        Check(converted, model, _pipelines.Rows(80, seed: 2), name);
    }

    /// <summary>The step that makes keys of class names needs the label, so it stays outside of what is converted.</summary>
    [TestMethod]
    public void Convert_MulticlassWithoutLabels_GivesClassNames()
    {
        IDataView rows = _pipelines.Rows(300);
        IDataView labelled = _context.Transforms.Conversion.MapValueToKey("Key", "Class").Fit(rows).Transform(rows);
        ITransformer model = RidePipelines.Columns(_context.Transforms).Append(_pipelines.Multiclass())
            .Append(_context.Transforms.Conversion.MapKeyToValue("PredictedLabel")).Fit(labelled);
        ConvertedPipeline converted = ConvertedPipeline.Of(_context, model, _context.Data.LoadFromEnumerable<RideWithoutLabels>([]));
        IDataView test = _pipelines.Rows(80, seed: 2);
        Assert.IsInstanceOfType<string[]>(converted.Apply(_context, test)["PredictedLabel"]);
        Check(converted, model, test, "without labels");
    }

    [TestMethod]
    public void Convert_LoadedModel_AgreesWithModel()
    {
        IDataView rows = _pipelines.Rows(300);
        ITransformer model = _pipelines.Named("Multiclass").Fit(rows);
        using var stream = new MemoryStream();
        _context.Model.Save(model, rows.Schema, stream);
        stream.Position = 0;
        ITransformer loaded = new MLContext().Model.Load(stream, out _);
        IDataView test = _pipelines.Rows(80, seed: 2);
        Check(ConvertedPipeline.Of(_context, loaded, rows), model, test, "loaded");
    }

    /// <summary>The label depends on a threshold that ML.NET lets users change.</summary>
    [TestMethod]
    public void Convert_ChangedThreshold_IsKept()
    {
        IDataView rows = Parity.View(_context, TinyNetworks.TestRows());
        var options = NetworkExamples.QuickOptions<BatchNormNetworkBinaryTrainer.Options>();
        var model = _context.BinaryClassification.Trainers.BatchNormNetwork(options)
            .Fit(NetworkExamples.View(_context, NetworkKind.Binary, TinyNetworks.TrainingRows()));
        var changed = _context.BinaryClassification.ChangeModelThreshold(model, 0.4f);
        ConvertedPipeline converted = ConvertedPipeline.Of(_context, changed, rows);
        Check(converted, changed, rows, "changed threshold");
        CollectionAssert.AreNotEqual(
            ConvertedPipeline.Of(_context, model, rows).Run(rows)["PredictedLabel"], converted.Run(rows)["PredictedLabel"]);
    }

    /// <summary>
    /// The converter keeps columns and constants in one table; a constant must not take the place of a column of the same name.
    /// </summary>
    [TestMethod]
    [DataRow("mean")]
    [DataRow("gamma")]
    public void Convert_BatchNormalizeOfColumnNamedLikeConstant_AgreesWithModel(string name)
    {
        IDataView rows = Parity.View(_context, [.. NetworkExamples.Rows(80, seed: 2).Select(row => row.Features)]);
        ITransformer model = _context.Transforms.CopyColumns(name, "Features")
            .Append(_context.Transforms.BatchNormalize("Normalized", name)).Fit(rows);
        ConvertedPipeline converted = ConvertedPipeline.Of(_context, model, rows);
        Assert.Contains("BatchNormalization", converted.Model.Operations);
        Check(converted, model, rows, name);
    }

    /// <summary>Both ways out of .NET, the pipeline and the network alone, hold the same network.</summary>
    [TestMethod]
    public void Convert_PipelineAndNetworkAlone_Agree()
    {
        IDataView rows = _pipelines.Rows(300), test = _pipelines.Rows(80, seed: 2);
        ITransformer model = _pipelines.Named("Regression").Fit(rows);
        IDataView scored = model.Transform(test);
        float[][] features = [.. scored.GetColumn<float[]>("Features")];
        ITransformer network = ((IEnumerable<ITransformer>)model).Last();
        Dictionary<string, Array> alone = OnnxModel.Of(_context, network).Run(features);
        Assert.IsNull(Parity.Difference(alone, scored));
        Check(ConvertedPipeline.Of(_context, model, rows), model, test, "pipeline");
    }

    /// <summary>Changing any constant of the network in the file must be noticed, or the comparisons above would prove nothing.</summary>
    [TestMethod]
    [DataRow("Binary")]
    [DataRow("Multiclass")]
    public void Convert_AnyConstantChanged_IsNoticed(string name)
    {
        ITransformer model = _pipelines.Named(name).Fit(_pipelines.Rows(300));
        IDataView test = _pipelines.Rows(80, seed: 2);
        ConvertedPipeline converted = ConvertedPipeline.Of(_context, model, test);
        IDataView scored = model.Transform(test);
        string[] constants = [.. converted.Model.Content.Graph.Initializer
            .Where(t => t.DataType == OnnxProtocol.TensorProto.Types.ElementType.Float)
            .Where(t => t.Name.StartsWith("BatchNormNetwork.", StringComparison.Ordinal))
            .Select(t => t.Name)];
        Assert.IsGreaterThan(20, constants.Length);
        foreach (string constant in constants)
        {
            OnnxModel changed = converted.Model.Clone();
            // The bounds of the clip are far outside all values, and so they stay unless they become small.
            bool isBound = constant.Contains(".input.bounded", StringComparison.Ordinal);
            changed.SetInitializer(constant, [.. changed.Initializer(constant).Select(v => isBound ? v * 1e-20f : v * 1.05f + 0.02f)]);
            Assert.IsNotNull(
                Parity.Difference(new ConvertedPipeline(changed).Run(test), scored), $"{constant} was changed and nothing differs.");
        }
    }

    private void Check(ITransformer model, string what, int opSet, bool oneByOne = false) => Check(
        ConvertedPipeline.Of(_context, model, _pipelines.Rows(1), opSet), model, _pipelines.Rows(80, seed: 2), what, oneByOne);

    /// <summary>Fails unless ONNX Runtime and ML.NET's transform over it agree with the model on every result it has.</summary>
    private void Check(ConvertedPipeline converted, ITransformer model, IDataView rows, string what, bool oneByOne = false)
    {
        IDataView scored = model.Transform(rows);
        Assert.IsNotEmpty(converted.Results, what);
        Assert.IsNull(Parity.Difference(converted.Run(rows, oneByOne), scored), $"{what}, ONNX Runtime");
        Assert.IsNull(Parity.Difference(converted.Apply(_context, rows), scored), $"{what}, ApplyOnnxModel");
    }

    private bool IsRefused(ITransformer model, int opSet)
    {
        try
        {
            ConvertedPipeline.Of(_context, model, _pipelines.Rows(1), opSet).Run(_pipelines.Rows(10));
            return false;
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or OnnxRuntimeException)
        {
            return true;
        }
    }
}
