using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Columns are treated by what they hold, through the trainers: whatever stands beside them, however
/// they come, and whatever a normalizer did to them.
/// </summary>
[TestClass]
public sealed class InputTreatmentTests
{
    private readonly MLContext _context = new(1);

    public TestContext TestContext { get; set; } = null!;

    /// <summary>
    /// A value that is missing of a column that never missed one says nothing: the score is about the mean, not that of the smallest value.
    /// </summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), null)]
    [DataRow(nameof(NetworkKind.Binary), 0)]
    [DataRow(nameof(NetworkKind.Multiclass), null)]
    [DataRow(nameof(NetworkKind.Regression), null)]
    [DataRow(nameof(NetworkKind.Regression), 0)]
    public void Score_ValueThatIsNeverMissingInTraining_IsTheExpectation(string kindName, int? pieces)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        var random = new Random(3);
        Wide[] rows = [.. Enumerable.Range(0, 1500)
            .Select(_ => Numbers(100 * random.NextSingle(), random.NextSingle(), random.NextSingle()))];
        ITransformer model = Trainer(kind, pieces).Fit(Labelled(kind, rows));
        float[] scores = Scores(
            kind, model,
            [Numbers(float.NaN, 0.5f, 0.5f), Numbers(50, 0.5f, 0.5f), Numbers(0, 0.5f, 0.5f), Numbers(100, 0.5f, 0.5f),
                Numbers(float.NaN, float.NaN, 0.5f)]);
        float low = scores[2], high = scores[3];
        Assert.IsGreaterThan(0.6f, high - low, "The column matters.");
        foreach (float score in new[] { scores[0], scores[1], scores[4] })
            Assert.IsInRange(low + 0.17f * (high - low), low + 0.83f * (high - low), score, string.Join(", ", scores));
    }

    /// <summary>A few rows that miss a value are no measure of what missing means: it stays near what is expected.</summary>
    [TestMethod]
    public void Score_ValueThatIsRarelyMissingInTraining_IsNearTheExpectation()
    {
        var random = new Random(3);
        Wide[] rows = [.. Enumerable.Range(0, 1500)
            .Select(_ => Numbers(100 * random.NextSingle(), random.NextSingle(), random.NextSingle()))];
        foreach (int row in new[] { 7, 700, 1200 })
            rows[row].Features[0] = float.NaN;
        ITransformer model = Trainer(NetworkKind.Regression, null).Fit(Labelled(NetworkKind.Regression, rows));
        float[] scores = Scores(
            NetworkKind.Regression, model, [Numbers(float.NaN, 0.5f, 0.5f), Numbers(0, 0.5f, 0.5f), Numbers(100, 0.5f, 0.5f)]);
        Assert.IsInRange(
            scores[1] + 0.25f * (scores[2] - scores[1]), scores[1] + 0.75f * (scores[2] - scores[1]), scores[0], string.Join(", ", scores));
    }

    /// <summary>The same table with its category as it was encoded, as dummies without the annotation, and behind normalizers.</summary>
    [TestMethod]
    public void Fit_DummiesThatDoNotSaySo_AreTheSameAsThoseThatDo()
    {
        const int products = 60;
        var random = new Random(1);
        float[] shift = [.. Enumerable.Range(0, products).Select(_ => random.NextSingle())];
        Product[] rows = [.. Enumerable.Range(0, 1200).Select(i =>
        {
            float a = random.NextSingle(), b = 3 + 4 * random.NextSingle();
            var dummies = new float[products];
            dummies[i % products] = 1;
            return new Product
            {
                Number = i % products, A = a, B = b, Dummies = dummies, Label = MathF.Sin(9 * a) + b / 4 + shift[i % products],
            };
        })];
        IDataView view = _context.Data.LoadFromEnumerable(rows);
        IEstimator<ITransformer> oneHot = _context.Transforms.Categorical.OneHotEncoding("P", nameof(Product.Number))
            .Append(_context.Transforms.Concatenate("Features", "A", "B", "P"));
        (InputEncoder Encoder, float[] Scores) annotated = Fit(oneHot),
            loaded = Fit(_context.Transforms.Concatenate("Features", "A", "B", nameof(Product.Dummies)));
        CollectionAssert.AreEqual(annotated.Scores, loaded.Scores);
        Assert.AreEqual(2 * 32, annotated.Encoder.Part<Pieces>()!.Columns, "The numbers share all pieces.");
        foreach (IEstimator<ITransformer> normalizer in new IEstimator<ITransformer>[]
            { _context.Transforms.NormalizeMinMax("Features"), _context.Transforms.NormalizeMeanVariance("Features"),
                _context.Transforms.NormalizeMeanVariance("Features", fixZero: false) })
        {
            (InputEncoder encoder, float[] scores) = Fit(oneHot.Append(normalizer));
            Assert.AreEqual(2 * 32, encoder.Part<Pieces>()!.Columns);
            for (int i = 0; i < scores.Length; i++)
                Assert.AreEqual(annotated.Scores[i], scores[i], 0.02f, $"Row {i}.");
        }

        (InputEncoder Encoder, float[] Scores) Fit(IEstimator<ITransformer> preparation)
        {
            IDataView prepared = preparation.Fit(view).Transform(view);
            var trainer = _context.Regression.Trainers.BatchNormNetwork(
                NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => options.NumberOfInputPieces = null));
            var model = trainer.Fit(prepared);
            return (((INetworkModel)model.Model).Network.Encoder, [.. model.Transform(prepared).GetColumn<float>("Score")]);
        }
    }

    /// <summary>
    /// Two numbers beside a category that gets longer and longer: no width at which they lose their
    /// treatment, sparse or dense, annotated or not.
    /// </summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Fit_NumbersBesideMoreAndMoreSlots_KeepTheirTreatment(bool sparse)
    {
        double[] shares = [.. new[] { 100, 1000, 1030, 1202, 3000 }.Select(width =>
        {
            var random = new Random(4);
            Wide[] rows = [.. Enumerable.Range(0, 1200).Select(i =>
            {
                float year = 1990 + random.Next(35), kelvin = 288 + 10 * random.NextSingle();
                var features = new float[width];
                (features[0], features[width - 1], features[1 + i % (width - 2)]) = (year, kelvin, 1);
                return new Wide { Features = features, Label = MathF.Sin(year / 3) + (kelvin > 293 ? 1 : 0) };
            })];
            IDataView view = View(rows, width, sparse);
            var model = _context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                Seed = 1, HiddenUnits = [32], MaximumNumberOfEpochs = 30, NumberOfEnsembleMembers = 1, NumberOfThreads = 1,
            }).Fit(view);
            InputEncoder encoder = ((INetworkModel)model.Model).Network.Encoder;
            Assert.AreEqual(2, encoder.Part<Pieces>()!.All.ToArray().Select(piece => piece.Source).Distinct().Count());
            Assert.AreEqual(2007, encoder.Part<ScaleAndClip>()!.Center[0], 3);
            return _context.Regression.Evaluate(model.Transform(view)).RSquared;
        })];
        TestContext.WriteLine(string.Join(", ", shares));
        Assert.IsTrue(shares.All(share => share > 0.9), string.Join(", ", shares));
    }

    /// <summary>Pieces that are asked for are there on sparse rows too, and the log says how rows are kept.</summary>
    [TestMethod]
    public void Fit_SparseRows_HonoursTheNumberOfPieces_AndSaysHowTheyAreKept()
    {
        var random = new Random(1);
        Wide[] rows = [.. Enumerable.Range(0, 600).Select(i =>
        {
            var features = new float[1101];
            // Two of them, so that they are no category.
            (features[0], features[1 + i % 1100], features[1 + (7 * i + 3) % 1100]) = (random.NextSingle(), 1, 1);
            return new Wide { Features = features, Label = MathF.Sin(12 * features[0]) };
        })];
        var log = new List<string>();
        _context.Log += (_, e) => log.Add(e.RawMessage);
        foreach (int pieces in new[] { 0, 5, 64 })
        {
            var model = _context.Regression.Trainers.BatchNormNetwork(
                NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => options.NumberOfInputPieces = pieces))
            .Fit(View(rows, 1101, sparse: true));
            InputEncoder encoder = ((INetworkModel)model.Model).Network.Encoder;
            Assert.IsInRange(0.9 * pieces, pieces, encoder.Part<Pieces>()?.Columns ?? 0);
            float[] sparse = [.. model.Transform(View(rows, 1101, sparse: true)).GetColumn<float>("Score")];
            float[] dense = [.. model.Transform(View(rows, 1101, sparse: false)).GetColumn<float>("Score")];
            CollectionAssert.AreEqual(sparse, dense, "A row has its score however it comes.");
        }
        // The number, and of the others, which are projected, those that two rows have.
        int scaled = 1 + Enumerable.Range(1, 1100).Count(slot => rows.Count(row => row.Features[slot] != 0) > 1);
        Assert.IsInRange(100, 1000, scaled);
        Assert.IsTrue(
            log.Any(line => line.Contains(
                $"Rows are kept sparse, 3 entries a row; columns of the first layer: {scaled} scaled, 5 piece.", StringComparison.Ordinal)),
            string.Join("\n", log));
    }

    private IEstimator<ITransformer> Trainer(NetworkKind kind, int? pieces) => NetworkExamples.Quick(_context, kind, options =>
    {
        options.NumberOfInputPieces = pieces;
        options.MaximumNumberOfEpochs = 25;
        options.NumberOfEnsembleMembers = 2;
    });

    private static Wide Numbers(params float[] features)
    {
        // The last number is the luck of the draw as well, so that a score is a probability.
        float chance = features[^1] * 7919 % 1;
        bool isPositive = chance < 1 / (1 + MathF.Exp((50 - features[0]) / 12));
        return new Wide { Features = features, Label = features[0] / 100, Class = isPositive ? "b" : "a", IsPositive = isPositive };
    }

    private IDataView Labelled(NetworkKind kind, Wide[] rows)
    {
        IDataView view = View(rows, 3, sparse: false);
        IEstimator<ITransformer> label = kind switch
        {
            NetworkKind.Binary => _context.Transforms.CopyColumns("Label", nameof(Wide.IsPositive)),
            NetworkKind.Multiclass => _context.Transforms.Conversion.MapValueToKey("Label", nameof(Wide.Class)),
            _ => _context.Transforms.CopyColumns("Label", nameof(Wide.Label)),
        };
        return label.Fit(view).Transform(view);
    }

    private float[] Scores(NetworkKind kind, ITransformer model, Wide[] rows)
    {
        IDataView scored = model.Transform(View(rows, 3, sparse: false));
        return kind switch
        {
            NetworkKind.Binary => [.. scored.GetColumn<float>("Probability")],
            // The second class that was seen; whichever it is, the score runs from one end to the other.
            NetworkKind.Multiclass => Rising([.. scored.GetColumn<float[]>("Score").Select(score => score[1])]),
            _ => [.. scored.GetColumn<float>("Score")],
        };

        static float[] Rising(float[] scores) => scores[3] > scores[2] ? scores : [.. scores.Select(score => 1 - score)];
    }

    private IDataView View(Wide[] rows, int width, bool sparse)
    {
        if (sparse)
        {
            SparseRow[] entries = [.. rows.Select(row => new SparseRow { Features = Sparse(row.Features), Label = row.Label })];
            SchemaDefinition sparseSchema = SchemaDefinition.Create(typeof(SparseRow));
            sparseSchema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, width);
            return _context.Data.LoadFromEnumerable(entries, sparseSchema);
        }
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Wide));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, width);
        return _context.Data.LoadFromEnumerable(rows, schema);
    }

    private static VBuffer<float> Sparse(float[] features)
    {
        int[] filled = [.. Enumerable.Range(0, features.Length).Where(i => features[i] != 0)];
        return new VBuffer<float>(features.Length, filled.Length, [.. filled.Select(i => features[i])], filled);
    }

    public sealed class Wide
    {
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public bool IsPositive { get; set; }

        public string Class { get; set; } = "";
    }

    public sealed class SparseRow
    {
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }

    public sealed class Product
    {
        public float Number { get; set; }

        public float A { get; set; }

        public float B { get; set; }

        [VectorType(60)]
        public float[] Dummies { get; set; } = [];

        public float Label { get; set; }
    }
}
