using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Distribution;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>One network for several numbers, as a trainer of ML.NET.</summary>
[TestClass]
public sealed class MultiOutputTrainerTests
{
    private readonly MLContext _context = new(1);
    private readonly List<string> _log = [];

    public MultiOutputTrainerTests() => _context.Log += (_, line) => _log.Add(line.Message);

    [TestMethod]
    [DataRow(0.0, false)]
    [DataRow(0.3, true)]
    public void Battery_WithAndWithoutMissingTargets(double missing, bool weighted)
    {
        List<TargetExample> rows = TargetExamples.Rows(60, missing);
        rows[3].Features[1] = float.NaN;
        IDataView view = TargetExamples.View(_context, rows);
        EstimatorBattery.Check(
            _context,
            TargetExamples.Numbers(_context, options => options.ExampleWeightColumnName = weighted ? "Weight" : null),
            view,
            validTransformOnly: _context.Transforms.DropColumns("Label").Fit(view).Transform(view),
            fitOnly: _context.Transforms.Concatenate("Features", "Features", "Weight").Fit(view).Transform(view),
            invalidInputs: [_context.Transforms.DropColumns("Features").Fit(view).Transform(view)]);
    }

    /// <summary>Targets whose units are a thousand million apart are learned alike, and predicted in their own.</summary>
    [TestMethod]
    public void Fit_TargetsOfUnlikeUnits_AreAllLearned()
    {
        IDataView rows = TargetExamples.View(_context, TargetExamples.Rows(2000)),
            others = TargetExamples.View(_context, TargetExamples.Rows(500, seed: 2));
        var model = Thorough().Fit(rows);
        IDataView scored = model.Transform(others);
        MultiOutputRegressionMetrics metrics = _context.Regression.EvaluateMultiOutput(scored);

        foreach (MultiOutputRegressionTargetMetrics target in metrics.Targets)
            Assert.IsGreaterThan(0.9, target.RSquared, target.Name);
        CollectionAssert.AreEqual(TargetExamples.Names, metrics.Targets.Select(target => target.Name).ToArray());
        CollectionAssert.AreEqual(TargetExamples.Names, model.Model.TargetNames.ToArray());
        VBuffer<ReadOnlyMemory<char>> names = default;
        scored.Schema["Score"].GetSlotNames(ref names);
        CollectionAssert.AreEqual(TargetExamples.Names, names.DenseValues().Select(name => name.ToString()).ToArray());
        Assert.AreEqual(3e6, model.Model.TargetMeans[0], 2e5);
        Assert.AreEqual("mean R2", _metric);

        // The same in another unit is the same network.
        List<TargetExample> millions = TargetExamples.Rows(2000);
        millions.ForEach(row => row.Values[0] /= 1024);
        float[][] inMillions = TargetExamples.Column<float>(
            Thorough().Fit(TargetExamples.View(_context, millions)).Transform(others), "Score");
        float[][] scores = TargetExamples.Column<float>(scored, "Score");
        for (int row = 0; row < scores.Length; row++)
            Assert.AreEqual(scores[row][0] / 1024, inMillions[row][0], 1e-6 * Math.Abs(scores[row][0]) / 1024 + 1e-3);
    }

    private string _metric = "";

    private BatchNormNetworkMultiOutputRegressionTrainer Thorough() => TargetExamples.Numbers(_context, options =>
    {
        (options.HiddenUnits, options.MaximumNumberOfEpochs, options.NumberOfEnsembleMembers) = ([64, 32], 20, 2);
        options.Progress = new Told(progress => _metric = progress.ValidationMetricName);
    });

