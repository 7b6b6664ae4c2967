using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What every trainer has, with both trainers of several targets, of which a fifth is missing.</summary>
[TestClass]
public sealed class TargetFormTests
{
    private const string Numbers = "numbers", Labels = "labels";
    private const int SparseSlots = 1100;

    /// <summary>Rows of 4 features, 3 targets and a weight that come to more than a megabyte.</summary>
    private const int RowsBeyondTheBudget = 40_000;

    private readonly MLContext _context = new(1);
    private readonly List<string> _log = [];

    private readonly SpillLog _spill;

    public TargetFormTests()
    {
        _context.Log += (_, line) => _log.Add(line.Message);
        _spill = new SpillLog(_context);
    }

    /// <summary>A row of weight 0 is as if it were not there; other weights matter.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_Weights_Count(string trainer)
    {
        static void Weighted(BatchNormNetworkMultiOutputOptions options) => options.ExampleWeightColumnName = "Weight";
        List<TargetExample> rows = TargetExamples.Rows(200, missing: 0.2);
        List<TargetExample> withNone = [.. rows];
        for (int i = 0; i < 40; i++)
            withNone.Insert(5 * i, new() { Features = [9, 9, 9, 9], Values = [9, 9, 9], Known = [1, 1, 1], Labels = new bool[3] });
        string expected = Contents(Fit(trainer, View(trainer, rows), Weighted));

        Assert.AreEqual(expected, Contents(Fit(trainer, View(trainer, withNone), Weighted)));
        Assert.AreNotEqual(expected, Contents(Fit(trainer, View(trainer, rows))));
        Assert.AreNotEqual(expected, Contents(Fit(trainer, View(trainer, withNone))));
    }

    /// <summary>
    /// Rows of a group have the same features and the same targets, which nothing else says: only validation rows of other groups show it.
    /// </summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_Groups_StayTogether(string trainer)
    {
        var random = new Random(7);
        var rows = new List<TargetExample>();
        for (int group = 0; group < 50; group++)
        {
            float[] features = [.. Enumerable.Range(0, 4).Select(_ => 4 * random.NextSingle() - 2)];
            float[] values = [.. Enumerable.Range(0, 3).Select(_ => random.NextSingle())];
            float[] known = [.. values.Select(value => value > 0.5f ? 1f : 0)];
            for (int i = 0; i < 12; i++)
            {
                rows.Add(new()
                {
                    Features = features, Values = [.. values], Known = [.. known], Labels = new bool[3], Weight = group,
                });
                rows[^1].Values[i % 3] = rows[^1].Known[i % 3] = float.NaN;
            }
        }

        double Loss(string? key) => BestLoss(ModelOf(Fit(trainer, View(trainer, rows), options =>
        {
            (options.SamplingKeyColumnName, options.HiddenUnits, options.MaximumNumberOfEpochs) = (key, [128], 80);
            (options.DropoutRate, options.LearningRate) = (0, 0.01);
        })));
        Assert.IsLessThan(0.7 * Loss("Weight"), Loss(null));
    }

    /// <summary>Pixels come as a vector of several dimensions, of which only their product matters, as for a single target.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_FeaturesOfSeveralDimensions_AreThoseOfOne(string trainer)
    {
        List<TargetExample> rows = TargetExamples.Rows(150, missing: 0.2);
        IDataView flat = View(trainer, rows), square = Shaped(trainer, rows, 2, 2);
        Assert.AreEqual("2 2", string.Join(' ', ((VectorDataViewType)square.Schema["Features"].Type).Dimensions));
        ITransformer model = Fit(trainer, square);
        float[] expected = Scores(Fit(trainer, flat), flat);

        CollectionAssert.AreEqual(expected, Scores(model, square));
        CollectionAssert.AreEqual(expected, Scores(model, flat));
        using var file = new MemoryStream();
        _context.Model.Save(model, square.Schema, file);
        file.Position = 0;
        ITransformer loaded = new MLContext(3).Model.Load(file, out DataViewSchema schema);
        Assert.AreEqual(square.Schema["Features"].Type, schema["Features"].Type);
        CollectionAssert.AreEqual(expected, Scores(loaded, square));
        CollectionAssert.AreEqual(expected, Scores(Fit(trainer, flat), square));
        Assert.Contains("Incompatible features column type", Assert.ThrowsExactly<InvalidOperationException>(
            () => model.Transform(Shaped(trainer, rows, 2, 3))).Message);
        Assert.Contains("Incompatible features column type", Assert.ThrowsExactly<InvalidOperationException>(
            () => model.Transform(_context.Transforms.Conversion.ConvertType("Features", outputKind: DataKind.Double).Fit(flat)
                .Transform(flat))).Message);
    }

