using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Tests.Distribution;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Very many words enter through a projection beside an otherwise unchanged network, everywhere a model is used.</summary>
[TestClass]
public sealed class TextTests
{
    private const int Words = 4000;
    private const int Slots = Words + 2;

    private readonly MLContext _context = new(1);

    [TestMethod]
    public void Fit_WordsBesideANumber_LearnsBoth()
    {
        IDataView rows = View(1500), others = View(500, seed: 9);
        var model = Trainer(epochs: 16).Fit(rows);
        InputEncoder encoder = ((INetworkModel)model.Model).Network.Encoder;
        Assert.AreEqual(32, encoder.Part<Pieces>()!.Columns, "The number keeps its pieces.");
        Assert.IsInstanceOfType<SparseSlots>(encoder.Projected.Single());
        Assert.HasCount(2, model.Model.Network.Members);
        Assert.IsGreaterThan(0.3, _context.Regression.Evaluate(model.Transform(others)).RSquared);

        BatchNormNetworkEncoder shown = model.Model.Network.Encoder;
        var layer = (BatchNormNetworkInputLayer)model.Model.Network.Members[1].Layers[0];
        Assert.AreEqual(shown.Parts.Count, layer.Inputs);
        BatchNormNetworkSlot word = shown.Slots.First(slot => slot.Index > 0 && slot.Value is not null);
        Assert.AreEqual(layer[5, word.Value!], layer.GetWeights(word.Value!)[5]);
        Assert.IsGreaterThan(10, layer.GetWeights(word.Value!).Distinct().Count());
        Assert.IsEmpty(shown.Slots[Slots - 1].Parts, "No row has it.");
    }