    /// <summary>
    /// Rows without any target are as if they were not there; a missing target does not count, so that the others are learned all the same.
    /// </summary>
    [TestMethod]
    public void Fit_MissingTargets_DoNotCount()
    {
        List<TargetExample> rows = TargetExamples.Rows(300, missing: 0.2);
        rows.ForEach(row => row.Values[0] = float.IsNaN(row.Values[1]) && float.IsNaN(row.Values[2]) ? 1e6f : row.Values[0]);
        List<TargetExample> withEmpty = [.. rows];
        for (int i = 0; i < 40; i++)
            withEmpty.Insert(i * 5, WithoutTargets());
        ITransformer model = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows));
        ITransformer same = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, withEmpty));

        Assert.AreEqual(Contents(model), Contents(same));
        Assert.IsTrue(_log.Any(line => line.Contains(
            "Skipped 40 rows of the training set: 40 without a value in label column 'Label'", StringComparison.Ordinal)));
        Assert.IsTrue(_log.Any(line => line.Contains("some lack targets of label column 'Label'", StringComparison.Ordinal)
            && line.Contains("target 0 ('Price') in ", StringComparison.Ordinal)));
        rows[7].Values[1] = 5;
        Assert.AreNotEqual(Contents(model), Contents(TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows))));
    }

    [TestMethod]
    public void Fit_TargetWeights_AreRelative_AndMatter()
    {
        IDataView rows = TargetExamples.View(_context, TargetExamples.Rows(200, missing: 0.1));
        string Fit(params double[]? weights) =>
            Contents(TargetExamples.Numbers(_context, options => options.TargetWeights = weights).Fit(rows));

        string alike = Fit(null);
        Assert.AreEqual(alike, Fit(4, 4, 4));
        Assert.AreEqual(Fit(1, 2, 5), Fit(8, 16, 40));
        Assert.AreNotEqual(alike, Fit(1, 2, 5));
        // Every row has the weight 2: none is another's.
        IDataView twos = _context.Transforms.CustomMapping<WeightOnly, WeightOnly>((_, to) => to.Weight = 2, null)
            .Fit(rows).Transform(rows);
        Assert.AreEqual(alike, Contents(TargetExamples.Numbers(_context, options => options.ExampleWeightColumnName = "Weight").Fit(twos)));
    }

    /// <summary>Sparse rows, and rows in a temporary file, are learned from as others.</summary>
    [TestMethod]
    public void Fit_SparseAndSpilledRows_AreLearned()
    {
        const int slots = 1100;
        List<TargetExample> examples = TargetExamples.Rows(1500, missing: 0.1);
        SchemaDefinition schema = SchemaDefinition.Create(typeof(SparseTargets));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
        IDataView sparse = _context.Data.LoadFromEnumerable(
            examples.Select(row => new SparseTargets
            {
                Features = new VBuffer<float>(slots, 4, row.Features, [1, 70, 500, 1099]), Label = row.Values,
            }),
            schema);
        IEstimator<ITransformer> trainer = TargetExamples.Numbers(_context, options =>
        {
            (options.HiddenUnits, options.MaximumNumberOfEpochs) = ([64, 32], 20);
        });
        Assert.IsGreaterThan(0.8, _context.Regression.EvaluateMultiOutput(trainer.Fit(sparse).Transform(sparse)).RSquared);
        Assert.IsTrue(_log.Any(line => line.Contains("Rows are kept sparse", StringComparison.Ordinal)));

        IDataView many = TargetExamples.View(_context, TargetExamples.Rows(20_000, missing: 0.1));
        ITransformer spilled = TargetExamples.Numbers(_context, options =>
        {
            (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs) = (1, 200, 4);
        }).Fit(many);
        Assert.IsTrue(_log.Any(line => line.Contains("they are in a temporary file", StringComparison.Ordinal)));
        Assert.IsGreaterThan(0.8, _context.Regression.EvaluateMultiOutput(spilled.Transform(many)).RSquared);
    }

    /// <summary>The same bits by any way of scoring, for any number of threads, and of each network alone.</summary>
    [TestMethod]
    public void Score_ByEveryWay_IsTheSame()
    {
        List<TargetExample> rows = TargetExamples.Rows(300, missing: 0.1);
        IDataView view = TargetExamples.View(_context, rows);
        RegressionPredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters> Fit(int threads) =>
            TargetExamples.Numbers(_context, options => (options.NumberOfEnsembleMembers, options.NumberOfThreads) = (3, threads))
                .Fit(view);
        var model = Fit(2);
        var again = Fit(1);
        Assert.AreEqual(Contents(model), Contents(again));
        float[] expected = [.. TargetExamples.Column<float>(model.Transform(view), "Score").SelectMany(row => row)];
        float[] features = [.. rows.SelectMany(row => row.Features)];

        float[] block = new float[900], threads = new float[900];
        model.Model.Score(features, 300, block);
        model.Model.Score(features, 300, threads, 2);
        CollectionAssert.AreEqual(expected, block);
        CollectionAssert.AreEqual(expected, threads);
        using var engine = _context.Model.CreatePredictionEngine<TargetExample, Prediction>(model);
        for (int row = 0; row < 20; row++)
            CollectionAssert.AreEqual(expected[(3 * row)..(3 * row + 3)], engine.Predict(rows[row]).Score);

        float[][] members = [.. model.Model.Network.Members.Select(member =>
        {
            float[] scores = new float[900];
            member.Score(features, 300, scores);
            return scores;
        })];
        for (int i = 0; i < 900; i++)
            Assert.AreEqual(members.Average(scores => (double)scores[i]), expected[i], 1e-5 * Math.Abs(expected[i]) + 1e-9);
        Assert.AreNotEqual(members[0][0], members[1][0]);
    }

    /// <summary>What a row's slots contribute to each target adds up to its score, in the target's unit.</summary>
    [TestMethod]
    public void FeatureContributions_OfEachTarget_AddUpToItsScore()
    {
        List<TargetExample> rows = TargetExamples.Rows(60);
        var model = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows)).Model;
        float[] features = [.. rows.Take(5).SelectMany(row => row.Features)], scores = new float[15], contributions = new float[5 * 3 * 4];
        model.Score(features, 5, scores);
        model.GetFeatureContributions(features, 5, contributions);
        for (int i = 0; i < 15; i++)
        {
            double sum = model.FeatureContributionBase[i % 3] + contributions.Skip(4 * i).Take(4).Sum(value => (double)value);
            Assert.AreEqual(scores[i], sum, 1e-3 * model.TargetDeviations[i % 3]);
            Assert.AreNotEqual(0, contributions[4 * i]);
        }
    }

    [TestMethod]
    public void Load_InAFreshProcess_GivesTheSameBits()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(60, missing: 0.2));
        IEstimator<ITransformer> pipeline = _context.Transforms.Concatenate("Features", "Features", "Weight")
            .Append(TargetExamples.Numbers(_context));
        FreshModelLoad.Check(_context, pipeline.Fit(view), view, "de-DE");
    }

    [TestMethod]
    public void Load_Model_ShowsTheSame()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(60));
        var model = TargetExamples.Numbers(_context).Fit(view);
        using var stream = new MemoryStream();
        _context.Model.Save(model, view.Schema, stream);
        stream.Position = 0;
        var loaded = (RegressionPredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters>)new MLContext().Model.Load(
            stream, out _);

        CollectionAssert.AreEqual(model.Model.TargetNames.ToArray(), loaded.Model.TargetNames.ToArray());
        CollectionAssert.AreEqual(model.Model.TargetDeviations.ToArray(), loaded.Model.TargetDeviations.ToArray());
        CollectionAssert.AreEqual(
            model.Model.Network.Members[0].TrainingHistory.Epochs.ToArray(),
            loaded.Model.Network.Members[0].TrainingHistory.Epochs.ToArray());
        Assert.IsTrue(loaded.Model.Network.Members[0].TrainingHistory.Epochs.All(epoch => epoch.ValidationMetric is <= 1));
    }

    /// <summary>A second training begins where the first has ended, also on a few rows in which a target never changes.</summary>
    [TestMethod]
    public void Fit_GoingOn_BeginsAtTheModel()
    {
        List<TargetExample> rows = TargetExamples.Rows(400, missing: 0.1);
        IDataView view = TargetExamples.View(_context, rows), validation = TargetExamples.View(_context, TargetExamples.Rows(100, seed: 3));
        var first = TargetExamples.Numbers(_context, options => options.MaximumNumberOfEpochs = 15).Fit(view, validation);
        var second = TargetExamples.Numbers(_context, options => (options.MaximumNumberOfEpochs, options.LearningRate) = (1, 1e-6))
            .Fit(view, validation, first.Model);
        double reached = first.Model.Network.Members[0].TrainingHistory.Epochs.Min(epoch => epoch.ValidationLoss!.Value);
        Assert.AreEqual(reached, second.Model.Network.Members[0].TrainingHistory.Epochs[0].ValidationLoss!.Value, 0.02 * reached);

        rows.RemoveRange(20, rows.Count - 20);
        rows.ForEach(row => row.Values[2] = 2000);
        var third = TargetExamples.Numbers(_context, options => options.MaximumNumberOfEpochs = 1)
            .Fit(TargetExamples.View(_context, rows), validation, first.Model);
        CollectionAssert.AreEqual(first.Model.TargetDeviations.ToArray(), third.Model.TargetDeviations.ToArray());

        // One target has moved by many deviations: it is met at once, and the others stay where they are.
        List<TargetExample> moved = TargetExamples.Rows(400, seed: 4);
        moved.ForEach(row => row.Values[1] += 1);
        var fourth = TargetExamples.Numbers(_context, options => (options.MaximumNumberOfEpochs, options.LearningRate) = (1, 1e-6))
            .Fit(TargetExamples.View(_context, moved), null, first.Model);
        Assert.AreEqual(first.Model.TargetMeans[1] + 1, fourth.Model.TargetMeans[1], 0.01);
        Assert.AreEqual(first.Model.TargetMeans[0], fourth.Model.TargetMeans[0]);
        double before = _context.Regression.EvaluateMultiOutput(
            first.Transform(TargetExamples.View(_context, TargetExamples.Rows(400, seed: 4)))).Targets[1].RSquared;
        double after = _context.Regression.EvaluateMultiOutput(fourth.Transform(TargetExamples.View(_context, moved))).Targets[1].RSquared;
        Assert.AreEqual(before, after, 0.1, "as good as of the labels that had not moved");

        IDataView two = _context.Transforms.CustomMapping<TargetExample, TwoTargets>((from, to) => to.Label = from.Values[..2], null)
            .Fit(_context.Data.LoadFromEnumerable(rows)).Transform(_context.Data.LoadFromEnumerable(rows));
        Assert.Contains(
            "The initial model has outputs 3, the training asks for 2",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => TargetExamples.Numbers(_context).Fit(two, null, first.Model)).Message);
    }

    /// <summary>Cancelled in the second network: it goes on from its checkpoint to the same model.</summary>
    [TestMethod]
    public void Fit_AgainAfterCancellation_GoesOnToTheSameModel()
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        try
        {
            IDataView rows = TargetExamples.View(_context, TargetExamples.Rows(80, missing: 0.2));
            using var source = new CancellationTokenSource();
            BatchNormNetworkMultiOutputRegressionTrainer Trainer(string? path, Action told, CancellationToken token = default) =>
                TargetExamples.Numbers(_context, options =>
                {
                    (options.NumberOfEnsembleMembers, options.NumberOfThreads, options.CancellationToken) = (2, 1, token);
                    options.Checkpoint = path is null ? null : new CheckpointOptions { Path = path, IntervalInEpochs = 1 };
                    options.Progress = new Told(_ => told());
                });
            string expected = Contents(Trainer(null, () => { }).Fit(rows));
            int epochs = 0;
            string path = Path.Combine(folder, "training.checkpoint");
            Assert.ThrowsExactly<OperationCanceledException>(() => Trainer(path, () =>
            {
                if (++epochs == 6)
                    source.Cancel();
            }, source.Token).Fit(rows));
            epochs = 0;
            Assert.AreEqual(expected, Contents(Trainer(path, () => epochs++).Fit(rows)));
            Assert.AreEqual(2, epochs);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Trainings that went through bytes, with missing targets, weights, in a file and going on, come to the same model.</summary>
    [TestMethod]
    [DataRow(200, false)]
    [DataRow(12_000, false)]
    [DataRow(200, true)]
    public void Fit_TrainedElsewhere_GivesTheSameModel(int rows, bool goesOn)
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(rows, missing: 0.2));
        BatchNormNetworkMultiOutputRegressionModelParameters? start = goesOn ? TargetExamples.Numbers(_context).Fit(view).Model : null;
        string Fit(TrainingRunner? runner) => Contents(TargetExamples.Numbers(_context, options =>
        {
            (options.TrainingRunner, options.MemoryBudgetInMegabytes, options.ExampleWeightColumnName) = (runner, 1, "Weight");
            (options.TargetWeights, options.BatchSize) = ([1, 2, 3], 100);
        }).Fit(view, null, start));
        Assert.AreEqual(Fit(null), Fit(new BytesRunner()));
        Assert.AreEqual(rows > 10_000, _log.Any(line => line.Contains("they are in a temporary file", StringComparison.Ordinal)));

        IDataView labels = TargetExamples.View(_context, TargetExamples.Rows(200, missing: 0.2), nameof(TargetExample.Known));
        string FitLabels(TrainingRunner? runner) =>
            Contents(TargetExamples.Labels(_context, options => options.TrainingRunner = runner).Fit(labels));
        Assert.AreEqual(FitLabels(null), FitLabels(new BytesRunner()));
    }

    /// <summary>Rows of one sampling key stay on one side of the validation split.</summary>
    [TestMethod]
    public void Fit_SamplingKey_IsTaken()
    {
        IDataView rows = TargetExamples.View(_context, TargetExamples.Rows(120, missing: 0.2));
        string Fit(string? key) => Contents(TargetExamples.Numbers(_context, options => options.SamplingKeyColumnName = key).Fit(rows));
        Assert.AreNotEqual(Fit(null), Fit("Weight"));
    }

    [TestMethod]
    public void Fit_TargetsThatCannotBeLearned_AreNamed()
    {
        void Fails(string expected, Action<TargetExample> change)
        {
            List<TargetExample> rows = TargetExamples.Rows(30);
            rows.ForEach(change);
            Assert.Contains(
                expected,
                Assert.ThrowsExactly<InvalidOperationException>(
                    () => TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows))).Message);
        }

        Fails("Label column 'Label' has no value (only NaN) in all 30 rows of the training set at target 1 ('Share')",
            row => row.Values[1] = float.NaN);
        Fails("Label column 'Label' is infinity in row 0, target 0 ('Price'). A target must be a finite number, or NaN",
            row => row.Values[0] = float.PositiveInfinity);
        Fails("The training set has no row to learn from", row => row.Values = [float.NaN, float.NaN, float.NaN]);
    }

    /// <summary>Scalars, keys, other types and lengths that vary are refused by name, before anything is read.</summary>
    [TestMethod]
    public void Fit_LabelsOfOtherTypes_AreRefused()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(TargetExamples.Rows(30));
        IEstimator<ITransformer> keys = _context.Transforms.Conversion.MapValueToKey("Label", nameof(TargetExample.Values));
        IEstimator<ITransformer> doubles =
            _context.Transforms.Conversion.ConvertType("Label", nameof(TargetExample.Values), DataKind.Double);
        IEstimator<ITransformer> variable = _context.Transforms.CustomMapping<TargetExample, VariableTargets>(
            (from, to) => to.Label = new VBuffer<float>(2, [1, 2]), null);
        foreach ((IEstimator<ITransformer> label, string expected) in new[]
        {
            (keys, "one of several classes in each slot takes a trainer for several classes for each"),
            (doubles, "a vector of known size of Single, a slot for each target"),
            (variable, "every row needs the same targets, NaN where one is missing"),
            (_context.Transforms.CopyColumns("Label", "Weight"), "Concatenate makes one of columns"),
        })
        {
            IDataView wrong = label.Fit(rows).Transform(rows);
            var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => TargetExamples.Numbers(_context).Fit(wrong));
            Assert.Contains("label column 'Label'", error.Message);
            Assert.Contains(expected, error.Message);
        }
    }

    [TestMethod]
    public void Fit_WrongOptionsAndValidationRows_AreRefused()
    {
        IDataView view = TargetExamples.View(_context, TargetExamples.Rows(30));
        Assert.Contains(
            "TargetWeights has 2 numbers, but label column 'Label' has 3 targets",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => TargetExamples.Numbers(_context, options => options.TargetWeights = [1, 2]).Fit(view)).Message);
        Assert.Contains(
            "TargetWeights[1] is 0; it must be in (0, 1000000]",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => TargetExamples.Numbers(_context, options => options.TargetWeights = [1, 0, 2])).Message);
        Assert.Contains(
            "Loss is null",
            Assert.ThrowsExactly<ArgumentOutOfRangeException>(
                () => TargetExamples.Numbers(_context, options => options.Loss = null!)).Message);
        IDataView all = _context.Data.LoadFromEnumerable(TargetExamples.Rows(30));
        IDataView two = _context.Transforms.CustomMapping<TargetExample, TwoTargets>((from, to) => to.Label = from.Values[..2], null)
            .Fit(all).Transform(all);
        Assert.Contains("label column 'Label'", Assert.ThrowsExactly<ArgumentOutOfRangeException>(
            () => TargetExamples.Numbers(_context).Fit(view, two)).Message);
    }

    /// <summary>As many targets in another order would be learned for each other without a word.</summary>
    [TestMethod]
    public void Fit_TargetsInAnotherOrder_AreRefused()
    {
        var rows = TargetExamples.Rows(40);
        IDataView view = TargetExamples.View(_context, rows);
        IDataView other = TargetExamples.View(_context, rows, names: ["Price", "Years", "Share"]);
        var trainer = TargetExamples.Numbers(_context, options => options.MaximumNumberOfEpochs = 2);
        var model = trainer.Fit(view, TargetExamples.View(_context, TargetExamples.Rows(20, seed: 2)));

        var validation = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => trainer.Fit(view, other));
        var start = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => trainer.Fit(other, null, model.Model));

        Assert.Contains(
            "Target 1 of label column 'Label' is 'Share' in the training set, and 'Years' in the validation set.", validation.Message);
        Assert.Contains(
            "Target 1 of label column 'Label' is 'Years' in the training set, and 'Share' in the initial model.", start.Message);
        Assert.AreEqual(("validationSet", "modelParameters"), (validation.ParamName, start.ParamName));
        // Without names nothing is known of the order.
        IDataView unnamed = TargetExamples.View(_context, rows, names: ["", "", ""]);
        Assert.HasCount(3, trainer.Fit(unnamed, other, model.Model).Model.TargetNames);
    }

    private static TargetExample WithoutTargets() => new()
    {
        Features = [9, 9, 9, 9], Values = [float.NaN, float.NaN, float.NaN], Labels = new bool[3], Known = new float[3], Weight = 1,
    };

    private string Contents(ITransformer model) =>
        ModelFile.Contents(_context, model, TargetExamples.View(_context, TargetExamples.Rows(1)).Schema);

    private sealed class Told(Action<TrainingProgress> told) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => told(value);
    }

    private sealed class Prediction
    {
        public float[] Score { get; set; } = [];
    }

    private sealed class WeightOnly
    {
        public float Weight { get; set; }
    }

    private sealed class SparseTargets
    {
        public VBuffer<float> Features { get; set; }

        [VectorType(3)]
        public float[] Label { get; set; } = [];
    }

    private sealed class TwoTargets
    {
        [VectorType(2)]
        public float[] Label { get; set; } = [];
    }

    private sealed class VariableTargets
    {
        public VBuffer<float> Label { get; set; }
    }
}
