using System.IO.Compression;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Saved networks: loaded where nothing knows this package yet, the same to the last bit, and refused when damaged.</summary>
[TestClass]
public sealed class NetworkPersistenceTests
{
    /// <summary>A context and what ML.NET allocates to load any model take a little more than one megabyte.</summary>
    private const long FourMegabytes = 4 << 20;

    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), "")]
    [DataRow(nameof(NetworkKind.Multiclass), "de-DE")]
    [DataRow(nameof(NetworkKind.Regression), "tr-TR")]
    public void Load_InAFreshProcess_GivesTheSameBits(string kindName, string culture)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        List<Example> rows = NetworkExamples.Rows(60);
        rows[4].Features[2] = float.NaN;
        IDataView view = NetworkExamples.View(_context, kind, rows);
        ITransformer model = NetworkExamples.Quick(_context, kind).Fit(view);

        FreshModelLoad.Check(_context, model, view, culture);
    }

    /// <summary>
    /// From words to words: key values and slot names are in the model, and come out of it in a process that has never seen the data.
    /// </summary>
    [TestMethod]
    public void Load_PipelineWithKeysInAFreshProcess_GivesTheSameBitsAndWords()
    {
        IDataView rows = Scalars();
        ITransformer model = _context.Transforms.Conversion.MapValueToKey("Label", "Class")
            .Append(_context.Transforms.Categorical.OneHotEncoding("Hot", "Kind"))
            .Append(_context.Transforms.Concatenate("Features", "A", "B", "Hot"))
            .Append(NetworkExamples.Quick(_context, NetworkKind.Multiclass))
            .Append(_context.Transforms.Conversion.MapKeyToValue("Word", "PredictedLabel"))
            .Fit(rows);

        FreshModelLoad.Check(_context, model, rows);
    }

    [TestMethod]
    public void Load_OneVersusAllInAFreshProcess_GivesTheSameBits()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Multiclass, NetworkExamples.Rows(60));
        var trainer = (BatchNormNetworkBinaryTrainer)NetworkExamples.Quick(_context, NetworkKind.Binary);

        FreshModelLoad.Check(_context, _context.MulticlassClassification.Trainers.OneVersusAll(trainer).Fit(view), view);
    }

    /// <summary>All that a model shows of itself survives: layers, statistics, history.</summary>
    [TestMethod]
    [DataRow(BatchNormalizationPlacement.None)]
    [DataRow(BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(BatchNormalizationPlacement.AfterActivation)]
    [DataRow(BatchNormalizationPlacement.LayerInput)]
    public void Load_Model_ShowsTheSame(BatchNormalizationPlacement placement)
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(60));
        ITransformer saved = NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
        {
            options.Placement = placement;
            options.NumberOfInputPieces = 4;
            options.NumberOfEnsembleMembers = 2;
        }).Fit(view);
        BatchNormNetworkRegressionModelParameters expected = Parameters(saved), actual = Parameters(Reload(saved, view.Schema));

        Assert.HasCount(2, actual.Network.Members);
        CollectionAssert.AreEqual(
            expected.Network.Members[0].TrainingHistory.Epochs.ToArray(), actual.Network.Members[0].TrainingHistory.Epochs.ToArray());
        Assert.AreEqual(expected.Network.Members[0].TrainingHistory.BestEpoch, actual.Network.Members[0].TrainingHistory.BestEpoch);
        for (int member = 0; member < 2; member++)
        {
            for (int i = 0; i < 3; i++)
            {
                BatchNormNetworkLayer a = expected.Network.Members[member].Layers[i], b = actual.Network.Members[member].Layers[i];
                CollectionAssert.AreEqual(ShownNetwork.WeightsOf(a), ShownNetwork.WeightsOf(b));
                CollectionAssert.AreEqual(a.Bias?.ToArray(), b.Bias?.ToArray());
                Assert.AreEqual(a.Activation, b.Activation);
                Assert.AreEqual(a.BatchNormalization is null, b.BatchNormalization is null);
                if (a.BatchNormalization is not { } n || b.BatchNormalization is not { } m)
                    continue;
                CollectionAssert.AreEqual(n.Gamma.ToArray(), m.Gamma.ToArray());
                CollectionAssert.AreEqual(n.Beta.ToArray(), m.Beta.ToArray());
                CollectionAssert.AreEqual(n.RunningMean.ToArray(), m.RunningMean.ToArray());
                CollectionAssert.AreEqual(n.RunningVariance.ToArray(), m.RunningVariance.ToArray());
                Assert.AreEqual((n.Epsilon, n.Placement, n.Statistics), (m.Epsilon, m.Placement, m.Statistics));
            }
        }
    }

    /// <summary>Training can go on from a loaded model as from the one that was saved.</summary>
    [TestMethod]
    public void Fit_FromALoadedModel_IsAsFromTheSavedOne()
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(60));
        var trainer = (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression);
        ITransformer saved = trainer.Fit(view);

        float[] expected = trainer.Fit(view, modelParameters: Parameters(saved)).Transform(view).Scalars<float>("Score");
        CollectionAssert.AreEqual(
            expected, trainer.Fit(view, modelParameters: Parameters(Reload(saved, view.Schema))).Transform(view).Scalars<float>("Score"));
    }

    [TestMethod]
    public void Load_Undamaged_Works()
    {
        ModelZip zip = Zip(NetworkKind.Binary);

        zip.LoadWith(zip.Entry);
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Load_DataThatEndsTooEarly_IsRefused(string kindName)
    {
        ModelZip zip = Zip(Enum.Parse<NetworkKind>(kindName));
        // Everywhere in the head, then at a few places.
        foreach (int size in Enumerable.Range(0, 80).Concat([100, 200, zip.Size / 2, zip.Size - 1]))
        {
            zip.MustRefuse(zip.Entry[..(zip.Start + size)], $"{size} of {zip.Size} bytes");
            zip.MustRefuse(zip.WithSize(size), $"a header that says {size} instead of {zip.Size} bytes");
        }
    }

    /// <summary>
    /// What grows most from file to memory, with all that ML.NET does: ensembles of many columns and few units. The scores are those of the
    /// model that was trained, whose layers are padded.
    /// </summary>
    [TestMethod]
    [DataRow(1, true)]
    [DataRow(2, true)]
    [DataRow(1, false)]
    [DataRow(2, false)]
    public void Load_FewUnitsOfManyColumns_AllocatesTenTimesTheFileAtMost(int units, bool sparse)
    {
        const int slots = 12_000, members = 8;
        IDataView view = sparse ? Views.OfWordsInTwoRows(_context, 20, slots) : Views.OfManySlots(_context, 20, slots);
        long weights = (long)slots * members * units;
        ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Binary, options =>
        {
            options.HiddenUnits = [units];
            options.MaximumNumberOfEpochs = 1;
            options.NumberOfEnsembleMembers = members;
            options.Placement = sparse ? BatchNormalizationPlacement.BeforeActivation : BatchNormalizationPlacement.LayerInput;
        }).Fit(view);
        using var stream = new MemoryStream();
        _context.Model.Save(model, view.Schema, stream);
        byte[] zip = stream.ToArray();
        using var archive = new ZipArchive(new MemoryStream(zip));
        long length = archive.Entries.Sum(entry => entry.Length);
        // Weights are of half precision where the rows do not need more; then memory is twice as many times the file.
        int bytesOfWeight = length > sizeof(float) * weights ? sizeof(float) : sizeof(ushort);
        Assert.IsGreaterThan(bytesOfWeight * weights, length);

        new MLContext(1).Model.Load(new MemoryStream(zip), out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        ITransformer loaded = new MLContext(1).Model.Load(new MemoryStream(zip), out _);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.IsLessThan(FourMegabytes + 10 * length * sizeof(float) / bytesOfWeight, allocated);
        CollectionAssert.AreEqual(model.Transform(view).Scalars<float>("Score"), loaded.Transform(view).Scalars<float>("Score"));
        Assert.IsGreaterThan(1, loaded.Transform(view).Scalars<float>("Score").Distinct().Count());
    }

    [TestMethod]
    public void Load_ModelOfAnotherTask_IsRefused()
    {
        // A network of three outputs where one is needed: the block of a multiclass model under the name of a regression model.
        ModelZip zip = Zip(NetworkKind.Regression);
        byte[] entry = zip.WithPayload(sizeof(int) + OutputsOffset, BitConverter.GetBytes(3));

        zip.MustRefuse(entry, "three outputs");
    }

    /// <summary>A batch normalization may divide by next to nothing only as far as the weights stay in the range of float.</summary>
    [TestMethod]
    public void Load_NormalizationThatOverflows_IsRefused()
    {
        ModelZip zip = Zip(NetworkKind.Regression);
        byte[] tiny = zip.WithPayload(sizeof(int) + EpsilonOffset, BitConverter.GetBytes(1e-300));
        var model = Network(zip.LoadWith(zip.Entry));
        // Variances of zero: they stand behind the weights, the gammas, the betas and the means of the first layer.
        int columns = model.Parameters.BatchNormalization[0]!.Columns;
        int weights = sizeof(int) + (model.Parameters.Linear[0].Inputs * columns * sizeof(ushort));
        int variances = zip.Start + sizeof(int) + FirstWeight(model) + weights + 2
            + (2 * columns * sizeof(float)) + (columns * sizeof(double));
        Assert.AreEqual(
            model.Parameters.BatchNormalization[0]!.RunningVariance[0], BitConverter.ToDouble(tiny, variances), "The offset is wrong.");
        tiny.AsSpan(variances, columns * sizeof(double)).Clear();

        Assert.Contains("beyond the range of float", zip.MustRefuse(tiny, "division by next to nothing"));
    }

    /// <summary>
    /// Every byte of the head and every seventh of the numbers behind it: the model loads, or is refused as ML.NET's loader refuses,
    /// without large allocations. The tests of the format itself change every bit.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Load_AnyByteChanged_LoadsOrIsRefusedProperly(string kindName)
    {
        ModelZip zip = Zip(Enum.Parse<NetworkKind>(kindName));
        int loaded = 0, refused = 0;
        for (int offset = 0; offset < zip.Size; offset += offset < 130 ? 1 : 7)
        {
            if (zip.MayRefuse(zip.WithPayload(offset, (byte)~zip.Entry[zip.Start + offset]), $"byte {offset}", FourMegabytes))
                loaded++;
            else
                refused++;
        }

        Assert.IsGreaterThan(30, loaded);
        Assert.IsGreaterThan(30, refused);
    }

    // Offsets behind ML.NET's sizeof(float), see NetworkFormat: magic, version, the head of a section, inputs, the number of
    // hidden layers and the units of one come first.
    private const int OutputsOffset = 5 * sizeof(int) + Sections.HeaderBytes;
    private const int EpsilonOffset = OutputsOffset + sizeof(int) + 4;

    private static int FirstWeight(TrainedNetwork network)
    {
        using var bytes = new MemoryStream();
        using (var writer = new BinaryWriter(bytes, System.Text.Encoding.UTF8, leaveOpen: true))
            EncoderFormat.Write(writer, network.Encoder);
        int encoder = (int)bytes.Length;
        return EpsilonOffset + (4 * sizeof(double)) + sizeof(int) + Sections.HeaderBytes + encoder + Sections.HeaderBytes + sizeof(int);
    }

    private static BatchNormNetworkRegressionModelParameters Parameters(ITransformer model) =>
        ((RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)model).Model;

    private static TrainedNetwork Network(ITransformer model) => ((INetworkModel)Parameters(model)).Network;

    private ModelZip Zip(NetworkKind kind)
    {
        IDataView view = NetworkExamples.View(_context, kind, NetworkExamples.Rows(30));
        ITransformer model = NetworkExamples.Quick(_context, kind, options =>
        {
            options.HiddenUnits = [3];
            options.MaximumNumberOfEpochs = 2;
        }).Fit(view);
        return new ModelZip(_context, model, view.Schema, kind switch
        {
            NetworkKind.Binary => BatchNormNetworkBinaryModelParameters.LoaderSignature,
            NetworkKind.Multiclass => BatchNormNetworkMulticlassModelParameters.LoaderSignature,
            _ => BatchNormNetworkRegressionModelParameters.LoaderSignature,
        });
    }

    private ITransformer Reload(ITransformer model, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        _context.Model.Save(model, schema, stream);
        stream.Position = 0;
        return new MLContext().Model.Load(stream, out _);
    }

    private IDataView Scalars()
    {
        return _context.Data.LoadFromEnumerable(NetworkExamples.Rows(60).Select(row => new ScalarRow
        {
            A = row.Features[0],
            B = row.Features[1],
            Kind = row.Features[3] > 0 ? "round" : "square",
            Class = row.Class!,
        }));
    }

    private sealed class ScalarRow
    {
        public float A { get; set; }

        public float B { get; set; }

        public string Kind { get; set; } = "";

        public string Class { get; set; } = "";
    }
}
