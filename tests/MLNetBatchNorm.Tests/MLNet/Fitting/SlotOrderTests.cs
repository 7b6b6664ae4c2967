using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// Features of a validation set, or of a model to go on from, that are those of the training set in another order are refused: as many
/// slots are not the same slots.
/// </summary>
[TestClass]
public sealed class SlotOrderTests
{
    private readonly MLContext _context = new(1);

    [TestMethod]
    public void Fit_ColumnsInAnotherOrder_IsRefused()
    {
        IDataView training = Concatenated(Rows(60), "Left", "Right", "Third"), other = Concatenated(Rows(40), "Left", "Third", "Right");
        CheckRefused(training, other, "Slot 1 of feature column 'Features' is 'Third' in {0}, which is slot 2 in the training set.");
    }

    /// <summary>A category that was made a column of by rows of their own has its slots in the order of these rows.</summary>
    [TestMethod]
    public void Fit_CategoriesInAnotherOrder_IsRefused()
    {
        IDataView Encoded(IDataView rows) => _context.Transforms.Categorical.OneHotEncoding("City")
            .Append(_context.Transforms.Concatenate("Features", "Left", "City")).Fit(rows).Transform(rows);
        CheckRefused(
            Encoded(Rows(60)), Encoded(Rows(40, first: 1)),
            "Slot 1 of feature column 'Features' is 'City.Bern' in {0}, which is slot 2 in the training set.");
    }

    /// <summary>Other names, or none, may be the same things; and a name may be there twice.</summary>
    [TestMethod]
    public void Fit_OtherNames_AreAccepted()
    {
        IDataView training = Concatenated(Rows(60), "Left", "Right", "Left"), renamed = Concatenated(Rows(40), "Left", "Third", "Left");
        IDataView unnamed =
            _context.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(i => new Unnamed { Features = [i, 1, 2], Label = i }));
        foreach (IDataView other in new[] { training, renamed, unnamed })
        {
            Assert.IsNotNull(Trainer().Fit(training, other));
            Assert.IsNotNull(Trainer().Fit(training, null, Trainer().Fit(other).Model));
        }
    }

    private void CheckRefused(IDataView training, IDataView other, string expected)
    {
        Assert.IsNotNull(Trainer().Fit(training, training));
        var validation = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Trainer().Fit(training, other));
        var start = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Trainer().Fit(training, null, Trainer().Fit(other).Model));

        Assert.Contains(string.Format(null, expected, "the validation set"), validation.Message);
        Assert.Contains(string.Format(null, expected, "the initial model"), start.Message);
        Assert.AreEqual(("validationSet", "modelParameters"), (validation.ParamName, start.ParamName));
    }

    private BatchNormNetworkRegressionTrainer Trainer() =>
        (BatchNormNetworkRegressionTrainer)NetworkExamples.Quick(_context, NetworkKind.Regression);

    private IDataView Concatenated(IDataView rows, params string[] columns) =>
        _context.Transforms.Concatenate("Features", columns).Fit(rows).Transform(rows);

    private IDataView Rows(int count, int first = 0) => _context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Row
    {
        Left = i % 7, Right = i % 5, Third = i % 11, City = ((i + first) % 3) switch { 0 => "Rome", 1 => "Bern", _ => "Oslo" }, Label = i,
    }));

    private sealed class Row
    {
        public float Left { get; set; }

        public float Right { get; set; }

        public float Third { get; set; }

        public string City { get; set; } = "";

        public float Label { get; set; }
    }

    private sealed class Unnamed
    {
        [VectorType(3)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }
}
