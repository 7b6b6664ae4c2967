using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Distribution;

namespace MLNetBatchNorm.Tests.MLNet.Trainers;

/// <summary>
/// A target that is the same in all rows that have it: as with a single label the model says so of every row, the log warns, and the other
/// targets are learned as they would be alone.
/// </summary>
[TestClass]
public sealed class ConstantTargetTests
{
    /// <summary>Rows of 4 features and 3 targets that come to more than a megabyte.</summary>
    private const int RowsBeyondTheBudget = 40_000;

    private const int SparseSlots = 1100;

    private readonly MLContext _context = new(1);
    private readonly LogLines _warnings;
    private readonly SpillLog _spill;

    public ConstantTargetTests()
    {
        _spill = new SpillLog(_context);
        _warnings = new LogLines(_context, ChannelMessageKind.Warning);
    }

    public static IEnumerable<object[]> Forms =>
        [["dense"], ["missing"], ["weighted"], ["ensemble"], ["sparse"], ["spilled"], ["elsewhere"], ["validation set"], ["Huber"]];

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Numbers_OneTheSameInAllRows_SaysItExactly_AndLearnsTheOthers(string form)
    {
        const float value = 0.1f;
        List<TargetExample> rows = Rows(form, row => row.Values[1] = float.IsNaN(row.Values[1]) ? row.Values[1] : value);
        int known = rows.Count(row => !float.IsNaN(row.Values[1]));
        var trainer = TargetExamples.Numbers(_context, options =>
        {
            Shape(options, form);
            options.Loss = form == "Huber" ? new HuberLoss() : options.Loss;
        });

        var model = trainer.Fit(View(form, rows, numbers: true), form == "validation set" ? View(form, Other(), numbers: true) : null);

        Assert.AreEqual(form == "spilled", _spill.HasSpilled);
        Assert.AreEqual(
            $"Label column 'Label' is 0.1 in all {known} rows of the training set that have target 1 ('Share'); the model says so of every "
            + "row.", TargetWarning());
        foreach (ITransformer each in new[] { model, Reload(model) })
        {
            IDataView scored = each.Transform(View(form, Other(), numbers: true));
            float[][] scores = TargetExamples.Column<float>(scored, "Score");
            Assert.IsTrue(scores.All(row => row[1] == value));
            if (form != "spilled")
                Assert.IsGreaterThan(0.5, R2(scores, 0));
            Assert.IsGreaterThan(100, scores.Select(row => row[0]).Distinct().Count());
        }

        static double R2(float[][] scores, int target)
        {
            double[] labels = [.. Other().Select(row => (double)row.Values[target])];
            double mean = labels.Average();
            return 1 - labels.Zip(scores, (label, row) => Math.Pow(label - row[target], 2)).Sum() / labels.Sum(y => Math.Pow(y - mean, 2));
        }
    }

    [TestMethod]
    [DynamicData(nameof(Forms))]
    public void Labels_OneTheSameInAllRows_SaysIt_AndLearnsTheOthers(string form)
    {
        bool value = form is "weighted" or "sparse";
        List<TargetExample> rows = Rows(form, row => row.Known[1] = float.IsNaN(row.Known[1]) ? row.Known[1] : value ? 1 : 0);
        int known = rows.Count(row => !float.IsNaN(row.Known[1]));
        var trainer = TargetExamples.Labels(_context, options => Shape(options, form));

        var model = trainer.Fit(View(form, rows, numbers: false), form == "validation set" ? View(form, Other(), numbers: false) : null);

        Assert.AreEqual(form == "spilled", _spill.HasSpilled);
        Assert.AreEqual(
            $"Label column 'Label' is {(value ? 1 : 0)} in all {known} rows of the training set that have target 1 ('Share'); the model "
            + "says so of every row.", TargetWarning());
        foreach (ITransformer each in new[] { model, Reload(model) })
        {
            IDataView scored = each.Transform(View(form, Other(), numbers: false));
            double expected = value ? (known + 1.0) / (known + 2) : 1.0 / (known + 2);
            float[][] probabilities = TargetExamples.Column<float>(scored, "Probability");
            Assert.AreEqual(expected, probabilities.Select(row => row[1]).Distinct().Single(), 1e-6);
            Assert.IsTrue(TargetExamples.Column<bool>(scored, "PredictedLabel").All(row => row[1] == value));
            Assert.IsGreaterThan(100, probabilities.Select(row => row[0]).Distinct().Count());
            if (form != "spilled")
                Assert.IsGreaterThan(0.75, _context.BinaryClassification.EvaluateMultiLabel(scored).Targets[0].AreaUnderRocCurve);
        }
    }

