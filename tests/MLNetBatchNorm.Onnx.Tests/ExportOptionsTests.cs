using Google.Protobuf;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.OnnxProtocol;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>What the file declares, what the options do, and what is refused.</summary>
[TestClass]
public sealed class ExportOptionsTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), "Score Float 1, Probability Float 1, PredictedLabel Bool 1")]
    [DataRow(nameof(NetworkKind.Multiclass), "Score Float 3, PredictedLabel Uint32 1")]
    [DataRow(nameof(NetworkKind.Regression), "Score Float 1")]
    public void Export_Task_DeclaresColumns(string kindName, string outputs)
    {
        OnnxModel model = OnnxModel.Of(_context, TinyNetworks.Train(_context, Enum.Parse<NetworkKind>(kindName)));
        Assert.AreEqual("Features Float 4", string.Join(", ", model.Content.Graph.Input.Select(Describe)));
        Assert.AreEqual(outputs, string.Join(", ", model.Content.Graph.Output.Select(Describe)));
    }

    [TestMethod]
    public void Export_Multiclass_NamesClasses()
    {
        OnnxModel model = OnnxModel.Of(_context, TinyNetworks.Train(_context, NetworkKind.Multiclass));
        StringStringEntryProto entry = model.Content.MetadataProps.Single();
        Assert.AreEqual("PredictedLabel.KeyValues", entry.Key);
        Assert.AreEqual("""["bee","ant","cat"]""", entry.Value);
    }

    /// <summary>ONNX's momentum is the weight of the old value, ours that of the newest batch: 0.3 here.</summary>
    [TestMethod]
    public void Export_Explicit_WritesMomentumAndEpsilonOfOnnx()
    {
        ITransformer transformer = TinyNetworks.Train(_context, NetworkKind.Regression, options => options.Epsilon = 1e-3);
        OnnxModel model = OnnxModel.Of(_context, transformer, fold: false);
        foreach (NodeProto node in model.Content.Graph.Node.Where(n => n.OpType == "BatchNormalization"))
        {
            Assert.AreEqual(0.7f, node.Attribute.Single(a => a.Name == "momentum").F);
            Assert.AreEqual(1e-3f, node.Attribute.Single(a => a.Name == "epsilon").F);
        }

        var trained = (ISingleFeaturePredictionTransformer<BatchNormNetworkRegressionModelParameters>)transformer;
        var layer = (BatchNormNetworkInputLayer)trained.Model.Network.Members[0].Layers[0];
        CollectionAssert.AreEqual(layer.BatchNormalization!.Gamma, model.Initializer("bn1.gamma"));
        CollectionAssert.AreEqual(layer.BatchNormalization.RunningMean, model.Initializer("bn1.running_mean"));
        CollectionAssert.AreEqual(layer.BatchNormalization.RunningVariance, model.Initializer("bn1.running_variance"));
        float[] weights = [.. Enumerable.Range(0, layer.Outputs).SelectMany(unit => layer.Encoder.Parts.Select(part => layer[unit, part]))];
        CollectionAssert.AreEqual(weights, model.Initializer("linear1.weight"));
        Assert.IsFalse(
            model.Content.Graph.Initializer.Any(t => t.Name == "linear1.bias"),
            "A linear map in front of batch normalization has no bias.");
    }

    [TestMethod]
    public void Export_InputName_IsColumnOrOption()
    {
        var options = NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(o => o.FeatureColumnName = "Inputs");
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(60));
        IDataView renamed = _context.Transforms.CopyColumns("Inputs", "Features").Fit(view).Transform(view);
        var transformer = _context.Regression.Trainers.BatchNormNetwork(options).Fit(renamed);

        Assert.AreEqual("Inputs", InputOf(s => _context.Model.ConvertBatchNormNetworkToOnnx(transformer, s)));
        Assert.AreEqual("Features", InputOf(s => _context.Model.ConvertBatchNormNetworkToOnnx(transformer.Model, s)));
        // A name that the graph uses inside gives way to the input's.
        var chosen = new BatchNormNetworkOnnxOptions { InputName = "linear1.weight" };
        Assert.AreEqual("linear1.weight", InputOf(s => _context.Model.ConvertBatchNormNetworkToOnnx(transformer, s, chosen)));
        byte[] bytes = Bytes(s => _context.Model.ConvertBatchNormNetworkToOnnx(transformer, s, chosen));
        Assert.HasCount(10, OnnxModel.Read(bytes).Run([.. NetworkExamples.Rows(10).Select(r => r.Features)])["Score"]);
    }

    /// <summary>From transformer and model parameters, before and after saving: the same network, the same bytes.</summary>
    [TestMethod]
    public void Export_SavedAndLoaded_WritesSameBytes()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, TinyNetworks.TrainingRows());
        ITransformer transformer = TinyNetworks.Trainer(_context, NetworkKind.Binary).Fit(view);
        using var zip = new MemoryStream();
        _context.Model.Save(transformer, view.Schema, zip);
        zip.Position = 0;
        ITransformer loaded = new MLContext(2).Model.Load(zip, out _);
        byte[] bytes = Bytes(s => _context.Model.ConvertBatchNormNetworkToOnnx(transformer, s));
        CollectionAssert.AreEqual(bytes, Bytes(s => _context.Model.ConvertBatchNormNetworkToOnnx(loaded, s)));

        var binary = (ISingleFeaturePredictionTransformer<Microsoft.ML.Calibrators.CalibratedModelParametersBase<
            BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>>)transformer;
        CollectionAssert.AreEqual(bytes, Bytes(s => _context.Model.ConvertBatchNormNetworkToOnnx(binary.Model.SubModel, s)));

        ITransformer multiclass = TinyNetworks.Train(_context, NetworkKind.Multiclass);
        var parameters = ((ISingleFeaturePredictionTransformer<BatchNormNetworkMulticlassModelParameters>)multiclass).Model;
        ModelProto withNames = OnnxModel.Of(_context, multiclass).Content;
        withNames.MetadataProps.Clear();
        CollectionAssert.AreEqual(withNames.ToByteArray(), Bytes(s => _context.Model.ConvertBatchNormNetworkToOnnx(parameters, s)));
    }

    [TestMethod]
    public void Export_OptionsOutOfRange_AreRefused()
    {
        ITransformer transformer = TinyNetworks.Train(_context, NetworkKind.Regression);
        foreach ((BatchNormNetworkOnnxOptions options, string word) in new[]
        {
            (new BatchNormNetworkOnnxOptions { OpSetVersion = 11 }, "12 to 17"),
            (new BatchNormNetworkOnnxOptions { OpSetVersion = 18 }, "12 to 17"),
            (new BatchNormNetworkOnnxOptions { InputName = "" }, "InputName"),
            (new BatchNormNetworkOnnxOptions { InputName = "Score" }, "InputName"),
        })
        {
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => _context.Model.ConvertBatchNormNetworkToOnnx(transformer, new MemoryStream(), options));
            Assert.Contains(word, error.Message);
        }
    }

    [TestMethod]
    public void Export_OtherTransformers_AreRefused()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(60));
        IEstimator<ITransformer> normalizer = _context.Transforms.NormalizeMeanVariance("Features");
        ITransformer pipeline = normalizer.Append(TinyNetworks.Trainer(_context, NetworkKind.Regression)).Fit(view);

        ArgumentException ofPipeline = Refused(pipeline, new MemoryStream());
        Assert.Contains("2 steps", ofPipeline.Message);
        Assert.Contains("ConvertToOnnx", ofPipeline.Message);
        Assert.Contains("not a batch-normalized network", Refused(normalizer.Fit(view), new MemoryStream()).Message);
        ITransformer network = TinyNetworks.Train(_context, NetworkKind.Regression);
        Assert.Contains("written", Refused(network, new MemoryStream([], writable: false)).Message);
        Assert.ThrowsExactly<ArgumentNullException>(
            () => _context.Model.ConvertBatchNormNetworkToOnnx((ITransformer)null!, new MemoryStream()));
        Assert.ThrowsExactly<ArgumentNullException>(() => _context.Model.ConvertBatchNormNetworkToOnnx(network, null!));
    }

    private static byte[] Bytes(Action<Stream> export)
    {
        using var stream = new MemoryStream();
        export(stream);
        return stream.ToArray();
    }

    private static string InputOf(Action<Stream> export) => OnnxModel.Read(Bytes(export)).Content.Graph.Input.Single().Name;

    private static string Describe(ValueInfoProto value)
    {
        TypeProto.Types.Tensor tensor = value.Type.TensorType;
        Assert.AreEqual("N", tensor.Shape.Dim[0].DimParam);
        return $"{value.Name} {tensor.ElemType} {tensor.Shape.Dim[1].DimValue}";
    }

    private ArgumentException Refused(ITransformer transformer, Stream stream) =>
        Assert.ThrowsExactly<ArgumentException>(() => _context.Model.ConvertBatchNormNetworkToOnnx(transformer, stream));
}
