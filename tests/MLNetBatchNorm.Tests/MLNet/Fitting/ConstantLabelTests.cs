using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using BinaryTransformer = Microsoft.ML.Data.BinaryPredictionTransformer<Microsoft.ML.Calibrators.CalibratedModelParametersBase<
    MLNetBatchNorm.BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>>;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Training rows that are all true, or all false: as with ML.NET's own binary trainers the model says so of every row, and the log warns.
/// </summary>
[TestClass]
public sealed class ConstantLabelTests
{
    private const int Count = 40;

    private readonly MLContext _context = new(1);
    private readonly LogLines _warnings;

    public ConstantLabelTests() => _warnings = new LogLines(_context, ChannelMessageKind.Warning);

    [TestMethod]
    [DataRow(true, "dense")]
    [DataRow(false, "dense")]
    [DataRow(false, "sparse")]
    [DataRow(true, "weighted")]
    [DataRow(false, "others of weight 0")]
    [DataRow(true, "validation rows")]
    [DataRow(true, "layer inputs normalized")]
    public void Fit_OneLabel_SaysItOfEveryRow(bool label, string what)
    {
        List<Example> rows = NetworkExamples.Rows(Count);
        foreach (Example row in rows)
        {
            row.IsPositive = label;
            row.Weight = 1e-3f;
        }

        if (what == "others of weight 0")
        {
            rows.AddRange(
                NetworkExamples.Rows(7, seed: 2).Select(row => new Example { Features = row.Features, IsPositive = !label, Weight = 0 }));
        }
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        IDataView other = NetworkExamples.View(
            _context, NetworkKind.Binary,
            NetworkExamples.Rows(50, seed: 3).Append(new Example { Features = [1e9f, -1e9f, 1e20f, float.NaN] }));
        var trainer = (BatchNormNetworkBinaryTrainer)NetworkExamples.Quick(_context, NetworkKind.Binary, options =>
        {
            options.NumberOfEnsembleMembers = null;
            options.ExampleWeightColumnName = what is "weighted" or "others of weight 0" ? "Weight" : null;
            options.Placement = what == "layer inputs normalized" ? BatchNormalizationPlacement.LayerInput : null;
        });
        var model = trainer.Fit(what == "sparse" ? new SparseView(view, "Features") : view, what == "validation rows" ? other : null);

        CheckConstant(model, other, label);
        CheckConstant((BinaryTransformer)Reload(model, view.Schema), other, label);
        string warning = _warnings.Single();
        Assert.AreEqual(
            $"Label column 'Label' is {(label ? "true" : "false")} in all {Count} rows of the training set; "
            + $"the model says {(label ? "true" : "false")} of every row.",
            warning);
    }

    /// <summary>In so few rows a class would be called thin: but a constant is neither trained nor validated.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Fit_OneLabelInFewRows_SaysItOnce(int count)
    {
        List<Example> rows = [.. NetworkExamples.Rows(count)];
        foreach (Example row in rows)
            row.IsPositive = true;
        IDataView view = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Binary, _ => { }).Fit(view);