    /// <summary>Cancelled in the second network: it goes on from its checkpoint to the same model.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_AgainAfterCancellation_GoesOnToTheSameModel(string trainer)
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        try
        {
            IDataView rows = View(trainer, TargetExamples.Rows(80, missing: 0.2));
            string path = Path.Combine(folder, "training.checkpoint");
            int epochs = 0;
            ITransformer FitKept(string? kept, Action told, CancellationToken token = default) => Fit(trainer, rows, options =>
            {
                (options.NumberOfEnsembleMembers, options.NumberOfThreads, options.CancellationToken) = (2, 1, token);
                options.Checkpoint = kept is null ? null : new CheckpointOptions { Path = kept, IntervalInEpochs = 1 };
                options.Progress = new Told(_ => told());
            });
            string expected = Contents(FitKept(null, () => { }));
            using var source = new CancellationTokenSource();
            Assert.ThrowsExactly<OperationCanceledException>(() => FitKept(path, () =>
            {
                if (++epochs == 6)
                    source.Cancel();
            }, source.Token));

            epochs = 0;
            Assert.AreEqual(expected, Contents(FitKept(path, () => epochs++)));
            Assert.AreEqual(2, epochs);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// Each epoch has the metric of each target, of the validation rows that have it: what evaluation says of the best one. A loaded
    /// model has the same, and whoever watches the training was told the same.
    /// </summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void TrainingHistory_HasTheMetricOfEachTarget(string trainer)
    {
        List<TargetExample> held = TargetExamples.Rows(150, missing: 0.4, seed: 2);
        // All values of the last target are equal in the validation rows: nothing is to be explained, nothing to be told apart.
        held.ForEach(row => (row.Values[2], row.Known[2]) = (2000, 1));
        IDataView rows = View(trainer, TargetExamples.Rows(300, missing: 0.2)), validation = View(trainer, held);
        var reports = new List<TrainingProgress>();
        ITransformer model = Fit(trainer, rows, options =>
        {
            (options.ValidationSet, options.Progress) = (validation, new Told(reports.Add));
            options.MaximumNumberOfEpochs = 6;
        });
        TrainingHistory history = ModelOf(model).Network.Members.Single().TrainingHistory;
        EpochRecord best = history.Epochs[history.BestEpoch - 1];
        double[] expected = trainer == Numbers
            ? [.. _context.Regression.EvaluateMultiOutput(model.Transform(validation)).Targets.Select(target => target.RSquared)]
            : [.. _context.BinaryClassification.EvaluateMultiLabel(model.Transform(validation)).Targets.Select(t => t.AreaUnderRocCurve)];

        Assert.HasCount(6, history.Epochs);
        foreach ((EpochRecord epoch, TrainingProgress told) in history.Epochs.Zip(reports))
        {
            Assert.HasCount(3, epoch.TargetValidationMetrics);
            Assert.IsTrue(double.IsNaN(epoch.TargetValidationMetrics[2]));
            Assert.AreEqual(epoch.TargetValidationMetrics.Take(2).Average(), epoch.ValidationMetric!.Value, 1e-12);
            CollectionAssert.AreEqual(epoch.TargetValidationMetrics.ToArray(), told.TargetValidationMetrics.ToArray());
        }

        Assert.AreEqual(expected[0], best.TargetValidationMetrics[0], 1e-3);
        Assert.AreEqual(expected[1], best.TargetValidationMetrics[1], 1e-3);
        Assert.AreNotEqual(expected[0], expected[1], 1e-2);
        Assert.IsTrue(double.IsNaN(expected[2]));
        using var stream = new MemoryStream();
        _context.Model.Save(model, rows.Schema, stream);
        stream.Position = 0;
        TrainingHistory loaded = ModelOf(new MLContext().Model.Load(stream, out _)).Network.Members.Single().TrainingHistory;
        CollectionAssert.AreEqual(history.Epochs.ToArray(), loaded.Epochs.ToArray());
        Assert.AreNotEqual(best, best with { TargetValidationMetrics = [.. best.TargetValidationMetrics.Reverse()] });
    }

    /// <summary>Without validation rows there is no metric of a target either.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void TrainingHistory_WithoutValidationRows_HasNone(string trainer)
    {
        var model = ModelOf(Fit(trainer, View(trainer, TargetExamples.Rows(100)), options => options.ValidationFraction = 0));
        Assert.IsTrue(model.Network.Members.Single().TrainingHistory.Epochs.All(
            epoch => epoch.ValidationMetric is null && epoch.TargetValidationMetrics.Count == 0));
    }

    /// <summary>Several networks, which differ, score by their mean.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_Ensemble_ScoresByTheMean(string trainer)
    {
        List<TargetExample> rows = TargetExamples.Rows(200, missing: 0.2);
        var model = ModelOf(Fit(trainer, View(trainer, rows), options => options.NumberOfEnsembleMembers = 3));
        float[] features = [.. rows.SelectMany(row => row.Features)], scores = new float[600];
        model.Score(features, 200, scores);
        float[][] members = [.. model.Network.Members.Select(member =>
        {
            float[] own = new float[600];
            member.Score(features, 200, own);
            return own;
        })];

        Assert.HasCount(3, members);
        for (int i = 0; i < scores.Length; i++)
            Assert.AreEqual(members.Average(own => (double)own[i]), scores[i], 1e-5 * Math.Abs(scores[i]) + 1e-5 * Unit(model, i % 3));
        Assert.AreNotEqual(members[0][0], members[1][0]);
        Assert.AreNotEqual(members[0][0], scores[0]);
    }

    /// <summary>Sparse rows are kept so, and learned.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_SparseRows_AreLearned(string trainer)
    {
        IDataView sparse = Sparse(trainer, TargetExamples.Rows(1500, missing: 0.2));
        ITransformer model = Fit(trainer, sparse, Thorough);
        Assert.IsTrue(_log.Any(line => line.Contains("Rows are kept sparse", StringComparison.Ordinal)));
        Assert.IsGreaterThan(0.8, Quality(trainer, model, sparse));
    }

    /// <summary>Rows that come to more than the budget are really in a file, and learned.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_SpilledRows_AreLearned(string trainer)
    {
        IDataView many = View(trainer, TargetExamples.Rows(RowsBeyondTheBudget, missing: 0.2));
        ITransformer model = Fit(trainer, many, Spilled);
        Assert.IsTrue(_spill.HasSpilled);
        Assert.IsGreaterThan(0.8, Quality(trainer, model, many));
    }

    /// <summary>The network that is kept is the one of all its trainings with the smallest loss.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_Restarts_KeepTheBest(string trainer)
    {
        IDataView rows = View(trainer, TargetExamples.Rows(200, missing: 0.2));
        var reports = new List<TrainingProgress>();
        var model = ModelOf(Fit(trainer, rows, options =>
        {
            (options.NumberOfRestarts, options.ValidationFraction, options.Progress) = (3, 0.2, new Told(reports.Add));
        }));
        double[] best = [.. reports.GroupBy(report => report.Restart).Select(all => all.Min(report => report.ValidationLoss!.Value))];

        Assert.HasCount(4, best.Distinct().ToArray());
        Assert.AreEqual(best.Min(), BestLoss(model), 1e-12 * best.Min());
    }

    /// <summary>Chosen options serve several targets as well.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Fit_EffortFast_LearnsWithFourNetworks(string trainer)
    {
        IDataView rows = View(trainer, TargetExamples.Rows(600, missing: 0.2));
        ITransformer model = Fit(trainer, rows, options =>
        {
            (options.Effort, options.HiddenUnits, options.BatchSize) = (TrainingEffort.Fast, null, null);
            (options.MaximumNumberOfEpochs, options.NumberOfEnsembleMembers, options.NumberOfInputPieces) = (null, null, null);
        });
        Assert.HasCount(4, ModelOf(model).Network.Members);
        Assert.IsGreaterThan(0.8, Quality(trainer, model, rows));
    }

    /// <summary>Weights are kept in half precision, and the loaded model gives the same bits.</summary>
    [TestMethod]
    [DataRow(Numbers)]
    [DataRow(Labels)]
    public void Load_WeightsInHalfPrecision_GiveTheSameScores(string trainer)
    {
        IDataView rows = View(trainer, TargetExamples.Rows(400, missing: 0.2));
        ITransformer model = Fit(trainer, rows, options => options.HiddenUnits = [128, 128]);
        using var stream = new MemoryStream();
        _context.Model.Save(model, rows.Schema, stream);
        using var archive = new System.IO.Compression.ZipArchive(stream);
        long bytes = archive.Entries.Sum(entry => entry.Length);
        NetworkParameters network = ((INetworkModel)ModelOf(model)).Network.Networks.Single();
        long weights = network.Linear.Sum(linear => (long)linear.Inputs * linear.Outputs);
        stream.Position = 0;
        ITransformer loaded = new MLContext().Model.Load(stream, out _);

        Assert.IsTrue(network.Linear.All(HalfWeights.Holds));
        // Beside the weights there are normalizations, histories and what ML.NET keeps.
        Assert.IsLessThan(2 * weights + 10_000, bytes);
        Assert.IsGreaterThan(10_000, weights);
        CollectionAssert.AreEqual(Scores(model, rows), Scores(loaded, rows));
    }

    /// <summary>
    /// Where two targets of three have moved by many deviations, each is met by its own mean error, of the rows that have it, and the third
    /// stays as it is to the last bit.
    /// </summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("missing")]
    [DataRow("weighted")]
    [DataRow("ensemble")]
    [DataRow("sparse")]
    [DataRow("spilled")]
    public void WarmStart_TargetsFarAway_AreMetEachByItsOwnError(string form)
    {
        (IDataView usual, IDataView moved) = (Of(form, 4, _ => { }), Of(form, 4, row =>
        {
            row.Values[1] += 1;
            row.Values[2] -= 500;
        }));
        var first = (RegressionPredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters>)Fit(
            Numbers, Of(form, 1, _ => { }), options => Shape(form, options));
        var second = GoOn(form, first.Model, moved);

        double[] before = [.. first.Model.TargetMeans], after = [.. second.Model.TargetMeans], units = [.. first.Model.TargetDeviations];
        Assert.AreEqual(before[0], after[0]);
        Assert.AreEqual(before[1] + 1, after[1], 0.5 * units[1]);
        Assert.AreEqual(before[2] - 500, after[2], 0.5 * units[2]);
        CollectionAssert.AreEqual(units, second.Model.TargetDeviations.ToArray());
        var expected = _context.Regression.EvaluateMultiOutput(first.Transform(usual));
        var found = _context.Regression.EvaluateMultiOutput(second.Transform(moved));
        for (int target = 0; target < 3; target++)
            Assert.AreEqual(expected.Targets[target].RSquared, found.Targets[target].RSquared, 0.15, $"{form}, {target}");
        Assert.AreEqual(form == "spilled", _spill.HasSpilled);
    }

    /// <summary>A target of a larger unit takes it, alone; one that no new row has keeps what was known of it.</summary>
    [TestMethod]
    [DataRow("dense")]
    [DataRow("missing")]
    [DataRow("ensemble")]
    public void WarmStart_TargetOfALargerUnit_TakesItAlone(string form)
    {
        var first = ((RegressionPredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters>)Fit(
            Numbers, Of(form, 1, _ => { }), options => Shape(form, options))).Model;
        var second = GoOn(form, first, Of(form, 4, row =>
        {
            row.Values[1] *= 1e4f;
            row.Values[2] = float.NaN;
        })).Model;

        Assert.AreEqual(1e4, second.TargetDeviations[1] / first.TargetDeviations[1], 2e3);
        foreach (int target in new[] { 0, 2 })
        {
            Assert.AreEqual(first.TargetMeans[target], second.TargetMeans[target]);
            Assert.AreEqual(first.TargetDeviations[target], second.TargetDeviations[target]);
        }
    }

    private RegressionPredictionTransformer<BatchNormNetworkMultiOutputRegressionModelParameters> GoOn(
        string form, BatchNormNetworkMultiOutputRegressionModelParameters start, IDataView rows) =>
        TargetExamples.Numbers(_context, options =>
        {
            Shape(form, options);
            (options.MaximumNumberOfEpochs, options.LearningRate) = (1, 1e-7);
        }).Fit(rows, null, start);

    private static void Shape(string form, BatchNormNetworkMultiOutputOptions options)
    {
        if (form == "spilled")
            Spilled(options);
        else
            options.MaximumNumberOfEpochs = 15;
        options.ExampleWeightColumnName = form == "weighted" ? "Weight" : null;
        options.NumberOfEnsembleMembers = form == "ensemble" ? 3 : 1;
    }

    private IDataView Of(string form, int seed, Action<TargetExample> change)
    {
        List<TargetExample> rows = TargetExamples.Rows(
            form == "spilled" ? RowsBeyondTheBudget : 600, missing: form == "missing" ? 0.6 : 0, seed);
        rows.ForEach(change);
        return form == "sparse" ? Sparse(Numbers, rows) : View(Numbers, rows);
    }

    private static void Thorough(BatchNormNetworkMultiOutputOptions options) =>
        (options.HiddenUnits, options.MaximumNumberOfEpochs) = ([64, 32], 20);

    private static void Spilled(BatchNormNetworkMultiOutputOptions options) =>
        (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs) = (1, 200, 3);

    private ITransformer Fit(string trainer, IDataView rows, Action<BatchNormNetworkMultiOutputOptions>? change = null) =>
        trainer == Numbers ? TargetExamples.Numbers(_context, change).Fit(rows) : TargetExamples.Labels(_context, change).Fit(rows);

    private IDataView View(string trainer, List<TargetExample> rows) =>
        TargetExamples.View(_context, rows, trainer == Numbers ? nameof(TargetExample.Values) : nameof(TargetExample.Known));

    private IDataView Shaped(string trainer, List<TargetExample> rows, params int[] dimensions)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(SparseTargets));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, dimensions);
        return _context.Data.LoadFromEnumerable(
            rows.Select(row => new SparseTargets
            {
                Features = new VBuffer<float>(row.Features.Length, row.Features), Label = trainer == Numbers ? row.Values : row.Known,
            }),
            schema);
    }

    private IDataView Sparse(string trainer, List<TargetExample> rows)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(SparseTargets));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, SparseSlots);
        return _context.Data.LoadFromEnumerable(
            rows.Select(row => new SparseTargets
            {
                Features = new VBuffer<float>(SparseSlots, 4, row.Features, [1, 70, 500, 1099]),
                Label = trainer == Numbers ? row.Values : row.Known,
            }),
            schema);
    }

    private double Quality(string trainer, ITransformer model, IDataView rows) => trainer == Numbers
        ? _context.Regression.EvaluateMultiOutput(model.Transform(rows)).RSquared
        : _context.BinaryClassification.EvaluateMultiLabel(model.Transform(rows)).AreaUnderRocCurve;

    private static BatchNormNetworkMultiOutputModelParametersBase ModelOf(ITransformer model) =>
        (BatchNormNetworkMultiOutputModelParametersBase)((ISingleFeaturePredictionTransformer<object>)model).Model;

    private static double Unit(BatchNormNetworkMultiOutputModelParametersBase model, int target) =>
        model is BatchNormNetworkMultiOutputRegressionModelParameters numbers ? numbers.TargetDeviations[target] : 1;

    private static double BestLoss(BatchNormNetworkMultiOutputModelParametersBase model)
    {
        TrainingHistory history = model.Network.Members.Single().TrainingHistory;
        return history.Epochs[history.BestEpoch - 1].ValidationLoss!.Value;
    }

    private static float[] Scores(ITransformer model, IDataView rows) =>
        [.. TargetExamples.Column<float>(model.Transform(rows), "Score").SelectMany(row => row)];

    private string Contents(ITransformer model) =>
        ModelFile.Contents(_context, model, TargetExamples.View(_context, TargetExamples.Rows(1)).Schema);

    private sealed class Told(Action<TrainingProgress> told) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => told(value);
    }

    private sealed class SparseTargets
    {
        public VBuffer<float> Features { get; set; }

        [VectorType(3)]
        public float[] Label { get; set; } = [];
    }
}
