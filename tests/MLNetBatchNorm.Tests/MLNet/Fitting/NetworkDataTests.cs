using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>How rows are read: weights, missing values, sparse vectors, categorical slots, skipped rows.</summary>
[TestClass]
public sealed class NetworkDataTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_RowsOfWeightZero_AreAsIfAbsent(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        List<Example> rows = NetworkExamples.Rows(90);
        List<Example> kept = [.. rows.Where((_, i) => i % 5 != 0)];
        IEstimator<ITransformer> trainer = NetworkExamples.Quick(_context, kind, options => options.ExampleWeightColumnName = "Weight");
        float[] absent = Scores(trainer.Fit(NetworkExamples.View(_context, kind, kept)), kind);

        for (int i = 0; i < rows.Count; i += 5)
        {
            // Even values that would be refused elsewhere do not matter in a row that does not count.
            rows[i].Weight = 0;
            rows[i].Features[0] = float.PositiveInfinity;
        }

        CollectionAssert.AreEqual(absent, Scores(trainer.Fit(NetworkExamples.View(_context, kind, rows)), kind));
        // The comparison can fail: with weight 1 instead of 0 the model is another.
        for (int i = 0; i < rows.Count; i += 5)
        {
            rows[i].Weight = 1;
            rows[i].Features[0] = 1000;
        }

        CollectionAssert.AreNotEqual(absent, Scores(trainer.Fit(NetworkExamples.View(_context, kind, rows)), kind));
    }

    [TestMethod]
    public void Fit_EqualWeights_AreAsNoWeights()
    {
        List<Example> rows = NetworkExamples.Rows(90);
        foreach (Example row in rows)
            row.Weight = 1;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        ITransformer with =
            NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.ExampleWeightColumnName = "Weight").Fit(view);
        ITransformer without = NetworkExamples.Quick(_context, NetworkKind.Regression).Fit(view);

        CollectionAssert.AreEqual(Scores(without, NetworkKind.Regression), Scores(with, NetworkKind.Regression));
    }

    [TestMethod]
    public void Fit_Weights_MoveThePrediction()
    {
        List<Example> rows = NetworkExamples.Rows(90);
        foreach (Example row in rows)
            row.Weight = row.IsPositive ? 20 : 1;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        ITransformer with =
            NetworkExamples.Quick(_context, NetworkKind.Binary, options => options.ExampleWeightColumnName = "Weight").Fit(view);
        ITransformer without = NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(view);

        Assert.IsGreaterThan(Scores(without, NetworkKind.Binary).Average(), Scores(with, NetworkKind.Binary).Average());
    }

    /// <summary>The default layers are those of any table for sparse features of very many slots too; so are units given by hand.</summary>
    [TestMethod]
    public void Fit_SparseFeaturesOfManySlots_KeepsTheLayers()
    {
        IDataView view = Views.OfManySlots(_context, 20, 70_000);
        BatchNormNetworkBinaryModelParameters byDefault = Fit(Options());
        Assert.AreEqual(256, FirstUnits(byDefault));
        Assert.AreEqual(256, FirstUnits(Fit(Options(), byDefault)), "Training goes on from it.");
        BatchNormNetworkBinaryTrainer.Options chosen = Options();
        chosen.HiddenUnits = [24, 128];
        Assert.AreEqual(24, FirstUnits(Fit(chosen)), "Other numbers, chosen.");

        static int FirstUnits(BatchNormNetworkBinaryModelParameters model) => model.Network.Members[0].Layers[0].Outputs;

        static BatchNormNetworkBinaryTrainer.Options Options() =>
            new()
            {
                MaximumNumberOfEpochs = 1, ValidationFraction = 0, Optimizer = new SgdOptimizer(), NumberOfEnsembleMembers = 1, Seed = 1,
            };

        BatchNormNetworkBinaryModelParameters Fit(
            BatchNormNetworkBinaryTrainer.Options options, BatchNormNetworkBinaryModelParameters? start = null) =>
            _context.BinaryClassification.Trainers.BatchNormNetwork(options).Fit(view, null, start).Model.SubModel;
    }

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void FitAndTransform_SparseVectors_AreAsDenseOnes(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        List<Example> rows = NetworkExamples.Rows(80);
        foreach (Example row in rows)
        {
            row.Features[1] = MathF.Abs(row.Features[1]) < 1 ? 0 : row.Features[1];
            row.Features[2] = 0.01f < row.Features[2] ? row.Features[2] : 0;
        }

        rows[4].Features = [0, 0, 0, 0];
        IDataView dense = NetworkExamples.View(_context, kind, rows);
        var sparse = new SparseView(dense, "Features");
        Assert.IsGreaterThan(20, sparse.GetColumn<VBuffer<float>>("Features").Count(features => !features.IsDense));
        ITransformer fromDense = NetworkExamples.Quick(_context, kind).Fit(dense);
        ITransformer fromSparse = NetworkExamples.Quick(_context, kind).Fit(sparse);

        float[] expected = Scores(fromDense, kind, dense);
        CollectionAssert.AreEqual(expected, Scores(fromDense, kind, sparse));
        CollectionAssert.AreEqual(expected, Scores(fromSparse, kind, dense));
        CollectionAssert.AreEqual(expected, Scores(fromSparse, kind, sparse));
    }

    /// <summary>A value that is missing for a reason is a feature: here the label says which value is missing.</summary>
    [TestMethod]
    public void Fit_MissingValuesThatCarryTheLabel_AreLearned()
    {
        List<Example> rows = NetworkExamples.Rows(300);
        for (int i = 0; i < rows.Count; i++)
        {
            rows[i].IsPositive = i % 2 == 0;
            if (rows[i].IsPositive)
                rows[i].Features[1] = float.NaN;
        }

        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Binary, options => options.MaximumNumberOfEpochs = 20).Fit(view);

        Assert.IsGreaterThan(0.99, _context.BinaryClassification.Evaluate(model.Transform(view)).AreaUnderRocCurve);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Transform_MissingValuesNeverSeenInTraining_GiveFiniteScores(bool scaleInputs)
    {
        ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.ScaleInputs = scaleInputs)
            .Fit(NetworkExamples.View(_context, NetworkKind.Regression, NetworkExamples.Rows(80)));
        List<Example> rows = NetworkExamples.Rows(3);
        rows[0].Features = [float.NaN, float.NaN, float.NaN, float.NaN];
        rows[1].Features[2] = float.NaN;

        Assert.IsTrue(
            Scores(model, NetworkKind.Regression, NetworkExamples.View(_context, NetworkKind.Regression, rows)).All(float.IsFinite));
    }

    [TestMethod]
    public void Fit_MissingFeatures_DoNotMakeARowSkipped()
    {
        List<Example> rows = NetworkExamples.Rows(40);
        for (int i = 0; i < rows.Count; i++)
            rows[i].Features[i % 4] = float.NaN;
        string[] log = Log(() => NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.ValidationFraction = 0)
            .Fit(NetworkExamples.View(_context, NetworkKind.Regression, rows)));

        Assert.IsTrue(log.Any(line => line.Contains(" on 40 rows")), string.Join("\n", log));
        Assert.IsFalse(log.Any(line => line.Contains("Skipped")), string.Join("\n", log));
    }

    [TestMethod]
    public void Fit_RowsWithoutLabelOrWithNegativeWeight_AreSkippedAndReportedOnce()
    {
        List<Example> rows = NetworkExamples.Rows(40);
        rows[0].Value = float.NaN;
        rows[1].Value = float.NaN;
        rows[2].Weight = -1;
        rows[3].Weight = 0;
        rows[39].Value = float.NaN;
        string[] log = Log(
            () => NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.ExampleWeightColumnName = "Weight")
            .Fit(NetworkExamples.View(_context, NetworkKind.Regression, rows)));

        string warning = log.Single(line => line.StartsWith("Warning", StringComparison.Ordinal));
        Assert.Contains(
            "Skipped 4 rows of the training set: 3 without a value in label column 'Label', 1 with a negative weight.", warning);
    }

    [TestMethod]
    public void Fit_MissingKeys_AreSkipped()
    {
        List<Example> rows = NetworkExamples.Rows(40);
        rows[5].Class = null;
        rows[6].Class = "never heard of";
        string[] log = Log(() => NetworkExamples.Quick(_context, NetworkKind.Multiclass).Fit(NetworkExamples.View(
            _context, NetworkKind.Multiclass, rows)));

        Assert.IsTrue(log.Any(line => line.Contains("Skipped 2 rows of the training set")), string.Join("\n", log));
    }

    /// <summary>
    /// One-hot slots are recognised by their annotation and enter the first layer as they are; numbers are centred and scaled.
    /// </summary>
    [TestMethod]
    public void Fit_CategoricalSlots_AreNeverScaled()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(NetworkExamples.Rows(100));
        IDataView prepared = _context.Transforms.Categorical.OneHotEncoding("Hot", nameof(Example.Class))
            .Append(_context.Transforms.Concatenate("Both", "Features", "Hot"))
            .Append(_context.Transforms.CopyColumns("Label", nameof(Example.Value))).Fit(rows).Transform(rows);
        var trainer = _context.Regression.Trainers.BatchNormNetwork(
            NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options => options.FeatureColumnName = "Both"));

        IReadOnlyList<BatchNormNetworkSlot> slots = trainer.Fit(prepared).Model.Network.Encoder.Slots;

        Assert.HasCount(7, slots);
        foreach (BatchNormNetworkSlot slot in slots.Skip(4))
            Assert.IsTrue(slot is { Center: 0, Scale: 1, IsClipped: false, Value: not null, Missing: null }, slot.Name);
        Assert.AreEqual(1000, slots[0].Center, 1);
        Assert.IsTrue(slots[0].IsClipped);
    }

    [TestMethod]
    public void Fit_LabelsOfAnyScale_AreLearnedInTheirOwnUnits()
    {
        foreach ((float scale, float offset) in new[] { (1e-6f, 0f), (1f, 1e6f), (1e6f, -1e9f), (1e30f, 0f) })
        {
            List<Example> rows = NetworkExamples.Rows(300);
            foreach (Example row in rows)
                row.Value = offset + scale * (row.Value - 50_000) / 7_000;
            IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
            ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
            {
                options.MaximumNumberOfEpochs = 40;
                options.LearningRate = 0.02;
            }).Fit(view);

            double[] labels = [.. view.Scalars<float>("Label").Select(v => (double)v)];
            double[] scores = [.. model.Transform(view).Scalars<float>("Score").Select(v => (double)v)];
            double mean = labels.Average();
            double unexplained = labels.Zip(scores, (y, s) => (y - s) * (y - s)).Sum() / labels.Sum(y => (y - mean) * (y - mean));
            Assert.IsLessThan(0.4, unexplained, $"scale {scale}, offset {offset}");
        }
    }

    [TestMethod]
    public void Fit_ConstantLabels_PredictTheConstant()
    {
        List<Example> rows = NetworkExamples.Rows(60);
        foreach (Example row in rows)
            row.Value = -12.5f;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        ITransformer model =
            NetworkExamples.Quick(_context, NetworkKind.Regression, options => options.MaximumNumberOfEpochs = 30).Fit(view);

        foreach (float score in Scores(model, NetworkKind.Regression, view))
            Assert.AreEqual(-12.5, score, 0.6);
    }

    [TestMethod]
    public void Fit_ConstantFeature_IsHarmless()
    {
        List<Example> rows = NetworkExamples.Rows(60);
        foreach (Example row in rows)
            row.Features[3] = 7;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, rows);

        Assert.IsTrue(Scores(NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(view), NetworkKind.Binary, view).All(float.IsFinite));
    }

    /// <summary>An outlier in one row, at training and at scoring, leaves finite scores.</summary>
    [TestMethod]
    public void FitAndTransform_HugeValues_GiveFiniteScores()
    {
        List<Example> rows = NetworkExamples.Rows(60);
        rows[7].Features[1] = float.MaxValue;
        rows[8].Features[1] = -float.MaxValue;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(view);
        rows[9].Features[0] = float.MaxValue;
        rows[10].Features[2] = float.NegativeInfinity;

        Assert.IsTrue(Scores(model, NetworkKind.Binary, NetworkExamples.View(_context, NetworkKind.Binary, rows)).All(float.IsFinite));
    }

    private float[] Scores(ITransformer model, NetworkKind kind) =>
        Scores(model, kind, NetworkExamples.View(_context, kind, NetworkExamples.Rows(30, seed: 2)));

    private static float[] Scores(ITransformer model, NetworkKind kind, IDataView view)
    {
        IDataView scored = model.Transform(view);
        return kind == NetworkKind.Multiclass
            ? [.. scored.Vectors<float>("Score").SelectMany(scores => scores)]
            : scored.Scalars<float>("Score");
    }

    private string[] Log(Action action)
    {
        var lines = new List<string>();
        EventHandler<LoggingEventArgs> listener = (_, e) => lines.Add($"{e.Kind} {e.Source}: {e.RawMessage}");
        _context.Log += listener;
        action();
        _context.Log -= listener;
        return [.. lines];
    }
}
