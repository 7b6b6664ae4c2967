using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Categories through the trainers: what the annotation says is checked, bags and odd rows are scored, models go on.</summary>
[TestClass]
public sealed class CategoryTests
{
    private const int Slots = 9;

    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(new[] { 1, 4, 3, 6 }, "the ranges 1 to 4 and 3 to 6 overlap")]
    [DataRow(new[] { 5, 6, 1, 5 }, "the ranges 1 to 5 and 5 to 6 overlap")]
    [DataRow(new[] { 1, 9 }, "range 0 goes from slot 1 to 9; the column has the slots 0 to 8")]
    [DataRow(new[] { 1, 2, 30, 40 }, "range 1 goes from slot 30 to 40")]
    [DataRow(new[] { 4, 2 }, "range 0 goes from slot 4 to 2")]
    [DataRow(new[] { -1, 2 }, "range 0 goes from slot -1 to 2")]
    public void Fit_RangesThatAreNone_AreNamed(int[] ranges, string expected)
    {
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(Rows(200), ranges)).Message;
        Assert.Contains("Feature column 'Features' has the annotation CategoricalSlotRanges", message);
        Assert.Contains(expected, message);
    }

    /// <summary>
    /// A range with several ones, or with other values, is a bag: each of its slots counts by itself, as in a linear model.
    /// </summary>
    [TestMethod]
    [DataRow("second")]
    [DataRow("half")]
    public void Fit_RangeThatIsABag_KeepsItsSlots(string kind)
    {
        Wide[] rows = Rows(300);
        for (int row = 0; row < rows.Length; row += 7)
            rows[row].Features[2 + row % 3] += kind == "half" ? 0.5f : 1;
        InputEncoder encoder = Encoder(Fit(rows, [1, 6]));
        Assert.IsNull(encoder.Ranges);
        Assert.AreEqual(9, encoder.Part<ScaleAndClip>()!.Columns);
        InputPiece[] pieces = encoder.Part<Pieces>()?.All.ToArray() ?? [];
        Assert.IsFalse(Array.Exists(pieces, piece => piece.Source is >= 1 and <= 6), "Its slots are no quantities.");
    }

    /// <summary>
    /// The model's view, bytes and further training know the categories; what was never seen has a score between the others.
    /// </summary>
    [TestMethod]
    public void Fit_Category_IsLearnedSavedShownAndGoneOnFrom()
    {
        Wide[] rows = Rows(600);
        var model = Fit(rows, [1, 6]);
        InputEncoder encoder = Encoder(model);
        Assert.AreEqual(6, encoder.Ranges![0].Count);
        BatchNormNetworkEncoder shown = model.Model.Network.Encoder;
        Assert.HasCount(Slots, shown.Slots);
        for (int slot = 1; slot <= 5; slot++)
            Assert.IsTrue(shown.Slots[slot] is { Center: 0, Scale: 1, Value: not null }, $"slot {slot}");
        Assert.IsNull(shown.Slots[6].Value, "No row had it.");
        Assert.IsTrue(shown.Slots[7].IsClipped);
        var layer = (BatchNormNetworkInputLayer)model.Model.Network.Members[0].Layers[0];
        Assert.HasCount(layer.Outputs, layer.GetWeights(shown.Slots[3].Value!));
        Assert.AreEqual(shown.Parts.Count, layer.Inputs);

        float[] Scores(ITransformer transformer, Wide[] of) => [.. transformer.Transform(View(of, [1, 6])).GetColumn<float>("Score")];
        float[] scores = Scores(model, rows);
        using var stream = new MemoryStream();
        _context.Model.Save(model, View(rows, [1, 6]).Schema, stream);
        stream.Position = 0;
        CollectionAssert.AreEqual(scores, Scores(_context.Model.Load(stream, out _), rows));

        Wide Of(int category)
        {
            var features = new float[Slots];
            (features[0], features[7], features[8]) = (0.5f, 3, 0.5f);
            if (category > 0)
                features[category] = 1;
            return new Wide { Features = features };
        }
        float[] odd = Scores(model, [Of(1), Of(2), Of(3), Of(4), Of(5), Of(6), Of(0)]);
        Assert.IsInRange(odd[..5].Min(), odd[..5].Max(), odd[5], string.Join(", ", odd));
        Assert.AreEqual(odd[5], odd[6], "Neither was in training.");

        var trainer = _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(_ => { }));
        var next = trainer.Fit(View(rows, [1, 6]), modelParameters: model.Model);
        Assert.AreEqual(encoder, Encoder(next), "Going on keeps the encoder.");
        Assert.HasCount(rows.Length, Scores(next, rows).Distinct().ToArray());
    }

    /// <summary>Where every slot has to be a column of its own, it is.</summary>
    [TestMethod]
    public void Fit_LayerInputOrUnscaled_KeepsTheSlots()
    {
        foreach (Action<BatchNormNetworkOptions> change in new Action<BatchNormNetworkOptions>[]
        {
            options => options.Placement = BatchNormalizationPlacement.LayerInput, options => options.ScaleInputs = false,
        })
        {
            Assert.IsNull(Encoder(Fit(Rows(200), [1, 6], change)).Ranges);
        }
    }

    /// <summary>
    /// The same rows behind more and more slots, of which a category or a bag fills few: there is no width at which they are learned worse.
    /// </summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Fit_SameRowsInMoreAndMoreSlots_IsSmooth(bool isBag)
    {
        double[] shares = [.. new[] { 102, 300, 1_000, 1_030, 3_000, 30_000, 100_000 }.Select(width =>
        {
            var random = new Random(4);
            Entries[] rows = [.. Enumerable.Range(0, 1500).Select(row =>
            {
                float year = 1990 + random.Next(35), kelvin = 288 + 10 * random.NextSingle();
                int step = (width - 2) / 100, value = row % 100, other = (value + 1 + row % 37) % 100;
                int[] set = isBag ? [.. new[] { value, other }.Order()] : [value];
                int[] indices = [0, .. set.Select(v => 1 + v * step), width - 1];
                float[] values = [year, .. set.Select(_ => 1f), kelvin];
                double label = Math.Sin(year / 3) + (kelvin > 293 ? 1 : 0) + set.Sum(v => v % 7 * 0.2);
                return new Entries { Features = new VBuffer<float>(width, indices.Length, values, indices), Label = (float)label };
            })];
            SchemaDefinition schema = SchemaDefinition.Create(typeof(Entries));
            schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, width);
            IDataView view = _context.Data.LoadFromEnumerable(rows, schema);
            var model = _context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                Seed = 1, HiddenUnits = [32], MaximumNumberOfEpochs = 30, NumberOfEnsembleMembers = 1, NumberOfThreads = 1,
            }).Fit(view);
            Assert.AreEqual(2, Encoder(model).Part<Pieces>()!.All.ToArray().Select(piece => piece.Source).Distinct().Count());
            return _context.Regression.Evaluate(model.Transform(view)).RSquared;
        })];
        Assert.IsGreaterThan(0.9, shares.Min(), string.Join(", ", shares));
        Assert.IsLessThan(0.05, shares.Max() - shares.Min(), string.Join(", ", shares));
    }

    /// <summary>
    /// A category of very many values enters through a projection beside an otherwise unchanged network: pieces, all networks, and a model
    /// that grows by a few bytes a value.
    /// </summary>
    [TestMethod]
    public void Fit_CategoryOfManyValues_IsProjected()
    {
        const int values = 3000;
        var random = new Random(3);
        double[] effect = [.. Enumerable.Range(0, values).Select(_ => 2 * random.NextDouble())];
        Many[] rows = [.. Enumerable.Range(0, 9000).Select(row =>
        {
            float number = random.NextSingle();
            double label = effect[row % values] + Math.Sin(9 * number);
            return new Many { Number = number, Value = (uint)(row % values) + 1, Label = (float)label };
        })];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Many));
        schema[nameof(Many.Value)].ColumnType = new KeyDataViewType(typeof(uint), values);
        IDataView view = _context.Data.LoadFromEnumerable(rows, schema);
        IDataView prepared = _context.Transforms.Conversion.MapKeyToVector("Hot", nameof(Many.Value))
            .Append(_context.Transforms.Concatenate("Features", nameof(Many.Number), "Hot")).Fit(view).Transform(view);
        var trainer = _context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            Seed = 1, MaximumNumberOfEpochs = 12, HiddenUnits = [64, 32], NumberOfEnsembleMembers = 2,
        });
        var model = trainer.Fit(prepared);
        InputEncoder encoder = Encoder(model);
        Assert.AreEqual(values + 1, encoder.Projected.Single().Columns, "Three rows each: every value, and one for other values.");
        Assert.AreEqual(32, encoder.Part<Pieces>()!.Columns);
        Assert.IsGreaterThan(0.8, _context.Regression.Evaluate(model.Transform(prepared)).RSquared);
        BatchNormNetworkEncoder shown = model.Model.Network.Encoder;
        var layer = (BatchNormNetworkInputLayer)model.Model.Network.Members[1].Layers[0];
        Assert.AreEqual(shown.Parts.Count, layer.Inputs);
        Assert.AreEqual(layer[5, shown.Slots[7].Value!], layer.GetWeights(shown.Slots[7].Value!)[5]);
        Assert.HasCount(64, layer.GetWeights(shown.Slots[7].Value!).Distinct().ToArray());

        using var stream = new MemoryStream();
        _context.Model.Save(model, prepared.Schema, stream);
        Assert.IsLessThan(2 * (values * 8 + 3 * 64 * 64) * 4 + 200_000, stream.Length);
        stream.Position = 0;
        CollectionAssert.AreEqual(
            model.Transform(prepared).GetColumn<float>("Score").ToArray(),
            _context.Model.Load(stream, out _).Transform(prepared).GetColumn<float>("Score").ToArray());
        var next = trainer.Fit(prepared, modelParameters: model.Model);
        Assert.AreEqual(encoder, Encoder(next));
    }

    private RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> Fit(
        Wide[] rows, int[] ranges, Action<BatchNormNetworkOptions>? change = null) =>
        _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => change?.Invoke(options)))
        .Fit(View(rows, ranges));

    private static InputEncoder Encoder(RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters> model) =>
        ((INetworkModel)model.Model).Network.Encoder;

    private static Wide[] Rows(int count)
    {
        var random = new Random(2);
        return [.. Enumerable.Range(0, count).Select(row =>
        {
            var features = new float[Slots];
            (features[0], features[7], features[8]) = (random.NextSingle(), 5 * random.NextSingle(), random.NextSingle());
            features[1 + row % 5] = 1;
            return new Wide { Features = features, Label = features[7] + 2 * (row % 5) };
        })];
    }

    private IDataView View(Wide[] rows, int[] ranges)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Wide));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, Slots);
        schema["Features"].AddAnnotation(
            "CategoricalSlotRanges", new VBuffer<int>(ranges.Length, ranges),
            new VectorDataViewType(NumberDataViewType.Int32, ranges.Length));
        return _context.Data.LoadFromEnumerable(rows, schema);
    }

    public sealed class Entries
    {
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }

    public sealed class Many
    {
        public float Number { get; set; }

        public uint Value { get; set; }

        public float Label { get; set; }
    }

    public sealed class Wide
    {
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }
}
