using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.OnnxRuntime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>Bounds of predictions are in ONNX Runtime what they are in ML.NET, as files of their own and in pipelines.</summary>
[TestClass]
public sealed class IntervalExportTests
{
    private const int Slots = 4;

    private readonly MLContext _context = new(1);

    private sealed class Row
    {
        [VectorType(Slots)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    /// <summary>With a spread and without (of few rows), of labels that may be negative and of counts.</summary>
    [TestMethod]
    [DataRow(1500, "numbers", true, 1)]
    [DataRow(1500, "numbers", false, 3)]
    [DataRow(300, "numbers", true, 2)]
    [DataRow(1500, "counts", true, 2)]
    [DataRow(1500, "counts", false, 1)]
    public void Export_Bounds_AgreeWithModel(int count, string labels, bool fold, int levels)
    {
        Row[] rows = Rows(1, count, labels), others = Rows(2, 80, labels);
        others[3].Features[1] = float.NaN;
        ITransformer model = Trainer(labels, levels).Fit(View(rows));
        Check(model.Transform(View(others)), OnnxModel.Of(_context, model, fold: fold).Run([.. others.Select(row => row.Features)]), "");
    }

    [TestMethod]
    public void Export_WithoutLevels_HasNoBounds()
    {
        OnnxModel model = OnnxModel.Of(_context, Trainer("numbers", 0).Fit(View(Rows(1, 200, "numbers"))));
        CollectionAssert.AreEqual(new[] { "Score" }, model.Content.Graph.Output.Select(output => output.Name).ToArray());
    }

    /// <summary>ML.NET's own converter, with a step in front.</summary>
    [TestMethod]
    [DataRow(9, 1)]
    [DataRow(12, 2)]
    public void Convert_Pipeline_AgreesWithModel(int opSet, int levels)
    {
        Row[] rows = Rows(1, 1500, "numbers"), others = Rows(2, 80, "numbers");
        ITransformer model = _context.Transforms.NormalizeMinMax("Features").Append(Trainer("numbers", levels)).Fit(View(rows));
        IDataView withoutLabel = _context.Transforms.DropColumns("Label").Fit(View(rows)).Transform(View(rows));
        using var stream = new MemoryStream();
        _context.Model.ConvertToOnnx(model, withoutLabel, opSet, stream);
        using SessionOptions options = OnnxModel.Options();
        using var session = new InferenceSession(stream.ToArray(), options);
        var tensor = new Microsoft.ML.OnnxRuntime.Tensors.DenseTensor<float>(
            others.SelectMany(row => row.Features).ToArray(), [others.Length, Slots]);
        using var outputs = session.Run([NamedOnnxValue.CreateFromTensor("Features", tensor)]);
        // The converter also gives columns between.
        Check(model.Transform(View(others)), outputs.Where(output => output.Name.StartsWith("Score", StringComparison.Ordinal))
            .ToDictionary(output => output.Name, OnnxModel.Values), ".output");
    }

    private static void Check(IDataView scored, Dictionary<string, Array> outputs, string suffix)
    {
        float[] scores = [.. scored.GetColumn<float>("Score")];
        double range = scores.Max() - scores.Min();
        Assert.IsGreaterThan(0.5, range);
        foreach (string name in new[] { "Score", "ScoreLowerBound", "ScoreUpperBound" })
        {
            float[] expected = scored.Schema[name].Type is VectorDataViewType
                ? [.. scored.GetColumn<float[]>(name).SelectMany(row => row)]
                : [.. scored.GetColumn<float>(name)];
            float[] found = [.. outputs[name + suffix].Cast<float>()];
            Assert.HasCount(expected.Length, found);
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], found[i], 10 * Parity.Tolerance * range, $"{name}, {i}");
            if (name != "Score")
                Assert.IsGreaterThan(0.05 * range, Enumerable.Range(0, scores.Length).Max(i => Math.Abs(expected[i] - scores[i])), name);
        }
    }

    private BatchNormNetworkRegressionTrainer Trainer(string labels, int levels) =>
        _context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            HiddenUnits = [16], MaximumNumberOfEpochs = 5, NumberOfEnsembleMembers = 3, Seed = 1,
            Loss = labels == "counts" ? new PoissonLoss() : new SquaredLoss(), IntervalLevels = new[] { 0.9, 0.5, 0.8 }[..levels],
        });

    private IDataView View(Row[] rows) => _context.Data.LoadFromEnumerable(rows);

    /// <summary>Noise that grows with a slot, or the numbers of events of a rate that another raises.</summary>
    private static Row[] Rows(int seed, int count, string labels)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            float[] x = [.. Enumerable.Range(0, Slots).Select(_ => 2 * random.NextSingle() - 1)];
            float label = 3 * x[0] + (1.2f + x[1]) * (random.NextSingle() - random.NextSingle());
            if (labels == "counts")
            {
                double limit = Math.Exp(-Math.Exp(1 + x[0])), product = random.NextDouble();
                for (label = 0; product > limit; label++)
                    product *= random.NextDouble();
            }

            return new Row { Features = x, Label = label };
        })];
    }
}