    /// <summary>
    /// The same words that say something, beside two numbers and among more and more words that say nothing, from a hundred slots to a
    /// hundred thousand: there is no number of them at which other rows are predicted much worse than with fewer.
    /// </summary>
    [TestMethod]
    public void Fit_SameWordsAmongMoreAndMoreOthers_IsSmooth()
    {
        int[] widths = [100, 300, 900, 1_200, 1_600, 2_000, 2_150, 3_000, 10_000, 100_000];
        double[] shares = [.. widths.Select(width =>
        {
            var model = _context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                Seed = 1, HiddenUnits = [128, 64], NumberOfEnsembleMembers = 2, NumberOfThreads = 1,
            }).Fit(Walk(width, 2000, seed: 1));
            return _context.Regression.Evaluate(model.Transform(Walk(width, 1000, seed: 2))).RSquared;
        })];
        string all = string.Join(", ", widths.Zip(shares, (width, share) => $"{width}: {share:F3}"));
        Assert.IsGreaterThan(0.8, shares.Min(), all);
        for (int i = 1; i < shares.Length; i++)
            Assert.IsGreaterThan(shares[..i].Min() - 0.06, shares[i], all);
    }

    /// <summary>Zeros that sparse rows store are no entries: the model is the same to the last bit.</summary>
    [TestMethod]
    [DataRow(300)]
    [DataRow(3000)]
    public void Fit_StoredZeros_AreNoEntries(int width)
    {
        IDataView rows = Walk(width, 400, seed: 1);
        string Model(IDataView view) => ModelFile.Contents(_context, Trainer(epochs: 2).Fit(view), view.Schema);
        string expected = Model(new SparseView(rows, "Features"));
        Assert.AreEqual(expected, Model(new SparseView(rows, "Features", storesSome: true)));
        Assert.AreNotEqual(expected, Model(Walk(width, 400, seed: 2)), "Other rows would have gone unnoticed.");
    }

    private IDataView Walk(int width, int count, int seed)
    {
        const int saying = 40;
        var random = new Random(seed);
        int step = (width - 2) / saying;
        Row[] rows = [.. Enumerable.Range(0, count).Select(_ =>
        {
            float year = 1990 + random.Next(35), kelvin = 288 + 10 * random.NextSingle();
            int[] said = [.. Enumerable.Range(0, 3).Select(_ => random.Next(saying)).Distinct()];
            IEnumerable<int> others = Enumerable.Range(0, 6 + random.Next(12)).Select(_ => 1 + random.Next(width - 2));
            int[] words = [.. said.Select(word => 1 + word * step).Concat(others.Where(slot => (slot - 1) % step != 0)).Distinct().Order()];
            double label = Math.Sin(year / 3) + (kelvin > 293 ? 1 : 0) + said.Sum(word => word % 5 - 2);
            return new Row
            {
                Features = new VBuffer<float>(
                    width, words.Length + 2, [year, .. words.Select(_ => 1 / MathF.Sqrt(words.Length)), kelvin], [0, .. words, width - 1]),
                Label = (float)label,
            };
        })];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, width);
        return _context.Data.LoadFromEnumerable(rows, schema);
    }

    /// <summary>Alone, in blocks, through Transform, saved and loaded: a row has one score.</summary>
    [TestMethod]
    public void Score_InAnyWay_IsTheSame()
    {
        IDataView rows = View(400);
        var model = Trainer(epochs: 2).Fit(rows);
        float[] expected = [.. model.Transform(rows).GetColumn<float>("Score")], block = new float[expected.Length];
        Row[] all = Rows(400, 1);
        model.Model.Score([.. all.SelectMany(row => row.Features.DenseValues())], block.Length, block);
        CollectionAssert.AreEqual(expected, block);
        using var stream = new MemoryStream();
        _context.Model.Save(model, rows.Schema, stream);
        stream.Position = 0;
        CollectionAssert.AreEqual(
            expected, _context.Model.Load(stream, out _).Transform(rows).GetColumn<float>("Score").ToArray());
        Assert.IsGreaterThan(300, expected.Distinct().Count());
        Assert.HasCount(1, ((INetworkModel)model.Model).Network.Encoder.Projected);
        var next = Trainer(epochs: 1).Fit(rows, modelParameters: model.Model);
        Assert.AreEqual(((INetworkModel)model.Model).Network.Encoder, ((INetworkModel)next.Model).Network.Encoder);
        CollectionAssert.AreNotEqual(expected, next.Transform(rows).GetColumn<float>("Score").ToArray());
    }

    /// <summary>Threads, another machine, and a machine that is lost have no influence; rows written out are the same rows.</summary>
    [TestMethod]
    public void Fit_InAnyWay_IsTheSameModel()
    {
        IDataView rows = View(400), written = View(400, dense: true);
        string expected = Contents(options => { });
        Assert.AreEqual(expected, Contents(options => options.NumberOfThreads = 3));
        Assert.AreEqual(expected, Contents(options => options.TrainingRunner = new BytesRunner()));
        Assert.AreEqual(
            expected, Contents(options => options.TrainingRunner = new BytesRunner { LostAfter = 1, KeepsStates = true }));
        Assert.AreEqual(expected, ModelFile.Contents(_context, Trainer(epochs: 3).Fit(written), written.Schema));
        Assert.AreNotEqual(expected, Contents(options => options.Seed = 5));

        string Contents(Action<BatchNormNetworkOptions> change) =>
            ModelFile.Contents(_context, Trainer(epochs: 3, change).Fit(rows), rows.Schema);
    }

    [TestMethod]
    public void Fit_MoreRowsThanTheBudget_LearnsAsWell()
    {
        IDataView rows = View(9000);
        var model = Trainer(epochs: 4, options => (options.MemoryBudgetInMegabytes, options.NumberOfEnsembleMembers) = (1, 1)).Fit(rows);
        Assert.IsGreaterThan(0.3, _context.Regression.Evaluate(model.Transform(View(500, seed: 9))).RSquared);
        Assert.HasCount(1, ((INetworkModel)model.Model).Network.Encoder.Projected);
    }

    /// <summary>What a row has explains its score, and nothing else does.</summary>
    [TestMethod]
    public void Contributions_OfWords_AddUpToTheScore()
    {
        IDataView rows = View(400);
        var model = Trainer(epochs: 3).Fit(rows);
        float[] scores = [.. model.Transform(rows).GetColumn<float>("Score")];
        float[][] given = [.. _context.Transforms.CalculateFeatureContribution(
            model, numberOfPositiveContributions: Slots, numberOfNegativeContributions: Slots, normalize: false).Fit(rows).Transform(rows)
            .GetColumn<float[]>("FeatureContributions")];
        Assert.HasCount(1, ((INetworkModel)model.Model).Network.Encoder.Projected);
        Row[] all = Rows(400, 1);
        var bases = new List<double>();
        for (int row = 0; row < 20; row++)
        {
            float[] written = [.. all[row].Features.DenseValues()];
            for (int slot = 0; slot < Slots; slot++)
                Assert.IsTrue(given[row][slot] == 0 || written[slot] != 0, "A word that a row does not have contributes nothing.");
            Assert.IsGreaterThan(6, given[row].Count(value => value != 0));
            bases.Add(scores[row] - given[row].Sum(value => (double)value));
        }
        Assert.AreEqual(bases.Min(), bases.Max(), 1e-4, "The score of the base is the same for all rows.");
    }

    /// <summary>A table of words alone, whose other half of the encoding is empty.</summary>
    [TestMethod]
    public void Fit_WordsAlone_Learns()
    {
        var model = Trainer(epochs: 16).Fit(View(1500, number: false));
        Assert.HasCount(1, ((INetworkModel)model.Model).Network.Encoder.Parts);
        Assert.IsGreaterThan(0.25, _context.Regression.Evaluate(model.Transform(View(500, seed: 9, number: false))).RSquared);
    }

    /// <summary>A normalization of the input needs every column.</summary>
    [TestMethod]
    public void Fit_NormalizedInput_KeepsTheWordsAsTheyAre()
    {
        var model = Trainer(epochs: 2, options => options.Placement = BatchNormalizationPlacement.LayerInput).Fit(View(300));
        Assert.IsEmpty(((INetworkModel)model.Model).Network.Encoder.Projected);
        Assert.HasCount(300, model.Transform(View(300)).GetColumn<float>("Score").Distinct().ToArray());
    }

    private BatchNormNetworkRegressionTrainer Trainer(int epochs, Action<BatchNormNetworkOptions>? change = null)
    {
        var options = new BatchNormNetworkRegressionTrainer.Options
        {
            Seed = 1, HiddenUnits = [24, 12], MaximumNumberOfEpochs = epochs, NumberOfEnsembleMembers = 2, EarlyStoppingPatience = 0,
        };
        change?.Invoke(options);
        return _context.Regression.Trainers.BatchNormNetwork(options);
    }

    private IDataView View(int count, int seed = 1, bool dense = false, bool number = true)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, Slots);
        return _context.Data.LoadFromEnumerable(Rows(count, seed, dense, number), schema);
    }

    /// <summary>A number, some twenty words, and a slot that no row has.</summary>
    private static Row[] Rows(int count, int seed, bool dense = false, bool number = true)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            // Words by Zipf's law, of which the common ones say something, and words that say nothing.
            IEnumerable<int> common = Enumerable.Range(0, 9).Select(_ => 1 + (int)Math.Pow(Words, random.NextDouble()) % Words);
            int[] words = [.. common.Concat(Enumerable.Range(0, 14).Select(_ => 1 + random.Next(Words))).Distinct().Order()];
            float year = 1990 + 30 * random.NextSingle();
            float[] values = [.. words.Select(_ => 1 / MathF.Sqrt(words.Length))];
            double label = words.Sum(word => word < 200 ? word % 3 - 1 : 0) + (number ? Math.Sin(year) : 0);
            var features = number
                ? new VBuffer<float>(Slots, words.Length + 1, [year, .. values], [0, .. words])
                : new VBuffer<float>(Slots, words.Length, values, words);
            if (dense)
                features = new VBuffer<float>(Slots, [.. features.DenseValues()]);
            return new Row { Features = features, Label = (float)label };
        })];
    }

    public sealed class Row
    {
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }
}
