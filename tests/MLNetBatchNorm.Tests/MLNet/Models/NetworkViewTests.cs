using System.Numerics.Tensors;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What a model shows of itself is what it computes with, the same for all three tasks.</summary>
[TestClass]
public sealed class NetworkViewTests
{
    private const int Count = 60;

    private readonly MLContext _context = new(1);

    /// <summary>
    /// A row's score by the documented formulas, from the parts of the slots on: numeric slots in pieces, missing values, an indicator.
    /// Slot 3 is missing in two rows.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(nameof(NetworkKind.Multiclass), BatchNormalizationPlacement.BeforeActivation)]
    [DataRow(nameof(NetworkKind.Multiclass), BatchNormalizationPlacement.LayerInput)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.None)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.AfterActivation)]
    [DataRow(nameof(NetworkKind.Regression), BatchNormalizationPlacement.LayerInput)]
    public void Score_OfEveryNetwork_IsWhatTheViewSays(string kindName, BatchNormalizationPlacement placement)
    {
        List<Example> rows = Rows();
        Model model = Train(Enum.Parse<NetworkKind>(kindName), rows, options => options.Placement = placement);
        Assert.HasCount(3, model.Network.Members);
        double largestChange = 0;
        foreach (BatchNormNetworkMember member in model.Network.Members)
        {
            float[] scores = new float[Count * model.Outputs];
            member.Score(Flat(rows), Count, scores);
            double scale = scores.Max(Math.Abs);
            for (int row = 0; row < Count; row++)
            {
                double[] parts = ShownNetwork.Encode(model.Network.Encoder, rows[row].Features);
                double[] expected = model.ScoresOf(ShownNetwork.Forward(member, parts));
                for (int i = 0; i < model.Outputs; i++)
                    Assert.AreEqual(expected[i], scores[row * model.Outputs + i], 1e-5 * scale, $"row {row}");
                parts[0] += 1;
                largestChange = Math.Max(
                    largestChange, Math.Abs(model.ScoresOf(ShownNetwork.Forward(member, parts))[0] - expected[0]) / scale);
            }
        }

        Assert.IsGreaterThan(1e-2, largestChange, "A part that is wrong is seen in the score.");
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Score_OfTheModel_IsTheMeanOfTheNetworks(string kindName)
    {
        List<Example> rows = Rows();
        Model model = Train(Enum.Parse<NetworkKind>(kindName), rows);
        float[][] scores = [.. model.Network.Members.Select(member =>
        {
            float[] own = new float[Count * model.Outputs];
            member.Score(Flat(rows), Count, own);
            return own;
        })];
        float[] all = new float[Count * model.Outputs];
        model.Score(Flat(rows), Count, all);
        float largest = all.Max(Math.Abs);

        for (int row = 0; row < Count; row++)
        {
            double[] mean = [.. Enumerable.Range(0, model.Outputs)
                .Select(i => scores.Average(own => Linear(own[row * model.Outputs + i])))];
            double[] expected = model.Outputs == 1 ? mean : [.. mean.Select(log => Math.Exp(log) / mean.Sum(Math.Exp))];
            for (int i = 0; i < model.Outputs; i++)
                Assert.AreEqual(expected[i], all[row * model.Outputs + i], 1e-5 * largest);
        }

        CollectionAssert.AreNotEqual(scores[0], scores[1]);
        CollectionAssert.AreNotEqual(scores[0], all);

        double Linear(float score) => model.Outputs == 1 ? score : Math.Log(score);
    }

    /// <summary>One row alone is scored by other code than a block.</summary>
    [TestMethod]
    public void Score_OfOneNetwork_HasTheSameBitsForOneRowAsForMany()
    {
        List<Example> rows = Rows();
        Model model = Train(NetworkKind.Multiclass, rows);
        float[] block = new float[Count * 3], one = new float[3];
        model.Network.Members[1].Score(Flat(rows), Count, block);
        for (int row = 0; row < Count; row++)
        {
            model.Network.Members[1].Score(rows[row].Features, 1, one);
            CollectionAssert.AreEqual(block[(row * 3)..(row * 3 + 3)], one);
        }
    }

    [TestMethod]
    public void Score_OfOneNetwork_RefusesWhatTheModelRefuses()
    {
        BatchNormNetworkMember member = Train(NetworkKind.Regression, Rows()).Network.Members[2];

        Assert.Contains(
            "rows of 4 features",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => member.Score(new float[7], 2, new float[2])).Message);
        Assert.Contains(
            "room for 1 values",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => member.Score(new float[8], 2, new float[1])).Message);
    }

    [TestMethod]
    public void Encoder_Slots_HaveTheirPartsInTheirOwnUnits()
    {
        List<Example> rows = Rows();
        BatchNormNetworkEncoder encoder = Train(NetworkKind.Regression, rows).Network.Encoder;

        Assert.HasCount(4, encoder.Slots);
        BatchNormNetworkSlot first = encoder.Slots[0], last = encoder.Slots[3];
        Assert.AreEqual((0, 3), (first.Index, last.Index));
        float[] values = [.. rows.Select(row => row.Features[0])];
        Assert.IsInRange(values.Min(), values.Max(), first.Center);
        Assert.IsInRange(0.1f, 1f, first.Scale, "One over the distance of the quartiles of a normal value with deviation 3, which is 4.");
        Assert.IsTrue(first.IsClipped);
        Assert.IsNull(first.Missing);
        Assert.AreEqual("value of slot 0", $"{first.Value}");
        Assert.IsNull(first.Value!.From);
        Assert.AreEqual("missing value of slot 3", $"{last.Missing}");
        Assert.AreEqual(1f, last.Missing!.ValueWhereMissing);

        // Pieces follow each other and cover all values.
        Assert.HasCount(4, first.Pieces);
        Assert.AreEqual(values.Min(), first.Pieces[0].From);
        Assert.AreEqual(values.Max(), first.Pieces[3].To!.Value, 1e-3f);
        for (int i = 0; i < 3; i++)
            Assert.AreEqual(first.Pieces[i].To!.Value, first.Pieces[i + 1].From!.Value, 1e-3f);
        StringAssert.StartsWith($"{first.Pieces[2]}", "piece 2 of slot 0, from ");
        Assert.HasCount(1 + first.Pieces.Count, first.Parts);
        Assert.HasCount(encoder.Parts.Count, encoder.Slots.SelectMany(slot => slot.Parts));
        CollectionAssert.AreEquivalent(
            encoder.Parts.Select(part => part.ToString()).ToArray(),
            encoder.Slots.SelectMany(slot => slot.Parts).Select(part => part.ToString()).ToArray());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => encoder.Slots[4]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => encoder.Parts[-1]);
    }

    /// <summary>Weights are found by what a part is, so that a part of one model can be asked for in another.</summary>
    [TestMethod]
    public void InputLayer_PartOfAnotherModel_IsFoundOrRefused()
    {
        List<Example> rows = Rows();
        BatchNormNetwork network = Train(NetworkKind.Regression, rows).Network;
        var layer = (BatchNormNetworkInputLayer)network.Members[1].Layers[0];
        BatchNormNetwork withoutPieces = Train(NetworkKind.Regression, rows, options => options.NumberOfInputPieces = 0).Network;
        var uncut = (BatchNormNetworkInputLayer)withoutPieces.Members[0].Layers[0];
        BatchNormNetworkSlotPart piece = network.Encoder.Slots[2].Pieces[1];

        for (int unit = 0; unit < layer.Outputs; unit++)
            Assert.AreEqual(layer[unit, piece], layer.GetWeights(piece)[unit]);
        // Single weights may be equal, for they are rounded to half precision.
        Assert.HasCount(
            network.Encoder.Parts.Count, network.Encoder.Parts.Select(part => string.Join(' ', layer.GetWeights(part))).Distinct(),
            "Every part has weights of its own.");
        Assert.HasCount(network.Encoder.Parts.Count * layer.Outputs, ShownNetwork.WeightsOf(layer).ToArray());
        Assert.HasCount(uncut.Outputs, uncut.GetWeights(network.Encoder.Slots[2].Value!));
        Assert.Contains("no piece 1 of slot 2", Assert.ThrowsExactly<ArgumentException>(() => uncut.GetWeights(piece)).Message);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => layer[16, piece]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => layer[-1, piece]);
        Assert.ThrowsExactly<ArgumentNullException>(() => layer.GetWeights(null!));
    }

    /// <summary>Slots that pass as they are have one part each, and nothing is done to it.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Encoder_OfSlotsThatPassAsTheyAre_HasAValueForEverySlot(bool sparse)
    {
        const int slots = SparseRow.Slots;
        SparseRow[] rows = [.. Enumerable.Range(0, 40).Select(i => new SparseRow
        {
            Features = new VBuffer<float>(slots, 2, [1 + i % 2, 20 - i % 3], [i, slots - 1]), Label = i % 2,
        })];
        if (!sparse)
            Array.ForEach(rows, row => row.Features = new VBuffer<float>(slots, [.. row.Features.DenseValues()]));
        BatchNormNetwork network = _context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            ScaleInputs = false, HiddenUnits = [4], MaximumNumberOfEpochs = 2, NumberOfEnsembleMembers = 1,
        }).Fit(_context.Data.LoadFromEnumerable(rows)).Model.Network;

        Assert.HasCount(slots, network.Encoder.Slots);
        BatchNormNetworkSlot last = network.Encoder.Slots[slots - 1];
        Assert.HasCount(1, last.Parts);
        Assert.AreEqual((0f, 1f, false), (last.Center, last.Scale, last.IsClipped));
        Assert.HasCount(4, ((BatchNormNetworkInputLayer)network.Members[0].Layers[0]).GetWeights(last.Value!));
        float[] score = new float[1];
        network.Members[0].Score(rows[0].Features.DenseValues().ToArray(), 1, score);
        Assert.IsTrue(float.IsFinite(score[0]));
    }

    /// <summary>
    /// Names are those of the rows that were trained on last; they are saved, and a network that others go on from passes them on.
    /// </summary>
    [TestMethod]
    public void Encoder_NamesOfSlots_AreThoseOfTheFeatureColumn()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(i => new Named
        {
            Age = 20 + i, Deck = new[] { "A", "B", "C" }[i % 3], Label = i % 7,
        }));
        IEstimator<ITransformer> features = _context.Transforms.Categorical.OneHotEncoding("Deck")
            .Append(_context.Transforms.Concatenate("Features", "Age", "Deck"));
        IDataView named = features.Fit(rows).Transform(rows), nameless = _context.Data.LoadFromEnumerable(Bare(named));
        BatchNormNetworkRegressionTrainer trainer = _context.Regression.Trainers.BatchNormNetwork(
            hiddenUnits: [4], maximumNumberOfEpochs: 2);
        RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> trained = trainer.Fit(named);
        using var stream = new MemoryStream();
        _context.Model.Save(trained, named.Schema, stream);
        var loaded = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)_context.Model.Load(stream, out _);

        foreach (BatchNormNetworkRegressionModelParameters model in new[]
        {
            trained.Model, loaded.Model, trainer.Fit(nameless, null, trained.Model).Model,
        })
        {
            BatchNormNetworkEncoder encoder = model.Network.Encoder;
            CollectionAssert.AreEqual(new[] { "Age", "Deck.A", "Deck.B", "Deck.C" }, encoder.Slots.Select(slot => slot.Name).ToArray());
            Assert.AreEqual(2, encoder.GetSlotOrNull("Deck.B")!.Index);
            Assert.AreEqual("value of slot 2 ('Deck.B')", $"{encoder.GetSlotOrNull("Deck.B")!.Value}");
            Assert.IsNull(encoder.GetSlotOrNull("Deck"));
        }

        BatchNormNetworkEncoder none = trainer.Fit(nameless).Model.Network.Encoder;
        Assert.IsNull(none.Slots[0].Name);
        Assert.IsNull(none.GetSlotOrNull("Age"));
    }

    private static IEnumerable<BareRow> Bare(IDataView view) => view.GetColumn<float[]>("Features").Zip(
        view.GetColumn<float>("Label"), (features, label) => new BareRow { Features = features, Label = label });

    [TestMethod]
    public void ChosenSettings_OfATraining_AreWhatItUsed()
    {
        ChosenSettings chosen = Train(NetworkKind.Regression, Rows()).Network.ChosenSettings!;

        Assert.AreEqual((32, 4, 11, 60L), (chosen.BatchSize, chosen.MaximumNumberOfEpochs, chosen.Seed, chosen.NumberOfTrainingRows));
    }

    private static List<Example> Rows()
    {
        List<Example> rows = NetworkExamples.Rows(Count);
        rows[2].Features[3] = float.NaN;
        rows[7].Features[3] = float.NaN;
        return rows;
    }

    private static float[] Flat(List<Example> rows) => [.. rows.SelectMany(row => row.Features)];

    private Model Train(NetworkKind kind, List<Example> rows, Action<BatchNormNetworkOptions>? change = null)
    {
        ITransformer trained = NetworkExamples.Quick(_context, kind, options =>
        {
            options.NumberOfEnsembleMembers = 3;
            options.NumberOfInputPieces = 4;
            change?.Invoke(options);
        }).Fit(NetworkExamples.View(_context, kind, rows));
        return ((ISingleFeaturePredictionTransformer<object>)trained).Model switch
        {
            CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator> binary =>
                new Model(binary.SubModel.Network, 1, binary.SubModel.Score, outputs => outputs),
            BatchNormNetworkMulticlassModelParameters classes => new Model(classes.Network, 3, classes.Score, Softmax),
            BatchNormNetworkRegressionModelParameters regression => new Model(
                regression.Network, 1, regression.Score, outputs => [regression.LabelMean + regression.LabelDeviation * outputs[0]]),
            _ => throw new InvalidOperationException(),
        };
    }

    private static double[] Softmax(double[] logits)
    {
        double[] probabilities = new double[logits.Length];
        TensorPrimitives.SoftMax<double>(logits, probabilities);
        return probabilities;
    }

    private sealed class Named
    {
        public float Age { get; set; }

        public string Deck { get; set; } = "";

        public float Label { get; set; }
    }

    private sealed class BareRow
    {
        [VectorType(4)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    private sealed class SparseRow
    {
        public const int Slots = 3000;

        [VectorType(Slots)]
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }

    private delegate void Scorer(ReadOnlySpan<float> features, int rows, Span<float> scores);

    /// <param name="Network">What a model shows.</param>
    /// <param name="Outputs">Slots of its score column.</param>
    /// <param name="Score">Scores rows.</param>
    /// <param name="ScoresOf">What the outputs of a network come to.</param>
    private sealed record Model(BatchNormNetwork Network, int Outputs, Scorer Score, Func<double[], double[]> ScoresOf);
}