        Assert.IsTrue(model.Transform(view).Scalars<bool>("PredictedLabel").All(label => label));
        Assert.AreEqual(
            $"Label column 'Label' is true in all {count} rows of the training set; the model says true of every row.", _warnings.Single());
    }

    /// <summary>Keys of four classes, rows of three: whichever it is, its classifier is a constant, and the others learn.</summary>
    [TestMethod]
    [DataRow(0, true)]
    [DataRow(2, true)]
    [DataRow(3, true)]
    [DataRow(1, false)]
    public void OneVersusAll_AndPairwiseCoupling_WithAClassWithoutRows_Train(int absent, bool text)
    {
        IDataView all = Classes();
        IDataView keyed =
            _context.Transforms.Conversion.MapValueToKey("Label", text ? nameof(Keyed.Name) : nameof(Keyed.Number)).Fit(all).Transform(all);
        IDataView training = _context.Data.FilterByCustomPredicate<Placed>(keyed, row => row.Place == absent);
        var binary = (BatchNormNetworkBinaryTrainer)NetworkExamples.Quick(
            _context, NetworkKind.Binary, options => options.MaximumNumberOfEpochs = 20);

        foreach (IEstimator<ITransformer> trainer in new IEstimator<ITransformer>[]
        {
            _context.MulticlassClassification.Trainers.OneVersusAll(binary),
            _context.MulticlassClassification.Trainers.PairwiseCoupling(binary),
        })
        {
            MulticlassClassificationMetrics metrics = _context.MulticlassClassification.Evaluate(trainer.Fit(training).Transform(training));
            Assert.IsGreaterThan(0.95, metrics.MicroAccuracy);
        }

        Assert.IsTrue(
            _warnings.Any(warning => warning.Contains("the model says false of every row", StringComparison.Ordinal)),
            string.Join('\n', _warnings));
        // Once for a trainer, however many fits work with it.
        string notice = _warnings.Single(warning => warning.Contains("OneVersusAll", StringComparison.Ordinal));
        Assert.Contains("Label column 'Label' stands for one of 4 classes", notice);
        Assert.Contains("MulticlassClassification.Trainers.BatchNormNetwork learns all classes", notice);
    }

    /// <summary>A label that takes no key's place is no class of several.</summary>
    [TestMethod]
    public void Fit_YesOrNo_SaysNothingOfOneVersusAll()
    {
        IDataView rows = NetworkExamples.View(_context, NetworkKind.Binary, NetworkExamples.Rows(Count));
        NetworkExamples.Quick(_context, NetworkKind.Binary).Fit(rows);
        Assert.DoesNotContain("OneVersusAll", string.Join('\n', _warnings));
    }

    /// <summary>
    /// A model to go on from is not thrown away for rows of one label, and one that was a constant learns when there are others.
    /// </summary>
    [TestMethod]
    public void Fit_FromAModel_LearnsFromOneLabelAndFromTwo()
    {
        List<Example> rows = NetworkExamples.Rows(Count);
        IDataView both = NetworkExamples.View(_context, NetworkKind.Binary, rows);
        IDataView one = NetworkExamples.View(_context, NetworkKind.Binary, rows.Where(row => row.IsPositive));
        var trainer = (BatchNormNetworkBinaryTrainer)NetworkExamples.Quick(
            _context, NetworkKind.Binary, options => options.LearningRate = 1e-5);
        BatchNormNetworkBinaryModelParameters trained = trainer.Fit(both).Model.SubModel, constant = trainer.Fit(one).Model.SubModel;

        Assert.HasCount(4, trained.Network.Members[0].TrainingHistory.Epochs);
        Assert.HasCount(1, constant.Network.Members[0].TrainingHistory.Epochs);
        foreach (var model in new[] { trainer.Fit(one, modelParameters: trained), trainer.Fit(both, modelParameters: constant) })
        {
            Assert.HasCount(4, model.Model.SubModel.Network.Members[0].TrainingHistory.Epochs);
            Assert.IsGreaterThan(10, model.Transform(both).Scalars<float>("Score").Distinct().Count());
        }
    }

    private static void CheckConstant(BinaryTransformer model, IDataView rows, bool label)
    {
        IDataView scored = model.Transform(rows);
        float score = scored.Scalars<float>("Score").Distinct().Single();
        Assert.AreEqual((label ? 1 : -1) * Math.Log(Count + 1), score, 1e-6);
        Assert.AreEqual(
            label ? (Count + 1.0) / (Count + 2) : 1.0 / (Count + 2), scored.Scalars<float>("Probability").Distinct().Single(), 1e-6);
        Assert.AreEqual(label, scored.Scalars<bool>("PredictedLabel").Distinct().Single());
        EpochRecord epoch = model.Model.SubModel.Network.Members[0].TrainingHistory.Epochs.Single();
        Assert.AreEqual(Math.Log((Count + 2.0) / (Count + 1)), epoch.TrainingLoss, 1e-6);
    }

    private ITransformer Reload(ITransformer model, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        _context.Model.Save(model, schema, stream);
        stream.Position = 0;
        return _context.Model.Load(stream, out _);
    }

    private IDataView Classes()
    {
        var random = new Random(5);
        return _context.Data.LoadFromEnumerable(Enumerable.Range(0, 200).Select(i => new Keyed
        {
            Features = [10 * (i % 4) + random.NextSingle(), random.NextSingle()], Name = "class " + i % 4, Number = 100 - i % 4,
            Place = i % 4,
        }).ToList());
    }

    private sealed class Placed
    {
        public float Place { get; set; }
    }

    private sealed class Keyed
    {
        [VectorType(2)]
        public float[] Features { get; set; } = [];

        public string Name { get; set; } = "";

        public int Number { get; set; }

        public float Place { get; set; }
    }
}
