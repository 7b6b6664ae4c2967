using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using ColumnOptions = MLNetBatchNorm.BatchNormalizeEstimator.ColumnOptions;
using Options = MLNetBatchNorm.BatchNormalizeEstimator.Options;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Wrong options are refused before any data is read, with a message that names the option, what was found and what is needed.
/// </summary>
[TestClass]
public sealed class BatchNormalizeOptionsTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(-1e-5)]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void Epsilon_NotPositiveAndFinite_IsRefused(double epsilon)
        => Refuses(new Options { Epsilon = epsilon }, "Epsilon", "needed is a finite number above 0");

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(-0.1)]
    [DataRow(1.0001)]
    [DataRow(double.NaN)]
    public void RunningStatisticsMomentum_OutOfRange_IsRefused(double momentum)
        => Refuses(
            new Options { RunningStatisticsMomentum = momentum }, "RunningStatisticsMomentum", "needed is a number above 0 and up to 1");

    [TestMethod]
    [DataRow(1)]
    [DataRow(0)]
    [DataRow(-3)]
    public void BatchSize_BelowTwo_IsRefused(int batchSize)
        => Refuses(new Options { BatchSize = batchSize }, "BatchSize", $"BatchSize is {batchSize}; needed are 2 rows or more");

    [TestMethod]
    [DataRow(1L)]
    [DataRow(-1L)]
    public void MaximumExampleCount_BelowTwo_IsRefused(long count)
        => Refuses(
            new Options { MaximumExampleCount = count }, "MaximumExampleCount",
            $"MaximumExampleCount is {count}; needed are 2 rows or more");

    [TestMethod]
    public void Statistics_Unknown_IsRefused()
        => Refuses(
            new Options { Statistics = (BatchNormalizationStatistics)7 }, "Statistics",
            "is 7; needed is one of RunningAverage, Cumulative, Population, PopulationPooled");

    [TestMethod]
    public void Columns_None_IsRefused() => Refuses(new Options { Columns = [] }, "Columns", "needed is at least one column");

    [TestMethod]
    public void Columns_Null_IsRefused() => Refuses(new Options { Columns = null! }, "Columns", "needed is at least one column");

    [TestMethod]
    public void Columns_NullEntry_IsRefused() => Refuses(new Options { Columns = [null!] }, "Columns", "has no name in entry 0");

    [TestMethod]
    [DataRow("")]
    [DataRow("  ")]
    [DataRow(null)]
    public void Columns_WithoutName_IsRefused(string? name)
    {
        Refuses(new Options { Columns = [new("A"), new(name!)] }, "Columns", "has no name in entry 1");
        if (name != null)
            Refuses(new Options { Columns = [new("A", name)] }, "Columns", "has no name in entry 0");
    }

    [TestMethod]
    public void Columns_SameOutputTwice_IsRefused()
        => Refuses(new Options { Columns = [new("A"), new("B"), new("A", "B")] }, "Columns", "names the output column 'A' twice");

    [TestMethod]
    [DataRow(double.NaN)]
    [DataRow(double.NegativeInfinity)]
    public void GammaAndBeta_NotFinite_AreRefused(double value)
    {
        Refuses(new Options { Columns = [new("Out", "In", gamma: [1, value])] }, "Gamma", "Gamma of column 'Out' is");
        Refuses(new Options { Columns = [new("Out", "In", beta: [1, value])] }, "Beta", "in slot 1; needed are finite numbers");
    }

    [TestMethod]
    public void GammaAndBeta_OfAnotherLength_AreRefusedBeforeTheDataIsRead()
    {
        var vectors = new CountingView(Views.WithSlotNames(_context, [1f, 2, 3], [2f, 3, 4]));

        RefusesFit(
            vectors, new ColumnOptions("Out", "Features", gamma: [1, 2]), "Gamma",
            "Gamma of column 'Out' has 2 values, and its input column 'Features' has 3 slots");
        RefusesFit(
            vectors, new ColumnOptions("Features", beta: []), "Beta",
            "Beta of column 'Features' has 0 values, and its input column 'Features' has 3 slots");
        RefusesFit(
            vectors, new ColumnOptions("A", gamma: [1, 2]), "Gamma",
            "Gamma of column 'A' has 2 values, and its input column 'A' has 1 slots");
        Assert.IsEmpty(vectors.Reads);
    }

    [TestMethod]
    public void Gamma_TooLargeForAConstantSlot_IsRefused()
    {
        var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _context.Transforms
            .BatchNormalize(new Options { Columns = [new("Out", "Features", gamma: [1e300])], Epsilon = 1e-30 })
            .Fit(Views.OfVectors(_context, [1d], [1d])));

        Assert.Contains("too large for its variance 0 and epsilon 1E-30", exception.Message);
    }

    [TestMethod]
    public void Input_MissingOrOfAWrongType_IsRefusedBeforeTheDataIsRead()
    {
        var view = new CountingView(
            _context.Data.LoadFromEnumerable(new[] { new { Text = "a", Number = 1, Values = new float[] { 1, 2 } } }));

        Assert.Contains("'Absent'", RefusedFit(view, new ColumnOptions("Absent")).Message);
        Assert.Contains(
            "expected scalar or known-size vector of Single or Double, got String", RefusedFit(view, new ColumnOptions("Text")).Message);
        Assert.Contains("got Int32", RefusedFit(view, new ColumnOptions("Number")).Message);
        Assert.Contains("got VarVector<Single>", RefusedFit(view, new ColumnOptions("Values")).Message);
        Assert.IsEmpty(view.Reads);
    }

    [TestMethod]
    public void Input_Key_IsRefused()
    {
        IDataView words = _context.Data.LoadFromEnumerable(new[] { new { Word = "a" }, new { Word = "b" } });
        IDataView keys = _context.Transforms.Conversion.MapValueToKey("Word").Fit(words).Transform(words);

        Assert.Contains("Key<UInt32>", RefusedFit(keys, new ColumnOptions("Word")).Message);
    }

    [TestMethod]
    public void Transform_AnotherWidthOrType_NamesBoth()
    {
        BatchNormalizeTransformer transformer = _context.Transforms.BatchNormalize("Out", "Features")
            .Fit(Views.OfVectors(_context, [1f, 2], [2f, 3]));

        Assert.Contains(
            "expected Vector<Single, 2>, got Vector<Single, 3>",
            Refused(() => transformer.Transform(Views.OfVectors(_context, [1f, 2, 3]))).Message);
        Assert.Contains(
            "expected Vector<Single, 2>, got Vector<Double, 2>",
            Refused(() => transformer.Transform(Views.OfVectors(_context, [1d, 2]))).Message);
        Assert.Contains(
            "'Features'", Refused(() => transformer.Transform(_context.Data.LoadFromEnumerable(new[] { new { A = 1f } }))).Message);
        Assert.Contains(
            "expected Vector<Single, 2>, got Single",
            Refused(() => transformer.Transform(_context.Data.LoadFromEnumerable(new[] { new { Features = 1f } }))).Message);
    }

    [TestMethod]
    [DataRow(-1)]
    [DataRow(2)]
    public void GetBatchNormalizationParameters_NoSuchColumn_IsRefused(int index)
    {
        IDataView rows = Views.WithSlotNames(_context, [1f, 2, 3], [2f, 3, 4]);
        BatchNormalizeTransformer transformer = _context.Transforms.BatchNormalize([new("A"), new("B")]).Fit(rows);

        Assert.Contains(
            $"columnIndex is {index}; needed is a number from 0 to 1",
            Refused(() => transformer.GetBatchNormalizationParameters(index)).Message);
    }

    [TestMethod]
    public void Catalog_NullArguments_AreRefused()
    {
        Assert.ThrowsExactly<ArgumentNullException>(() => BatchNormalizationCatalog.BatchNormalize(null!, "A"));
        Assert.ThrowsExactly<ArgumentNullException>(() => _context.Transforms.BatchNormalize((Options)null!));
        Assert.ThrowsExactly<ArgumentNullException>(() => _context.Transforms.BatchNormalize((InputOutputColumnPair[])null!));
    }

    private static ArgumentOutOfRangeException Refused(Func<object> action)
    {
        var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ = action());
        Assert.IsTrue(exception.IsMarked());
        return exception;
    }

    private void Refuses(Options options, string option, string message)
    {
        if (options.Columns is { Count: 0 } && option != "Columns")
            options.Columns = [new("A")];
        ArgumentOutOfRangeException exception = Refused(() => _context.Transforms.BatchNormalize(options));
        Assert.AreEqual(option, exception.ParamName);
        Assert.Contains(message, exception.Message);
    }

    private ArgumentOutOfRangeException RefusedFit(IDataView view, ColumnOptions column)
        => Refused(() => _context.Transforms.BatchNormalize(new Options { Columns = [column] }).Fit(view));

    private void RefusesFit(IDataView view, ColumnOptions column, string option, string message)
    {
        ArgumentOutOfRangeException exception = RefusedFit(view, column);
        Assert.AreEqual(option, exception.ParamName);
        Assert.Contains(message, exception.Message);
    }
}
