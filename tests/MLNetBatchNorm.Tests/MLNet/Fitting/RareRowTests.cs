using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Rows that are empty but for a few: missing values, zeros, or flags that are hardly ever set. In most mini-batches no column varies, and
/// batch normalization must not take that for its scale: a row that is not empty was predicted hundreds of deviations away from all labels,
/// validation losses were in the thousands, and the best epoch was the first.
/// </summary>
[TestClass]
public sealed class RareRowTests
{
    private const int Slots = 6;
    private const int ManySlots = 1100;
    private const int Count = 2000;

    private readonly MLContext _context = new(1);
    private readonly SpillLog _spill;

    public RareRowTests() => _spill = new SpillLog(_context);

    public static IEnumerable<object[]> Forms =>
        from one in new[] { 400, 1000 }
        from form in new[]
        {
            "missing", "zeros", "flags", "sparse", "weighted", "spilled", "three layers", "virtual batches", "large batches",
        }
        // Two rows among a thousand batches of eight say too little of any scale.
        where !IsVirtual(form) || one == 400
        select new object[] { form, one };

    /// <summary>One row in so many holds something, and labels are noise: nothing can be learned, and no row is far off.</summary>
    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Numbers_OfRareRows_StayAmongTheLabels(string form, int one)
    {
        List<Row> rows = Rows(form, one);
        var options = new BatchNormNetworkRegressionTrainer.Options
        {
            LabelColumnName = nameof(Row.Value), ExampleWeightColumnName = form == "weighted" ? nameof(Row.Weight) : null,
        };
        ITransformer model = _context.Regression.Trainers.BatchNormNetwork(Shaped(options, form)).Fit(View(form, rows));

        Assert.AreEqual(form == "spilled", _spill.HasSpilled);
        float[] scores = [.. model.Transform(View(form, Rows(form, one, seed: 2))).GetColumn<float>("Score")];
        // Labels lie in [10, 12].
        Assert.IsTrue(scores.All(score => score is > 5 and < 17), $"{scores.Min()} to {scores.Max()}");
        Assert.AreEqual(11, scores.Average(), 0.1);
    }

    [TestMethod]
    [DataRow("missing", 400)]
    [DataRow("sparse", 1000)]
    public void Probabilities_OfRareRows_AreNotCertain(string form, int one)
    {
        List<Row> rows = Rows(form, one);
        var options = new BatchNormNetworkBinaryTrainer.Options { LabelColumnName = nameof(Row.IsLarge) };
        ITransformer model = _context.BinaryClassification.Trainers.BatchNormNetwork(Shaped(options, form)).Fit(View(form, rows));

        float[] logits = [.. model.Transform(View(form, Rows(form, one, seed: 2))).GetColumn<float>("Score")];
        Assert.IsTrue(logits.All(logit => Math.Abs(logit) < 5), $"{logits.Min()} to {logits.Max()}");
    }

    /// <summary>Flags that are rare and matter are learned.</summary>
    [TestMethod]
    [DataRow("flags")]
    [DataRow("sparse")]
    public void Numbers_WhereRareFlagsMatter_AreLearned(string form)
    {
        List<Row> training = WithEffects(Rows(form, 50)), test = WithEffects(Rows(form, 50, seed: 2));
        var options = new BatchNormNetworkRegressionTrainer.Options { LabelColumnName = nameof(Row.Value) };
        ITransformer model = _context.Regression.Trainers.BatchNormNetwork(Shaped(options, form)).Fit(View(form, training));

        Assert.IsGreaterThan(0.8, _context.Regression.Evaluate(model.Transform(View(form, test)), nameof(Row.Value)).RSquared);
    }

    // What is normalized together is a virtual batch, however many of them are in a step.
    private static bool IsVirtual(string form) => form is "virtual batches" or "large batches";

    private static BatchNormNetworkOptions Shape(BatchNormNetworkOptions options, string form)
    {
        (options.Seed, options.NumberOfEnsembleMembers, options.HiddenUnits) = (3, 2, form == "three layers" ? [64, 32, 32] : [64, 32]);
        options.VirtualBatchSize = IsVirtual(form) ? 8 : null;
        options.BatchSize = form == "large batches" ? 1024 : null;
        if (form == "spilled")
            (options.MemoryBudgetInMegabytes, options.MaximumNumberOfEpochs) = (1, 6);
        return options;
    }

    private static T Shaped<T>(T options, string form) where T : BatchNormNetworkOptions => (T)Shape(options, form);

    private static List<Row> WithEffects(List<Row> rows)
    {
        foreach (Row row in rows)
            row.Value += 10 * row.Features.Select((value, slot) => value * (slot - 2.5f)).Sum();
        return rows;
    }

    private static List<Row> Rows(string form, int one, int seed = 1)
    {
        var random = new Random(seed);
        int count = form == "spilled" ? 20 * Count : Count;
        float empty = form == "missing" ? float.NaN : 0;
        return
        [
            .. Enumerable.Range(0, count).Select(i => new Row
            {
                Features =
                [
                    .. Enumerable.Range(0, Slots).Select(_ => i % one == 7 && random.Next(2) == 0
                        ? form == "flags" ? 1 : 1 + random.NextSingle()
                        : empty),
                ],
                Value = 10 + 2 * random.NextSingle(), IsLarge = random.Next(2) == 0, Weight = 1 + random.Next(3),
            }),
        ];
    }

    /// <summary>Sparse rows have so many slots that they are kept as such.</summary>
    private IDataView View(string form, List<Row> rows)
    {
        if (form != "sparse")
            return _context.Data.LoadFromEnumerable(rows);
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, ManySlots);
        foreach (Row row in rows)
            row.Features = [.. row.Features[..Slots], .. new float[ManySlots - Slots]];
        return new SparseView(_context.Data.LoadFromEnumerable(rows, schema), nameof(Row.Features));
    }

    private sealed class Row
    {
        [VectorType(Slots)]
        public float[] Features { get; set; } = [];

        public float Value { get; set; }

        public bool IsLarge { get; set; }

        public float Weight { get; set; }
    }
}
