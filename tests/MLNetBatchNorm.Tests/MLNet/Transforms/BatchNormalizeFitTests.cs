using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What fitting reads, learns, warns of and refuses.</summary>
[TestClass]
public sealed class BatchNormalizeFitTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    public void Fit_SmallColumn_LearnsMeanAndUnbiasedVariance()
    {
        BatchNormalizationColumnParameters parameters = Fit(Views.OfVectors(_context, [1f, 10], [2f, 10], [6f, 10]));

        CollectionAssert.AreEqual(new double[] { 3, 10 }, parameters.Mean.ToArray());
        CollectionAssert.AreEqual(new double[] { 7, 0 }, parameters.Variance.ToArray()); // (4 + 1 + 9) / (3 - 1)
        CollectionAssert.AreEqual(new double[] { 1, 1 }, parameters.Gamma.ToArray());
        CollectionAssert.AreEqual(new double[] { 0, 0 }, parameters.Beta.ToArray());
        Assert.AreEqual(1e-5, parameters.Epsilon);
    }

    [TestMethod]
    public void Fit_ManyColumns_ReadsTheDataOnceAndOnlyWhatItNeeds()
    {
        var counting = new CountingView(Views.WithSlotNames(_context, [1f, 2, 3], [4f, 5, 7]));

        _context.Transforms.BatchNormalize([new("X", "Features"), new("A"), new("A2", "A"), new("X2", "Features")]).Fit(counting);

        Assert.HasCount(1, counting.Reads);
        CollectionAssert.AreEquivalent(new[] { "Features", "A" }, counting.Reads[0]);
        Assert.AreEqual(2, counting.Rows);
    }

    [TestMethod]
    public void Fit_MaximumExampleCount_ReadsNoMoreRows()
    {
        var counting = new CountingView(Views.OfVectors(_context, [1f], [3f], [100f], [1000f]));

        BatchNormalizeTransformer transformer = _context.Transforms.BatchNormalize("Out", "Features", maximumExampleCount: 2).Fit(counting);

        Assert.AreEqual(2, transformer.GetBatchNormalizationParameters(0).Mean[0]);
        Assert.AreEqual(2, counting.Rows);
    }

    [TestMethod]
    public void Fit_SparseRows_AreReallySparseAndLearnTheSameAsDenseOnes()
    {
        float[][] rows = [[0, 3, 0, 0, 0], [1, 0, 0, float.NaN, 0], [0, 0, 0, 4, 0], [0, 0, 0, 0, 5], [0, 7, 0, 0, 0]];
        IDataView sparse = Views.OfSparseVectors(_context, rows);
        Assert.IsFalse(sparse.GetColumn<VBuffer<float>>("Features").First().IsDense);

        BatchNormalizationColumnParameters expected = Fit(Views.OfVectors(_context, rows));
        foreach (IDataView view in new[] { sparse, Views.OfSparseVectors(_context, rows, 1, 2) })
        {
            BatchNormalizationColumnParameters parameters = Fit(view);
            Close.Check(expected.Mean, parameters.Mean, 1e-14, "mean");
            Close.Check(expected.Variance, parameters.Variance, 1e-14, "variance");
        }
    }

    [TestMethod]
    public void Fit_MissingValues_AreIgnoredInTheirSlotOnly()
    {
        BatchNormalizationColumnParameters parameters = Fit(
            Views.OfVectors(_context, [float.NaN, 1], [2f, float.NaN], [4f, 5], [float.NaN, 9]));

        CollectionAssert.AreEqual(new double[] { 3, 5 }, parameters.Mean.ToArray());
        CollectionAssert.AreEqual(new double[] { 2, 16 }, parameters.Variance.ToArray());
    }

    [TestMethod]
    public void Fit_SlotWithoutValues_KeepsMeanZeroVarianceOneAndWarns()
    {
        var warnings = new List<string>();
        _context.Log += (_, e) =>
        {
            if (e.Kind == ChannelMessageKind.Warning)
                warnings.Add(e.RawMessage);
        };

        BatchNormalizationColumnParameters parameters = Fit(Views.OfVectors(_context, [float.NaN, 1], [float.NaN, 2]));

        Assert.AreEqual(0, parameters.Mean[0]);
        Assert.AreEqual(1, parameters.Variance[0]);
        CollectionAssert.AreEqual(
            new[] { "Column 'Features': 1 of 2 slots have no value in 2 rows, only missing ones; they keep mean 0 and variance 1." },
            warnings);
    }

    [TestMethod]
    public void Fit_NoRows_LeavesColumnsAsTheyAreAndWarns()
    {
        var warnings = new List<string>();
        _context.Log += (_, e) =>
        {
            if (e.Kind == ChannelMessageKind.Warning)
                warnings.Add(e.RawMessage);
        };

        BatchNormalizationColumnParameters parameters = Fit(Views.OfVectors(_context, 2));

        CollectionAssert.AreEqual(new double[] { 1, 1 }, parameters.Variance.ToArray());
        Assert.HasCount(1, warnings);
        Assert.Contains("No rows were found", warnings[0]);
    }

    [TestMethod]
    [DataRow(float.PositiveInfinity, "Infinity")]
    [DataRow(float.NegativeInfinity, "-Infinity")]
    public void Fit_Infinity_NamesColumnSlotAndRow(float infinity, string word)
    {
        IDataView named = Views.WithSlotNames(_context, [1f, 2, 3], [1f, 2, 3], [1f, infinity, 3]);
        Refuses(named, "Features", $"Slot 1 ('B') of column 'Features' is {word} in row 2 (the first is 0); needed are finite numbers");
        Refuses(named, "B", $"Column 'B' is {word} in row 2 (the first is 0)");

        float[][] rows = [[0, 0, 1], [0, 0, infinity]];
        Refuses(Views.OfSparseVectors(_context, rows), "Features", $"Slot 2 of column 'Features' is {word} in row 1");
        Refuses(Views.OfVectors(_context, [1d], [infinity]), "Features", $"Slot 0 of column 'Features' is {word} in row 1");
    }

    [TestMethod]
    public void Fit_ValuesTooLargeToSquare_NamesColumnAndSlot()
        => Refuses(
            Views.OfVectors(_context, [1d, 1e200], [2d, -1e200]), "Features", "The variance of Slot 1 of column 'Features' is too large");

    [TestMethod]
    public void Fit_RowOfAnotherLengthThanItsType_IsRefused()
        => Refuses(Views.OfVectors(_context, 2, [1f, 2], [1f, 2, 3]), "Features", "3");

    [TestMethod]
    public void Fit_ContextIsCancelled_Stops()
    {
        var endless = _context.Data.LoadFromEnumerable(Endless().Select(i =>
        {
            if (i == 10)
                _context.CancelExecution();
            return new { A = i };
        }));

        Assert.ThrowsExactly<OperationCanceledException>(() => _context.Transforms.BatchNormalize("A").Fit(endless));
    }

    [TestMethod]
    public void Fit_OptionsChangedAfterwards_KeepsWhatItWasCreatedWith()
    {
        double[] gamma = [3];
        var options = new BatchNormalizeEstimator.Options { Columns = [new("Out", "Features", gamma)] };
        BatchNormalizeEstimator estimator = _context.Transforms.BatchNormalize(options);
        gamma[0] = 4;
        options.Epsilon = 1;

        BatchNormalizationColumnParameters parameters = estimator.Fit(Views.OfVectors(_context, [1f], [2f]))
            .GetBatchNormalizationParameters(0);

        Assert.AreEqual(3, parameters.Gamma[0]);
        Assert.AreEqual(1e-5, parameters.Epsilon);
    }

    private static IEnumerable<float> Endless()
    {
        for (int i = 0; ; i++)
            yield return i;
    }

    private BatchNormalizationColumnParameters Fit(IDataView view) =>
        _context.Transforms.BatchNormalize("Out", "Features").Fit(view).GetBatchNormalizationParameters(0);

    private void Refuses(IDataView view, string column, string message)
    {
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => _context.Transforms.BatchNormalize("Out", column).Fit(view));

        Assert.Contains(message, exception.Message);
        Assert.IsTrue(exception.IsMarked());
    }
}