    /// <summary>The constant takes no part in a step, whatever it is.</summary>
    [TestMethod]
    public void Numbers_TheOthers_AreTrainedAsIfItWereNotThere()
    {
        float[] First(Action<TargetExample> change)
        {
            List<TargetExample> rows = TargetExamples.Rows(200);
            rows.ForEach(change);
            var model = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows));
            IDataView scored = model.Transform(TargetExamples.View(_context, Other()));
            return [.. TargetExamples.Column<float>(scored, "Score").Select(row => row[0])];
        }

        float[] five = First(row => row.Values[1] = 5), large = First(row => row.Values[1] = -3e30f);
        CollectionAssert.AreEqual(five, large);
        CollectionAssert.AreNotEqual(five, First(_ => { }));
    }

    [TestMethod]
    public void AllTargetsTheSameInAllRows_AreSaid()
    {
        List<TargetExample> rows = TargetExamples.Rows(50);
        foreach (TargetExample row in rows)
            (row.Values, row.Known) = ([1e7f, -2, 0], [1, 0, 1]);
        var numbers = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows));
        var labels = TargetExamples.Labels(_context).Fit(TargetExamples.View(_context, rows, nameof(TargetExample.Known)));

        Assert.EndsWith("the model says so of every row; so it is with 3 targets.", _warnings[0]);
        foreach (float[] row in TargetExamples.Column<float>(numbers.Transform(TargetExamples.View(_context, Other())), "Score"))
            CollectionAssert.AreEqual(new[] { 1e7f, -2, 0 }, row);
        foreach (bool[] row in TargetExamples.Column<bool>(labels.Transform(TargetExamples.View(_context, Other())), "PredictedLabel"))
            CollectionAssert.AreEqual(new[] { true, false, true }, row);
    }

    /// <summary>A rare label is in all folds' training rows but one's; one exception ended all of them.</summary>
    [TestMethod]
    public void CrossValidate_LabelOfOneRow_EndsAllFolds()
    {
        List<TargetExample> rows = TargetExamples.Rows(150);
        for (int i = 0; i < rows.Count; i++)
            (rows[i].Known[1], rows[i].Values[1]) = (i == 7 ? 1 : 0, i == 7 ? 3 : 0);

        var labels = _context.BinaryClassification.CrossValidateMultiLabel(
            TargetExamples.View(_context, rows, nameof(TargetExample.Known)), TargetExamples.Labels(_context), 3);
        var numbers = _context.Regression.CrossValidateMultiOutput(
            TargetExamples.View(_context, rows), TargetExamples.Numbers(_context), 3);

        Assert.IsTrue(labels.All(fold => double.IsFinite(fold.Metrics.LogLoss)));
        Assert.IsTrue(numbers.All(fold => double.IsFinite(fold.Metrics.Targets[0].RSquared)));
        Assert.HasCount(2, _warnings);
    }

    /// <summary>A model in which a target was always the same learns it when it is not any more, and the others keep their units.</summary>
    [TestMethod]
    public void WarmStart_TargetThatIsNotTheSameAnyMore_IsLearned()
    {
        List<TargetExample> same = TargetExamples.Rows(400), varied = TargetExamples.Rows(400, seed: 4);
        same.ForEach(row => (row.Values[2], row.Known[2]) = (2000, 0));
        void Longer(BatchNormNetworkMultiOutputOptions options) => options.MaximumNumberOfEpochs = 20;
        var first = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, same));
        var second = TargetExamples.Numbers(_context, Longer).Fit(TargetExamples.View(_context, varied), null, first.Model);
        var metrics = _context.Regression.EvaluateMultiOutput(second.Transform(TargetExamples.View(_context, varied)));

        Assert.IsGreaterThan(0.15, metrics.Targets[2].RSquared);
        Assert.IsGreaterThan(5.0, second.Model.TargetDeviations[2]);
        foreach (int target in new[] { 0, 1 })
            Assert.AreEqual(first.Model.TargetDeviations[target], second.Model.TargetDeviations[target]);

        var known = TargetExamples.Labels(_context).Fit(TargetExamples.View(_context, same, nameof(TargetExample.Known)));
        var more = TargetExamples.Labels(_context, Longer).Fit(
            TargetExamples.View(_context, varied, nameof(TargetExample.Known)), null, known.Model);
        Assert.IsGreaterThan(0.6, _context.BinaryClassification.EvaluateMultiLabel(
            more.Transform(TargetExamples.View(_context, varied, nameof(TargetExample.Known)))).Targets[2].AreaUnderRocCurve);

        // A few rows in which it is the same say nothing against what is known of it.
        int warnings = _warnings.Count;
        var third = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, same), null, second.Model);
        Assert.HasCount(warnings, _warnings);
        Assert.IsGreaterThan(
            10, TargetExamples.Column<float>(third.Transform(TargetExamples.View(_context, varied)), "Score").Select(row => row[2])
                .Distinct().Count());
    }

    /// <summary>
    /// Target 2 was 0 in all rows and is 1000 +- 1 now: it begins at 1000. From 0 it would be a thousand of its units away, and one epoch
    /// would not have come so far.
    /// </summary>
    [TestMethod]
    public void WarmStart_TargetThatWasTheSameFarAway_BeginsWhereItIsNow()
    {
        List<TargetExample> same = TargetExamples.Rows(400), varied = TargetExamples.Rows(400, seed: 4);
        same.ForEach(row => row.Values[2] = 0);
        varied.ForEach(row => row.Values[2] = 1000 + (row.Values[2] - 2000) / 20);
        var first = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, same));
        var second = TargetExamples.Numbers(_context, options => options.MaximumNumberOfEpochs = 1).Fit(
            TargetExamples.View(_context, varied), null, first.Model);

        double unit = second.Model.TargetDeviations[2];
        Assert.IsGreaterThan(0.5, unit);
        float[] scores =
            [.. TargetExamples.Column<float>(second.Transform(TargetExamples.View(_context, varied)), "Score").Select(row => row[2])];
        Assert.IsTrue(scores.All(score => Math.Abs(score - 1000) < 5 * unit), $"{scores.Min()} to {scores.Max()}");
    }

    /// <summary>The same in all rows of both: no step is taken for it, whatever it is now, and the model says it.</summary>
    [TestMethod]
    public void WarmStart_TargetThatIsTheSameAgain_TakesNoPart()
    {
        List<TargetExample> rows = TargetExamples.Rows(200);
        rows.ForEach(row => row.Values[1] = 5);
        var first = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, rows));

        float[][] Again(float value)
        {
            List<TargetExample> others = TargetExamples.Rows(200, seed: 4);
            others.ForEach(row => row.Values[1] = value);
            var second = TargetExamples.Numbers(_context).Fit(TargetExamples.View(_context, others), null, first.Model);
            return TargetExamples.Column<float>(second.Transform(TargetExamples.View(_context, Other())), "Score");
        }

        float[][] five = Again(5), large = Again(-3e30f);
        Assert.IsTrue(five.All(row => row[1] == 5) && large.All(row => row[1] == -3e30f));
        CollectionAssert.AreEqual(five.Select(row => row[0]).ToArray(), large.Select(row => row[0]).ToArray());
        Assert.IsGreaterThan(100, five.Select(row => row[0]).Distinct().Count());
    }

    /// <summary>The same of labels: true in all rows of both or false in all, the others learn the same.</summary>
    [TestMethod]
    public void WarmStart_LabelThatIsTheSameAgain_TakesNoPart()
    {
        List<TargetExample> rows = TargetExamples.Rows(200);
        rows.ForEach(row => row.Known[1] = 1);
        var first = TargetExamples.Labels(_context).Fit(TargetExamples.View(_context, rows, nameof(TargetExample.Known)));

        float[][] Again(float value)
        {
            List<TargetExample> others = TargetExamples.Rows(200, seed: 4);
            others.ForEach(row => row.Known[1] = value);
            var second = TargetExamples.Labels(_context).Fit(
                TargetExamples.View(_context, others, nameof(TargetExample.Known)), null, first.Model);
            IDataView scored = second.Transform(TargetExamples.View(_context, Other(), nameof(TargetExample.Known)));
            return TargetExamples.Column<float>(scored, "Probability");
        }

        float[][] same = Again(1), other = Again(0);
        foreach ((float[][] found, double expected) in new[] { (same, 201.0 / 202), (other, 1.0 / 202) })
            Assert.AreEqual(expected, found.Select(row => row[1]).Distinct().Single(), 1e-6);
        CollectionAssert.AreEqual(same.Select(row => row[0]).ToArray(), other.Select(row => row[0]).ToArray());
        Assert.IsGreaterThan(100, same.Select(row => row[0]).Distinct().Count());
    }

    private string TargetWarning() => _warnings.Single(warning => warning.StartsWith("Label column", StringComparison.Ordinal));

    private static List<TargetExample> Other() => TargetExamples.Rows(300, seed: 9);

    private static List<TargetExample> Rows(string form, Action<TargetExample> change)
    {
        List<TargetExample> rows =
            TargetExamples.Rows(form == "spilled" ? RowsBeyondTheBudget : 500, missing: form == "missing" ? 0.3 : 0);
        rows.ForEach(change);
        return rows;
    }

    private static void Shape(BatchNormNetworkMultiOutputOptions options, string form)
    {
        options.MaximumNumberOfEpochs = 15;
        options.NumberOfEnsembleMembers = form == "ensemble" ? 3 : 1;
        options.ExampleWeightColumnName = form == "weighted" ? "Weight" : null;
        options.TrainingRunner = form == "elsewhere" ? new BytesRunner() : null;
        if (form == "spilled")
            (options.MemoryBudgetInMegabytes, options.BatchSize, options.MaximumNumberOfEpochs) = (1, 1000, 1);
    }

    private IDataView View(string form, List<TargetExample> rows, bool numbers)
    {
        if (form != "sparse")
            return TargetExamples.View(_context, rows, numbers ? nameof(TargetExample.Values) : nameof(TargetExample.Known));
        SchemaDefinition schema = SchemaDefinition.Create(typeof(SparseTargets));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, SparseSlots);
        schema["Label"].AddAnnotation(
            "SlotNames", new VBuffer<ReadOnlyMemory<char>>(3, [.. TargetExamples.Names.Select(name => name.AsMemory())]),
            new VectorDataViewType(TextDataViewType.Instance, 3));
        return _context.Data.LoadFromEnumerable(
            rows.Select(row => new SparseTargets
            {
                Features = new VBuffer<float>(SparseSlots, 4, row.Features, [1, 70, 500, 1099]),
                Label = numbers ? row.Values : row.Known,
            }),
            schema);
    }

    private ITransformer Reload(ITransformer model)
    {
        using var stream = new MemoryStream();
        _context.Model.Save(model, TargetExamples.View(_context, TargetExamples.Rows(1)).Schema, stream);
        stream.Position = 0;
        return new MLContext().Model.Load(stream, out _);
    }

    private sealed class SparseTargets
    {
        public VBuffer<float> Features { get; set; }

        [VectorType(3)]
        public float[] Label { get; set; } = [];
    }
}
