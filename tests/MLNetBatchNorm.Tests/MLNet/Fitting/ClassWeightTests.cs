using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Weights of classes are weights of rows: the same numbers in a weight column give the same bytes, wherever rows are kept.
/// </summary>
[TestClass]
public sealed class ClassWeightTests
{
    private const int Classes = 4;                     // of which the last has no rows
    private static readonly double[] s_weights = [0.7, 2, 5.3, 1];

    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow("memory", false)]
    [DataRow("memory", true)]
    [DataRow("file", false)]
    [DataRow("file", true)]
    [DataRow("sparse", false)]
    [DataRow("sparse", true)]
    [DataRow("sparse file", false)]
    [DataRow("sparse file", true)]
    public void Fit_ClassWeights_AreAsTheSameNumbersInAWeightColumn(string store, bool multiclass)
    {
        List<Row> rows = Rows(store);
        double[] given = multiclass ? s_weights : s_weights[..2];
        string ofColumn = Contents(
            store, rows, multiclass, o => o.ExampleWeightColumnName = nameof(Row.Product), r => r.Own * (float)given[r.Class(multiclass)]);

        Assert.AreEqual(
            ofColumn, Contents(store, rows, multiclass, o => (o.ExampleWeightColumnName, o.ClassWeights) = (nameof(Row.Own), given)));
        Assert.AreNotEqual(
            ofColumn, Contents(store, rows, multiclass, o => o.ExampleWeightColumnName = nameof(Row.Own)),
            "Weights would have gone unnoticed.");
    }

    [TestMethod]
    [DataRow("memory", false)]
    [DataRow("memory", true)]
    [DataRow("file", true)]
    [DataRow("sparse", true)]
    [DataRow("sparse file", false)]
    public void Fit_UnbalancedSets_WeighsByTheFrequenciesOfTheTrainingRows(string store, bool multiclass)
    {
        List<Row> rows = Rows(store);
        double[] totals = [.. Enumerable.Range(0, multiclass ? Classes : 2)
            .Select(c => rows.Where(r => r.Class(multiclass) == c).Sum(r => (double)r.Own))];
        int present = totals.Count(total => total > 0);
        double[] expected = [.. totals.Select(total => total > 0 ? totals.Sum() / (present * total) : 1)];
        Assert.AreEqual(
            totals.Sum(), totals.Zip(expected, (total, weight) => total * weight).Sum(), 1e-6 * totals.Sum(), "The mean weight is 1.");

        string balanced = Contents(store, rows, multiclass, o => (o.ExampleWeightColumnName, o.UnbalancedSets) = (nameof(Row.Own), true));
        Assert.AreEqual(
            Contents(store, rows, multiclass, o => (o.ExampleWeightColumnName, o.ClassWeights) = (nameof(Row.Own), expected)), balanced);
        expected[0] *= 1.001;
        Assert.AreNotEqual(
            Contents(store, rows, multiclass, o => (o.ExampleWeightColumnName, o.ClassWeights) = (nameof(Row.Own), expected)), balanced);
    }

    /// <summary>Without a weight column; with an ensemble; for every number of threads; going on from a network.</summary>
    [TestMethod]
    public void Fit_ClassWeights_WithoutAColumnInEnsemblesAndWarmStarts_AreAsAColumn()
    {
        List<Row> rows = Rows("memory");
        foreach (Row row in rows)
            row.Own = 1;
        IDataView view = View(rows, r => (float)s_weights[r.Class(true)]);
        var first = Train(view, o => o.ClassWeights = null);
        string Second(Action<BatchNormNetworkMulticlassTrainer.Options> set) =>
            ModelFile.Contents(_context, Train(view, set, first.Model), view.Schema);

        string ofColumn = Second(o => o.ExampleWeightColumnName = nameof(Row.Product));
        foreach (int threads in new[] { 1, 2, 3 })
        {
            Assert.AreEqual(ofColumn, Second(o => (o.ClassWeights, o.NumberOfThreads) = (s_weights, threads)));
        }

        Assert.AreNotEqual(ofColumn, Second(_ => { }));

        MulticlassPredictionTransformer<BatchNormNetworkMulticlassModelParameters> Train(
            IDataView data, Action<BatchNormNetworkMulticlassTrainer.Options> set, BatchNormNetworkMulticlassModelParameters? start = null)
        {
            var options = Options<BatchNormNetworkMulticlassTrainer.Options>("memory");
            options.NumberOfEnsembleMembers = 3;
            set(options);
            return _context.MulticlassClassification.Trainers.BatchNormNetwork(options).Fit(data, null, start);
        }
    }

    [TestMethod]
    public void Fit_WeightsOfOne_AndWeightsTwiceAsLarge_MakeNoDifference()
    {
        List<Row> rows = Rows("memory");
        string without = Contents("memory", rows, true, _ => { });
        Assert.AreEqual(without, Contents("memory", rows, true, o => o.ClassWeights = [1, 1, 1, 1]));
        // The losses in the history, which is saved too, are means and do not grow with the weights.
        Assert.AreEqual(without, Contents("memory", rows, true, o => o.ClassWeights = [2, 2, 2, 2]));
    }

    [TestMethod]
    public void Fit_ClassOfWeightZero_IsAsIfItsRowsWereAbsent()
    {
        List<Row> rows = Rows("memory");
        string expected = Contents("memory", [.. rows.Where(r => r.Class(true) != 1)], true, _ => { });
        Assert.AreEqual(expected, Contents("memory", rows, true, o => o.ClassWeights = [1, 0, 1, 1]));
        Assert.AreNotEqual(expected, Contents("memory", rows, true, o => o.ClassWeights = [1, 1E-06, 1, 1]));
    }

    /// <summary>The loss that chooses the epoch, computed once more from the model's probabilities.</summary>
    [TestMethod]
    public void ValidationLoss_IsWeightedByClass()
    {
        List<Row> validation = [.. Rows("memory").Take(200)];
        IDataView validationView = View(validation);
        foreach (double[] weights in new[] { [1, 1], new double[] { 0.5, 4 } })
        {
            var options = Options<BatchNormNetworkBinaryTrainer.Options>("memory");
            (options.LabelColumnName, options.ClassWeights, options.ValidationSet) = (nameof(Row.IsRare), weights, validationView);
            var model = _context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(View(Rows("memory", seed: 2)));
            float[] probabilities = model.Transform(validationView).Scalars<float>("Probability");
            double loss = validation.Zip(probabilities, (row, p) => -weights[row.Class(false)] * Math.Log(row.IsRare ? p : 1 - p)).Sum()
                / validation.Sum(row => weights[row.Class(false)]);
            TrainingHistory history = model.Model.SubModel.Network.Members[0].TrainingHistory;
            // The history is of the weights before they were rounded to half precision: 2^-12 of each at most.
            Assert.AreEqual(loss, history.Epochs[history.BestEpoch - 1].ValidationLoss!.Value, 1e-4);
        }
    }

    [TestMethod]
    public void Fit_UnbalancedSets_FindsMoreOfTheRareClass()
    {
        IDataView training = View(Skewed(3000, 1)), test = View(Skewed(3000, 2));
        BinaryClassificationMetrics Measure(bool unbalanced) => _context.BinaryClassification.EvaluateNonCalibrated(
            _context.BinaryClassification.Trainers.BatchNormNetwork(new BatchNormNetworkBinaryTrainer.Options
            {
                LabelColumnName = nameof(Row.IsRare), HiddenUnits = [16], MaximumNumberOfEpochs = 8, NumberOfEnsembleMembers = 1,
                NumberOfInputPieces = 0, Seed = 3, UnbalancedSets = unbalanced,
            }).Fit(training).Transform(test), nameof(Row.IsRare));

        BinaryClassificationMetrics plain = Measure(false), balanced = Measure(true);
        Assert.IsLessThan(0.4, plain.PositiveRecall);
        Assert.IsGreaterThan(0.7, balanced.PositiveRecall);
        Assert.IsLessThan(plain.Accuracy, balanced.Accuracy, "It has its price.");
    }

    [TestMethod]
    public void Fit_AgainAfterAnInterruption_KnowsTheWeights()
    {
        string path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.checkpoint");
        List<Row> rows = Rows("memory");
        void Kept(BatchNormNetworkClassificationOptions options) =>
            (options.UnbalancedSets, options.Checkpoint) = (true, new() { Path = path, IntervalInEpochs = 1, IntervalInSeconds = null });
        try
        {
            int epochs = 0;
            Assert.ThrowsExactly<NotSupportedException>(() => Contents("memory", rows, true, o =>
            {
                Kept(o);
                o.Progress = new Reports(() =>
                {
                    if (++epochs == 2)
                        throw new NotSupportedException("the end");
                });
            }));

            var refusal = Assert.ThrowsExactly<InvalidOperationException>(() => Contents("memory", rows, true, o =>
            {
                Kept(o);
                (o.UnbalancedSets, o.ClassWeights) = (false, s_weights);
            }));
            Assert.Contains("its options, seed or initial network are others", refusal.Message);

            epochs = 0;
            Assert.AreEqual(Contents("memory", rows, true, o => o.UnbalancedSets = true), Contents("memory", rows, true, o =>
            {
                Kept(o);
                o.Progress = new Reports(() => epochs++);
            }));
            Assert.AreEqual(2, epochs, "one of three epochs was kept");
        }
        finally
        {
            foreach (string left in Directory.GetFiles(Path.GetTempPath(), Path.GetFileName(path) + "*"))
                File.Delete(left);
        }
    }

    [TestMethod]
    public void Create_WeightsThatCannotBe_AreRefused()
    {
        foreach ((double[] weights, string expected) in new (double[], string)[]
        {
            ([1, -1], "ClassWeights[1] is -1; it must be in [0, 1000000]. Weights around 1 are usual"),
            ([double.NaN, 1], "ClassWeights[0] is NaN; it must be in [0, 1000000]"),
            ([1, double.PositiveInfinity], "ClassWeights[1] is Infinity; it must be in [0, 1000000]"),
            ([0, 0], "ClassWeights has 0 weights above 0"),
            ([1, 0], "ClassWeights has 1 weights above 0"),
            ([1, 1E-60], "ClassWeights has 1 weights above 0"),
            ([], "ClassWeights has 0 weights above 0"),
        })
        {
            foreach (bool multiclass in new[] { false, true })
            {
                CheckRefused(
                    nameof(BatchNormNetworkClassificationOptions.ClassWeights), expected,
                    () => Create(multiclass, o => o.ClassWeights = weights));
            }
        }

        CheckRefused(
            nameof(BatchNormNetworkClassificationOptions.UnbalancedSets), "UnbalancedSets is true, but ClassWeights are given",
            () => Create(true, o => (o.UnbalancedSets, o.ClassWeights) = (true, [1, 1])));
    }

    [TestMethod]
    public void Fit_MoreOrFewerWeightsThanClasses_IsRefusedBeforeARowIsRead()
    {
        var unread = View(Enumerable.Range(0, 3).Select<int, Row>(_ => throw new InvalidOperationException("A row was read.")));
        CheckRefused(
            "ClassWeights", "ClassWeights has 3 numbers, but there are 2 classes. Give one weight for each: that of false, that of true.",
            () => Create(false, o => o.ClassWeights = [1, 1, 1]).Fit(unread));
        CheckRefused(
            "ClassWeights",
            "ClassWeights has 2 numbers, but there are 4 classes. Give one weight for each: in the order of the label's keys.",
            () => Create(true, o => o.ClassWeights = [1, 1]).Fit(unread));
    }

    [TestMethod]
    public void Fit_NothingButClassesOfWeightZero_SaysSo()
    {
        List<Row> rows = Rows("memory");
        Assert.Contains(
            "in all 300 rows of the training set whose class has a weight above 0", Assert.ThrowsExactly<InvalidOperationException>(
                () => Create(true, o => o.ClassWeights = [0, 1, 0, 1]).Fit(View(rows.Where(r => r.Class(true) == 1).Take(300)))).Message);
        Assert.Contains(
            "400 are of classes of weight 0, and there are no others", Assert.ThrowsExactly<InvalidOperationException>(
                () => Create(true, o => o.ClassWeights = [1, 0, 0, 1]).Fit(View(rows.Where(r => r.Class(true) == 1).Take(400)))).Message);
    }

    /// <summary>The trainer keeps a copy of the array.</summary>
    [TestMethod]
    public void Create_WeightsChangedAfterwards_HaveNoEffect()
    {
        double[] weights = [1, 3];
        var trainer = Create(false, o => o.ClassWeights = weights);
        IDataView view = View(Rows("memory"));
        float[] before = trainer.Fit(view).Transform(view).Scalars<float>("Score");
        weights[1] = -1;
        CollectionAssert.AreEqual(before, trainer.Fit(view).Transform(view).Scalars<float>("Score"));
    }

    private static void CheckRefused(string option, string expected, Func<object> action)
    {
        var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => action());
        Assert.IsTrue(exception.IsMarked(), $"The exception lacks ML.NET's mark: {exception}");
        Assert.AreEqual(option, exception.ParamName);
        Assert.StartsWith(expected, exception.Message);
    }

    /// <summary>The bytes of the model, its training's losses included.</summary>
    private string Contents(
        string store, List<Row> rows, bool multiclass, Action<BatchNormNetworkClassificationOptions> set, Func<Row, float>? product = null)
    {
        IDataView view = View(rows, product);
        return ModelFile.Contents(_context, Create(multiclass, set, store).Fit(view), view.Schema);
    }

    private IEstimator<ITransformer> Create(bool multiclass, Action<BatchNormNetworkClassificationOptions> set, string store = "memory")
    {
        if (multiclass)
        {
            var options = Options<BatchNormNetworkMulticlassTrainer.Options>(store);
            set(options);
            return _context.MulticlassClassification.Trainers.BatchNormNetwork(options);
        }

        var binary = Options<BatchNormNetworkBinaryTrainer.Options>(store);
        binary.LabelColumnName = nameof(Row.IsRare);
        set(binary);
        return _context.BinaryClassification.Trainers.BatchNormNetwork(binary);
    }

    private static T Options<T>(string store)
        where T : BatchNormNetworkClassificationOptions, new() => new()
        {
            HiddenUnits = [8], BatchSize = 64, MaximumNumberOfEpochs = 3, NumberOfEnsembleMembers = 1, NumberOfInputPieces = 0, Seed = 7,
            MemoryBudgetInMegabytes = store.EndsWith("file", StringComparison.Ordinal) ? 1 : 64,
        };

    /// <summary>Rows of three of four classes, and of two of which one is rare; some count for nothing.</summary>
    private static List<Row> Rows(string store, ulong seed = 1)
    {
        (int count, int slots) = store switch
        {
            "memory" => (900, 6),
            "file" => (16_000, 6),
            "sparse" => (900, 1500),
            _ => (9_000, 1500),
        };
        var random = new RandomStream(seed, 0);
        var rows = new List<Row>();
        for (int r = 0; r < count; r++)
        {
            float[] x = [.. Enumerable.Range(0, 6).Select(_ => (float)(2 * random.NextDouble() - 1))];
            int[] places = [.. Enumerable.Range(0, 6).Select(i => slots * i / 6 + (slots == 6 ? 0 : r % 5))];
            double signal = x[0] + x[1] * x[2] + 0.3 * (random.NextDouble() - 0.5);
            rows.Add(new Row
            {
                Features = slots == 6 ? new VBuffer<float>(6, x) : new VBuffer<float>(slots, 6, x, places),
                IsRare = signal > 0.6,
                Label = signal > 0.6 ? 2u : signal > -0.5 ? 1u : 0u,
                Own = r % 17 == 0 ? 0 : 0.5f + r % 3,
            });
        }

        return rows;
    }

    /// <summary>One row of twenty is rare, and lies among the others.</summary>
    private static List<Row> Skewed(int count, ulong seed)
    {
        var random = new RandomStream(seed, 0);
        return [.. Enumerable.Range(0, count).Select(r =>
        {
            bool rare = r % 20 == 0;
            return new Row { IsRare = rare, Features = new VBuffer<float>(6, [.. Enumerable.Range(0, 6).Select(
                i => (float)(4 * random.NextDouble() - 2 + (rare && i < 3 ? 1 : 0)))]) };
        })];
    }

    private IDataView View(IEnumerable<Row> rows, Func<Row, float>? product = null)
    {
        int slots = rows is List<Row> { Count: > 0 } list ? list[0].Features.Length : 6;
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
        return _context.Data.LoadFromEnumerable(rows.Select(row =>
        {
            row.Product = product?.Invoke(row) ?? 1;
            return row;
        }), schema);
    }

    private sealed class Row
    {
        public VBuffer<float> Features { get; set; }

        public bool IsRare { get; set; }

        // ML.NET makes keys of such numbers by adding one.
        [KeyType(Classes)]
        public uint Label { get; set; }

        public float Own { get; set; } = 1;

        public float Product { get; set; }

        public int Class(bool multiclass) => multiclass ? (int)Label : IsRare ? 1 : 0;
    }

    private sealed class Reports(Action report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report();
    }
}
