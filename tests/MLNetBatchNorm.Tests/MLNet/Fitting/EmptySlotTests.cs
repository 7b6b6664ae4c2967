using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Tests.Distribution;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>A slot without a value in any training row: the log names it, and the model is one without the slot.</summary>
[TestClass]
public sealed class EmptySlotTests
{
    private const int Count = 120;
    private const int Empty = 2;

    /// <summary>Rows of 4 features and a label that come to more than a megabyte.</summary>
    private const int RowsBeyondTheBudget = 60_000;

    private readonly MLContext _context = new(1);
    private readonly LogLines _warnings;
    private readonly SpillLog _spill;

    public EmptySlotTests()
    {
        _spill = new SpillLog(_context);
        _warnings = new LogLines(_context, ChannelMessageKind.Warning);
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary), "dense")]
    [DataRow(nameof(NetworkKind.Multiclass), "dense")]
    [DataRow(nameof(NetworkKind.Regression), "dense")]
    [DataRow(nameof(NetworkKind.Regression), "sparse")]
    [DataRow(nameof(NetworkKind.Regression), "pieces")]
    [DataRow(nameof(NetworkKind.Regression), "not scaled")]
    [DataRow(nameof(NetworkKind.Regression), "layer inputs normalized")]
    [DataRow(nameof(NetworkKind.Binary), "eight networks")]
    [DataRow(nameof(NetworkKind.Regression), "weighted")]
    [DataRow(nameof(NetworkKind.Multiclass), "validation set")]
    [DataRow(nameof(NetworkKind.Binary), "elsewhere")]
    [DataRow(nameof(NetworkKind.Regression), "spilled")]
    public void Fit_SlotWithoutAnyValue_TakesNoNoticeOfIt(string kindName, string what)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        int count = what == "spilled" ? RowsBeyondTheBudget : Count;
        IDataView view = NetworkExamples.View(_context, kind, With(float.NaN, NetworkExamples.Rows(count)));
        view = what == "sparse" ? new SparseView(view, "Features") : view;

        ITransformer model = what == "validation set"
            ? Multiclass(what).Fit(view, NetworkExamples.View(_context, kind, NetworkExamples.Rows(40, seed: 5)))
            : Trainer(kind, what).Fit(view);

        Assert.AreEqual(what == "spilled", _spill.HasSpilled);
        Assert.AreEqual(
            $"Feature column 'Features' has no value (only NaN) in all {count} rows of the training set at slot 2. Nothing is learned of "
            + "it. Leave the slot out, or fill it.",
            _warnings.Single());
        float[] without = Scores(model, float.NaN);
        Assert.IsTrue(without.All(float.IsFinite));
        Assert.IsGreaterThan(10, without.Distinct().Count());
        foreach (float later in new[] { 0, 1, -1e6f, 3e30f })
            CollectionAssert.AreEqual(without, Scores(model, later), $"{later}");

        // The same question has another answer where the slot held something.
        ITransformer knowing = Trainer(kind, what).Fit(NetworkExamples.View(_context, kind, NetworkExamples.Rows(count)));
        CollectionAssert.AreNotEqual(Scores(knowing, 0), Scores(knowing, 0.02f));
    }

    [TestMethod]
    public void Fit_SeveralSlotsWithoutAnyValue_SaysTheFirstByNameAndHowMany()
    {
        IDataView scalars = _context.Data.LoadFromEnumerable(NetworkExamples.Rows(Count).Select(
            row => new { Left = row.Features[0], Void = float.NaN, Right = row.Features[1], Hole = float.NaN, Label = row.Value }));
        IDataView named = _context.Transforms.Concatenate("Features", "Left", "Void", "Right", "Hole").Fit(scalars).Transform(scalars);

        NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(named);

        Assert.Contains(
            "slot 1 ('Void'). Nothing is learned of it. Leave the slot out, or fill it; so it is with 2 slots.", _warnings.Single());
    }

    /// <summary>Rows that are sparse and stay so, with a missing value among their entries.</summary>
    [TestMethod]
    public void Fit_SlotWithoutAnyValueAmongManySparseOnes_TakesNoNoticeOfIt()
    {
        const int slots = 1100;
        IDataView View(float? value, int seed)
        {
            SchemaDefinition schema = SchemaDefinition.Create(typeof(SparseRow));
            schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
            return _context.Data.LoadFromEnumerable(
                NetworkExamples.Rows(300, seed).Select(row => new SparseRow
                {
                    Features = new VBuffer<float>(
                        slots, 5, [row.Features[0], row.Features[1], value ?? row.Value, 100 * row.Features[2], 2],
                        [3, 80, 500, 501, 502 + row.Class!.Length]),
                    Label = row.Value,
                }),
                schema);
        }

        bool isSparse = false;
        _context.Log += (_, line) => isSparse |= line.Message.Contains("Rows are kept sparse", StringComparison.Ordinal);
        ITransformer model = Trainer(NetworkKind.Regression, "dense").Fit(View(float.NaN, 1));

        Assert.IsTrue(isSparse);
        Assert.Contains("at slot 500. Nothing is learned of it.", _warnings.Single());
        float[] without = [.. model.Transform(View(float.NaN, 2)).GetColumn<float>("Score")];
        Assert.IsGreaterThan(10, without.Distinct().Count());
        foreach (float later in new[] { 0, 1, -1e6f })
            CollectionAssert.AreEqual(without, model.Transform(View(later, 2)).GetColumn<float>("Score").ToArray(), $"{later}");
        ITransformer knowing = Trainer(NetworkKind.Regression, "dense").Fit(View(null, 1));
        CollectionAssert.AreNotEqual(
            knowing.Transform(View(0, 2)).GetColumn<float>("Score").ToArray(),
            knowing.Transform(View(50_000, 2)).GetColumn<float>("Score").ToArray());
    }

    /// <summary>What a column of hardly any values comes to, for every task: one fold does not have it.</summary>
    [TestMethod]
    [DataRow("binary")]
    [DataRow("multiclass")]
    [DataRow("regression")]
    [DataRow("several numbers")]
    [DataRow("several labels")]
    public void CrossValidate_ColumnOfOneValue_EndsAllFolds(string task)
    {
        List<Example> rows = With(float.NaN, NetworkExamples.Rows(Count));
        rows[7].Features[Empty] = 0.01f;
        List<TargetExample> several = TargetExamples.Rows(Count);
        for (int i = 0; i < Count; i++)
            several[i].Features[Empty] = i == 7 ? 1 : float.NaN;
        IEstimator<ITransformer> Of(NetworkKind kind) => NetworkExamples.Quick(_context, kind);
        IDataView View(NetworkKind kind) => NetworkExamples.View(_context, kind, rows);

        double[] metrics = task switch
        {
            "binary" => [.. _context.BinaryClassification.CrossValidate(View(NetworkKind.Binary), Of(NetworkKind.Binary), 3)
                .Select(fold => fold.Metrics.LogLoss)],
            "multiclass" => [.. _context.MulticlassClassification.CrossValidate(
                View(NetworkKind.Multiclass), Of(NetworkKind.Multiclass), 3).Select(fold => fold.Metrics.LogLoss)],
            "regression" => [.. _context.Regression.CrossValidate(View(NetworkKind.Regression), Of(NetworkKind.Regression), 3)
                .Select(fold => fold.Metrics.RSquared)],
            "several numbers" => [.. _context.Regression.CrossValidateMultiOutput(
                TargetExamples.View(_context, several), TargetExamples.Numbers(_context), 3).Select(fold => fold.Metrics.RSquared)],
            _ => [.. _context.BinaryClassification.CrossValidateMultiLabel(
                TargetExamples.View(_context, several, nameof(TargetExample.Known)), TargetExamples.Labels(_context), 3)
                .Select(fold => fold.Metrics.LogLoss)],
        };

        Assert.HasCount(3, metrics);
        Assert.IsTrue(metrics.All(double.IsFinite));
        Assert.Contains("has no value", _warnings.Single());
    }

    /// <summary>Nothing is learned of a slot that was constant: whatever comes later, infinity too, is as if it had come again.</summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("pieces")]
    [DataRow("layer inputs normalized")]
    public void Fit_ConstantSlot_TakesNoNoticeOfIt(string what)
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, With(7, NetworkExamples.Rows(Count)));
        var model = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)Trainer(NetworkKind.Regression, what)
            .Fit(view);
        float[] expected = Scores(model, 7);
        Assert.IsGreaterThan(10, expected.Distinct().Count());
        foreach (float later in new[] { 0, -1e6f, float.PositiveInfinity, float.NegativeInfinity })
        {
            List<Example> rows = With(later, NetworkExamples.Rows(40, seed: 3));
            CollectionAssert.AreEqual(expected, Scores(model, later), $"{later}");
            var block = new float[rows.Count];
            model.Model.Score([.. rows.SelectMany(row => row.Features)], rows.Count, block);
            CollectionAssert.AreEqual(expected, block, $"{later}, block");
            IDataView sparse = new SparseView(NetworkExamples.Unlabelled(_context, rows), "Features");
            CollectionAssert.AreEqual(expected, model.Transform(sparse).GetColumn<float>("Score").ToArray(), $"{later}, sparse");
        }
    }

    /// <summary>The same among many slots of which rows have few, where a network reads only these.</summary>
    [TestMethod]
    public void Fit_ConstantSlotAmongManySparseOnes_TakesNoNoticeOfIt()
    {
        const int slots = 1100;
        IDataView View(float value, int seed, bool dense)
        {
            SchemaDefinition schema = SchemaDefinition.Create(typeof(SparseRow));
            schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
            return _context.Data.LoadFromEnumerable(
                NetworkExamples.Rows(300, seed).Select(row =>
                {
                    var features = new VBuffer<float>(
                        slots, 4, [row.Features[0], row.Features[1], value, 100 * row.Features[2]], [3, 80, 500, 501]);
                    return new SparseRow
                    {
                        Features = dense ? new VBuffer<float>(slots, [.. features.DenseValues()]) : features, Label = row.Value,
                    };
                }),
                schema);
        }

        ITransformer model = Trainer(NetworkKind.Regression, "dense").Fit(View(7, 1, dense: false));
        float[] expected = [.. model.Transform(View(7, 2, dense: false)).GetColumn<float>("Score")];
        Assert.IsGreaterThan(10, expected.Distinct().Count());
        foreach (float later in new[] { -1e6f, float.PositiveInfinity, float.NegativeInfinity })
        {
            foreach (bool dense in new[] { false, true })
            {
                CollectionAssert.AreEqual(
                    expected, model.Transform(View(later, 2, dense)).GetColumn<float>("Score").ToArray(), $"{later}, dense: {dense}");
            }
        }
    }

    /// <summary>A saved model says the same, and none of its predictions is because of the slot.</summary>
    [TestMethod]
    [DataRow(0)]
    [DataRow(16)]
    public void Contributions_OfASlotWithoutAnyValue_AreZero_AlsoLoaded(int pieces)
    {
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, With(float.NaN, NetworkExamples.Rows(Count)));
        ITransformer fitted = Trainer(NetworkKind.Regression, pieces == 0 ? "dense" : "pieces").Fit(view);
        using var stream = new MemoryStream();
        _context.Model.Save(fitted, view.Schema, stream);
        stream.Position = 0;
        var model = (RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>)new MLContext().Model.Load(stream, out _);

        CollectionAssert.AreEqual(Scores(fitted, 1), Scores(model, 1));
        var contributions = new float[4];
        var row = new float[4];
        foreach (Example example in NetworkExamples.Rows(40, seed: 3))
        {
            foreach (float later in new[] { float.NaN, 0.02f, 1e6f })
            {
                example.Features.CopyTo(row, 0);
                row[Empty] = later;
                model.Model.GetFeatureContributions(row, 1, contributions);
                Assert.AreEqual(0f, contributions[Empty]);
                Assert.AreNotEqual(0f, contributions[1]);
            }
        }
    }

    /// <summary>Of a picture's pixels too, though those of a channel are scaled alike.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Fit_PixelWithoutAnyValue_TakesNoNoticeOfIt(bool scales)
    {
        const int pixel = 13;
        IDataView View(float? value, int seed)
        {
            List<Picture> pictures = Picture.Rows(60, seed);
            pictures.ForEach(picture => picture.Features[pixel] = value ?? picture.Features[pixel]);
            return Picture.View(_context, NetworkKind.Regression, pictures);
        }

        ITransformer Fit(IDataView view) => NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
        {
            Picture.Shape(options);
            (options.ScaleInputs, options.MaximumNumberOfEpochs) = (scales, 2);
        }).Fit(view);

        ITransformer model = Fit(View(float.NaN, 1)), knowing = Fit(View(null, 1));

        Assert.Contains($"at slot {pixel}. Nothing is learned of it.", _warnings.Single());
        float[] Scores(ITransformer of, float value) => [.. of.Transform(View(value, 2)).GetColumn<float>("Score")];
        Assert.IsGreaterThan(10, Scores(model, float.NaN).Distinct().Count());
        CollectionAssert.AreEqual(Scores(model, float.NaN), Scores(model, 30));
        CollectionAssert.AreNotEqual(Scores(knowing, float.NaN), Scores(knowing, 30));
    }

    /// <summary>Rows whose errors are measured may be fewer than those that have the only values of a slot.</summary>
    [TestMethod]
    public void Fit_IntervalsWithASlotThatFewRowsHave_AreFinite()
    {
        List<Example> rows = With(float.NaN, NetworkExamples.Rows(600));
        rows[7].Features[Empty] = 0.01f;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        ITransformer model = _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => options.IntervalLevels = [0.8])).Fit(view);

        IDataView scored = model.Transform(NetworkExamples.Unlabelled(_context, With(3, NetworkExamples.Rows(100, seed: 3))));
        float[] widths = [.. scored.GetColumn<float>("ScoreUpperBound").Zip(
            scored.GetColumn<float>("ScoreLowerBound"), (upper, lower) => upper - lower)];
        Assert.IsTrue(widths.All(width => width > 0 && float.IsFinite(width)));
    }

    /// <summary>Rows that lack a column say nothing against what a model has learned of it.</summary>
    [TestMethod]
    public void Fit_GoingOnWithASlotWithoutAnyValue_KeepsWhatWasLearned()
    {
        var trainer = (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression);
        var first = trainer.Fit(NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(Count)));
        IDataView more = NetworkExamples.View(_context, NetworkKind.Regression, With(float.NaN, NetworkExamples.Rows(Count, seed: 2)));

        var second = trainer.Fit(more, modelParameters: first.Model);

        Assert.EndsWith("at slot 2. Nothing new is learned of it.", _warnings.Single());
        CollectionAssert.AreNotEqual(Scores(second, 0), Scores(second, 0.02f));
    }

    private IEstimator<ITransformer> Trainer(NetworkKind kind, string what) => NetworkExamples.Quick(
        _context, kind, options => Change(options, what));

    private BatchNormNetworkMulticlassTrainer Multiclass(string what) => _context.MulticlassClassification.Trainers.BatchNormNetwork(
        NetworkExamples.QuickOptions<BatchNormNetworkMulticlassTrainer.Options>(options => Change(options, what)));

    private static void Change(BatchNormNetworkOptions options, string what)
    {
        options.NumberOfInputPieces = what == "pieces" ? 16 : 0;
        options.NumberOfEnsembleMembers = what == "eight networks" ? null : 1;
        options.ScaleInputs = what != "not scaled";
        options.Placement = what == "layer inputs normalized" ? BatchNormalizationPlacement.LayerInput : null;
        options.ExampleWeightColumnName = what == "weighted" ? "Weight" : null;
        options.TrainingRunner = what == "elsewhere" ? new BytesRunner() : null;
        if (what == "spilled")
            (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs) = (1, 1000, 1);
    }

    private float[] Scores(ITransformer model, float value)
    {
        IDataView scored = model.Transform(NetworkExamples.Unlabelled(_context, With(value, NetworkExamples.Rows(40, seed: 3))));
        return scored.Schema["Score"].Type is VectorDataViewType
            ? [.. scored.GetColumn<float[]>("Score").SelectMany(scores => scores)]
            : [.. scored.GetColumn<float>("Score")];
    }

    private static List<Example> With(float value, List<Example> rows)
    {
        foreach (Example row in rows)
            row.Features[Empty] = value;
        return rows;
    }

    private sealed class SparseRow
    {
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }
}
