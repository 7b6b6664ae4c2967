using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What ML.NET does with trainers and models of its own, it does with ours.</summary>
[TestClass]
public sealed class NetworkEcosystemTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    public void PredictionEngine_Binary_GivesWhatTransformGives()
    {
        List<Example> rows = NetworkExamples.Rows(50);
        ITransformer model = Fit(NetworkKind.Binary, rows);
        float[] expected = model.Transform(View(NetworkKind.Binary, rows)).Scalars<float>("Score");
        PredictionEngine<Example, BinaryPrediction> engine = _context.Model.CreatePredictionEngine<Example, BinaryPrediction>(model);

        for (int row = 0; row < rows.Count; row++)
        {
            BinaryPrediction prediction = engine.Predict(rows[row]);
            Assert.AreEqual(expected[row], prediction.Score);
            Assert.AreEqual(prediction.Score > 0, prediction.PredictedLabel);
        }

        Assert.IsGreaterThan(1, expected.Distinct().Count());
    }

    [TestMethod]
    public void PredictionEngine_Multiclass_GivesWhatTransformGives()
    {
        List<Example> rows = NetworkExamples.Rows(50);
        ITransformer model = Fit(NetworkKind.Multiclass, rows);
        float[][] expected = model.Transform(View(NetworkKind.Multiclass, rows)).Vectors<float>("Score");
        PredictionEngine<Example, ClassPrediction> engine = _context.Model.CreatePredictionEngine<Example, ClassPrediction>(model);

        for (int row = 0; row < rows.Count; row++)
        {
            ClassPrediction prediction = engine.Predict(rows[row]);
            CollectionAssert.AreEqual(expected[row], prediction.Score);
            Assert.AreEqual((uint)(Array.IndexOf(expected[row], expected[row].Max()) + 1), prediction.PredictedLabel);
        }
    }

    [TestMethod]
    public void PredictionEngine_Regression_GivesWhatTransformGives()
    {
        List<Example> rows = NetworkExamples.Rows(50);
        ITransformer model = Fit(NetworkKind.Regression, rows);
        float[] expected = model.Transform(View(NetworkKind.Regression, rows)).Scalars<float>("Score");
        PredictionEngine<Example, ValuePrediction> engine = _context.Model.CreatePredictionEngine<Example, ValuePrediction>(model);

        CollectionAssert.AreEqual(expected, rows.Select(row => engine.Predict(row).Score).ToArray());
    }

    [TestMethod]
    public void CrossValidate_AllTasks_LearnsInEveryFold()
    {
        List<Example> rows = NetworkExamples.Rows(400);
        var binary = _context.BinaryClassification.CrossValidate(View(NetworkKind.Binary, rows), Learner(NetworkKind.Binary), 3);
        var multiclass = _context.MulticlassClassification.CrossValidate(
            View(NetworkKind.Multiclass, rows), Learner(NetworkKind.Multiclass), 3);
        var regression = _context.Regression.CrossValidate(View(NetworkKind.Regression, rows), Learner(NetworkKind.Regression), 3);

        Assert.HasCount(3, binary);
        foreach (var fold in binary)
            Assert.IsGreaterThan(0.8, fold.Metrics.AreaUnderRocCurve);
        foreach (var fold in multiclass)
            Assert.IsGreaterThan(0.6, fold.Metrics.MicroAccuracy);
        foreach (var fold in regression)
            Assert.IsGreaterThan(0.5, fold.Metrics.RSquared);
    }

    [TestMethod]
    public void PermutationFeatureImportance_FittedAndLoaded_FindTheFeaturesThatMatter()
    {
        List<Example> rows = NetworkExamples.Rows(400);
        IDataView view = View(NetworkKind.Binary, rows);
        ITransformer fitted = Learner(NetworkKind.Binary).Fit(view);
        ITransformer loaded = Reload(fitted, view.Schema, out _);

        double[] importance = Importance(fitted);
        CollectionAssert.AreEqual(importance, Importance(loaded));
        // Slots 0, 1 and 2 carry nearly all of the signal.
        Assert.IsLessThan(-0.02, importance[1]);
        Assert.IsLessThan(importance[3], importance[1]);

        double[] Importance(ITransformer model) =>
        [
            .. new MLContext(5).BinaryClassification.PermutationFeatureImportance((ISingleFeaturePredictionTransformer<object>)model, view)
                .Select(statistics => statistics.AreaUnderRocCurve.Mean),
        ];
    }

    [TestMethod]
    public void PermutationFeatureImportance_LoadedPipelineWithSlotNames_NamesTheFeatures()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(NetworkExamples.Rows(300).Select(row => new ScalarRow
        {
            A = row.Features[0],
            B = row.Features[1],
            C = row.Features[2],
            Label = row.Value,
        }));
        ITransformer fitted = _context.Transforms.Concatenate("Features", "A", "B", "C").Append(Learner(NetworkKind.Regression)).Fit(rows);
        ITransformer loaded = Reload(fitted, rows.Schema, out _);

        var importance = new MLContext(5).Regression.PermutationFeatureImportance(loaded, loaded.Transform(rows));

        CollectionAssert.AreEquivalent(new[] { "A", "B", "C" }, importance.Keys.ToArray());
        Assert.IsLessThan(-0.02, importance["B"].RSquared.Mean);
    }

    [TestMethod]
    public void PermutationFeatureImportance_MulticlassLoaded_Works()
    {
        IDataView view = View(NetworkKind.Multiclass, NetworkExamples.Rows(300));
        ITransformer loaded = Reload(Learner(NetworkKind.Multiclass).Fit(view), view.Schema, out _);

        var importance = _context.MulticlassClassification.PermutationFeatureImportance(
            (ISingleFeaturePredictionTransformer<object>)loaded, view);

        Assert.HasCount(4, importance);
        Assert.IsLessThan(-0.02, importance[1].MicroAccuracy.Mean);
    }

    [TestMethod]
    public void OneVersusAll_AfterReloading_PredictsTheClasses()
    {
        IDataView view = View(NetworkKind.Multiclass, NetworkExamples.Rows(400));
        var trainer = _context.BinaryClassification.Trainers.BatchNormNetwork(LearnerOptions<BatchNormNetworkBinaryTrainer.Options>());
        ITransformer model = _context.MulticlassClassification.Trainers.OneVersusAll(trainer).Fit(view);
        ITransformer loaded = Reload(model, view.Schema, out _);

        Assert.IsGreaterThan(0.7, _context.MulticlassClassification.Evaluate(model.Transform(view)).MicroAccuracy);
        CheckSameVectors(model.Transform(view).Vectors<float>("Score"), loaded.Transform(view).Vectors<float>("Score"));
    }

    [TestMethod]
    public void PairwiseCoupling_AfterReloading_PredictsTheClasses()
    {
        IDataView view = View(NetworkKind.Multiclass, NetworkExamples.Rows(400));
        var trainer = _context.BinaryClassification.Trainers.BatchNormNetwork(LearnerOptions<BatchNormNetworkBinaryTrainer.Options>());
        ITransformer model = _context.MulticlassClassification.Trainers.PairwiseCoupling(trainer).Fit(view);
        ITransformer loaded = Reload(model, view.Schema, out _);

        Assert.IsGreaterThan(0.7, _context.MulticlassClassification.Evaluate(model.Transform(view)).MicroAccuracy);
        CheckSameVectors(model.Transform(view).Vectors<float>("Score"), loaded.Transform(view).Vectors<float>("Score"));
    }

    [TestMethod]
    public void Calibrators_OnTheScoreColumn_GiveProbabilities()
    {
        IDataView view = View(NetworkKind.Binary, NetworkExamples.Rows(400));
        IDataView scored = Learner(NetworkKind.Binary).Fit(view).Transform(view);
        float[] own = scored.Scalars<float>("Probability");
        foreach (IEstimator<ITransformer> calibrator in new IEstimator<ITransformer>[]
        {
            _context.BinaryClassification.Calibrators.Platt(), _context.BinaryClassification.Calibrators.Isotonic(),
            _context.BinaryClassification.Calibrators.Naive(), _context.BinaryClassification.Calibrators.Platt(-1, 0),
        })
        {
            IDataView calibrated = calibrator.Fit(scored).Transform(scored);
            float[] probabilities = calibrated.Scalars<float>("Probability");
            Assert.IsTrue(probabilities.All(p => p is >= 0 and <= 1));
            Assert.IsGreaterThan(0.85, Correlation(own, probabilities), calibrator.GetType().Name);
        }
    }

    /// <summary>The model is what ML.NET's own calibrated trainers give: a network and a calibrator that is the sigmoid.</summary>
    [TestMethod]
    public void BinaryModel_AfterReloading_HasSubModelAndCalibrator()
    {
        IDataView view = View(NetworkKind.Binary, NetworkExamples.Rows(60));
        ITransformer loaded = Reload(Fit(NetworkKind.Binary, NetworkExamples.Rows(60)), view.Schema, out _);

        var typed =
            (BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>>)loaded;

        Assert.AreEqual(-1, typed.Model.Calibrator.Slope);
        Assert.AreEqual(0, typed.Model.Calibrator.Offset);
        Assert.AreEqual(4, typed.Model.SubModel.NumberOfFeatures);
    }

    [TestMethod]
    public void ChangeModelThreshold_OfALoadedModel_ChangesPredictionsOnly()
    {
        IDataView view = View(NetworkKind.Binary, NetworkExamples.Rows(100));
        var loaded = (BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>>)
            Reload(Fit(NetworkKind.Binary, NetworkExamples.Rows(100)), view.Schema, out _);
        float[] scores = loaded.Transform(view).Scalars<float>("Score");
        float threshold = scores.Order().ElementAt(80);

        IDataView changed = _context.BinaryClassification.ChangeModelThreshold(loaded, threshold).Transform(view);

        CollectionAssert.AreEqual(scores, changed.Scalars<float>("Score"));
        CollectionAssert.AreEqual(scores.Select(score => score > threshold).ToArray(), changed.Scalars<bool>("PredictedLabel"));
        CollectionAssert.AreNotEqual(loaded.Transform(view).Scalars<bool>("PredictedLabel"), changed.Scalars<bool>("PredictedLabel"));
    }

    [TestMethod]
    public void AppendCacheCheckpoint_BeforeTheTrainer_ChangesNothing()
    {
        IDataView view = View(NetworkKind.Regression, NetworkExamples.Rows(80));
        var plain = _context.Transforms.Concatenate("Features", "Features");
        ITransformer without = plain.Append(NetworkExamples.Quick(_context, NetworkKind.Regression)).Fit(view);
        ITransformer with = plain.AppendCacheCheckpoint(_context).Append(NetworkExamples.Quick(_context, NetworkKind.Regression)).Fit(view);

        CollectionAssert.AreEqual(without.Transform(view).Scalars<float>("Score"), with.Transform(view).Scalars<float>("Score"));
    }

    /// <summary>A trainer asks its input for the rows once, and for nothing but the columns it needs.</summary>
    [TestMethod]
    public void Fit_ReadsTheRowsOnce()
    {
        var counting = new CountingView(View(NetworkKind.Binary, NetworkExamples.Rows(80)));
        NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(counting);

        Assert.HasCount(1, counting.Reads);
        CollectionAssert.AreEquivalent(new[] { "Features", "Label" }, counting.Reads[0]);
        Assert.AreEqual(80, counting.Rows);
    }

    /// <summary>One model under many mappers at once, each on a thread of its own and with its own rows.</summary>
    [TestMethod]
    public void Mappers_ManyAtOnce_GiveWhatOneGives()
    {
        List<Example> rows = NetworkExamples.Rows(400);
        ITransformer model = Fit(NetworkKind.Multiclass, rows);
        float[][] expected = model.Transform(View(NetworkKind.Multiclass, rows)).Vectors<float>("Score");
        float[][][] found = new float[4][][];

        Parallel.For(0, found.Length, new ParallelOptions { MaxDegreeOfParallelism = found.Length }, i =>
        {
            var own = new MLContext();
            PredictionEngine<Example, ClassPrediction> engine = own.Model.CreatePredictionEngine<Example, ClassPrediction>(model);
            found[i] = [.. rows.Select(row => engine.Predict(row).Score)];
        });

        foreach (float[][] scores in found)
            CheckSameVectors(expected, scores);
    }

    private static void CheckSameVectors(float[][] expected, float[][] actual)
    {
        Assert.HasCount(expected.Length, actual);
        for (int row = 0; row < expected.Length; row++)
            CollectionAssert.AreEqual(expected[row], actual[row], $"row {row}");
    }

    private static double Correlation(float[] a, float[] b)
    {
        double meanA = a.Average(), meanB = b.Average();
        double product = a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Sum();
        return product / Math.Sqrt(a.Sum(x => (x - meanA) * (x - meanA)) * b.Sum(y => (y - meanB) * (y - meanB)));
    }

    private static T LearnerOptions<T>()
        where T : BatchNormNetworkOptions, new() => NetworkExamples.QuickOptions<T>(options =>
        {
            options.MaximumNumberOfEpochs = 30;
            options.LearningRate = 0.02;
        });

    private IEstimator<ITransformer> Learner(NetworkKind kind) => kind switch
    {
        NetworkKind.Binary => _context.BinaryClassification.Trainers.BatchNormNetwork(
            LearnerOptions<BatchNormNetworkBinaryTrainer.Options>()),
        NetworkKind.Multiclass => _context.MulticlassClassification.Trainers.BatchNormNetwork(
            LearnerOptions<BatchNormNetworkMulticlassTrainer.Options>()),
        _ => _context.Regression.Trainers.BatchNormNetwork(LearnerOptions<BatchNormNetworkRegressionTrainer.Options>()),
    };

    private IDataView View(NetworkKind kind, List<Example> rows) => NetworkExamples.View(_context, kind, rows);

    private ITransformer Fit(NetworkKind kind, List<Example> rows) => NetworkExamples.Quick(_context, kind).Fit(View(kind, rows));

    private ITransformer Reload(ITransformer model, DataViewSchema schema, out DataViewSchema loadedSchema)
    {
        using var stream = new MemoryStream();
        _context.Model.Save(model, schema, stream);
        stream.Position = 0;
        return new MLContext().Model.Load(stream, out loadedSchema);
    }

    private sealed class BinaryPrediction
    {
        public float Score { get; set; }

        public float Probability { get; set; }

        public bool PredictedLabel { get; set; }
    }

    private sealed class ClassPrediction
    {
        public float[] Score { get; set; } = [];

        public uint PredictedLabel { get; set; }
    }

    private sealed class ValuePrediction
    {
        public float Score { get; set; }
    }

    private sealed class ScalarRow
    {
        public float A { get; set; }

        public float B { get; set; }

        public float C { get; set; }

        public float Label { get; set; }
    }
}
