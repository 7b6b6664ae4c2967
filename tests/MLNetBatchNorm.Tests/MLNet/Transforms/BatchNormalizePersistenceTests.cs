using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using Options = MLNetBatchNorm.BatchNormalizeEstimator.Options;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Saved models: loaded where nothing knows this package yet, and refused when damaged.</summary>
[TestClass]
public sealed class BatchNormalizePersistenceTests
{
    // Two columns: a vector of three slots and a scalar. int count, 2 x (int, int) names; then
    // for each byte, byte, int, double, 4 x double[].
    private const int Count = 0;
    private const int Names = 4;
    private const int Vector = Names + 4 * sizeof(int);
    private const int ItemType = 0;
    private const int Form = 1;
    private const int Slots = 2;
    private const int Epsilon = 6;
    private const int Mean = 14;
    private const int Variance = Mean + 3 * sizeof(double);
    private const int Gamma = Variance + 3 * sizeof(double);
    private const int Beta = Gamma + 3 * sizeof(double);
    private const int Scalar = Vector + Beta + 3 * sizeof(double);
    private const int End = Scalar + Mean + 4 * sizeof(double);

    private const long OneMegabyte = 1 << 20;

    private readonly MLContext _context = new(1);

    [TestMethod]
    [DataRow("")]
    [DataRow("de-DE")]
    [DataRow("tr-TR")]
    public void Load_InAFreshProcess_GivesTheSameBits(string culture)
    {
        IDataView rows = Rows();
        FreshModelLoad.Check(_context, Estimator().Fit(rows), rows, culture);
    }

    [TestMethod]
    public void Load_InAFreshProcessAsPartOfAChain_GivesTheSameBits()
    {
        IDataView rows = _context.Data.LoadFromEnumerable(
            Enumerable.Range(0, 50).Select(i => new { A = (float)i, B = (double)(i % 7), C = i % 3f, Label = i % 4f }));
        ITransformer model = _context.Transforms.BatchNormalize([new("A"), new("B")])
            .Append(_context.Transforms.Concatenate("Features", "A", "C"))
            .Append(_context.Transforms.BatchNormalize("Features"))
            .Append(_context.Regression.Trainers.LbfgsPoissonRegression())
            .Fit(rows);

        FreshModelLoad.Check(_context, model, rows);
    }

    [TestMethod]
    public void Load_Model_HasTheSameParameters()
    {
        IDataView rows = Rows();
        BatchNormalizeTransformer saved = Estimator().Fit(rows);
        using var stream = new MemoryStream();
        _context.Model.Save(saved, rows.Schema, stream);
        stream.Position = 0;
        var loaded = (BatchNormalizeTransformer)new MLContext().Model.Load(stream, out _);

        for (int column = 0; column < 2; column++)
        {
            BatchNormalizationColumnParameters expected = saved.GetBatchNormalizationParameters(column);
            BatchNormalizationColumnParameters actual = loaded.GetBatchNormalizationParameters(column);
            CollectionAssert.AreEqual(expected.Mean.ToArray(), actual.Mean.ToArray());
            CollectionAssert.AreEqual(expected.Variance.ToArray(), actual.Variance.ToArray());
            CollectionAssert.AreEqual(expected.Gamma.ToArray(), actual.Gamma.ToArray());
            CollectionAssert.AreEqual(expected.Beta.ToArray(), actual.Beta.ToArray());
            Assert.AreEqual(expected.Epsilon, actual.Epsilon);
        }
    }

    [TestMethod]
    public void Load_Undamaged_Works()
    {
        ModelZip model = Model();

        Assert.AreEqual(End, model.Size, "The layout that these tests damage is not the layout that was saved.");
        Assert.IsNotNull(model.LoadWith(model.Entry));
    }

    [TestMethod]
    public void Load_DamagedField_IsRefusedWithItsReason()
    {
        ModelZip model = Model();
        (string What, int Offset, byte[] Bytes, string Reason)[] cases =
        [
            ("no columns", Count, Bytes(0), "says that it has 0 columns"),
            ("negative number of columns", Count, Bytes(-1), "says that it has -1 columns"),
            ("many columns", Count, Bytes(int.MaxValue), "says that it has 2147483647 columns"),
            ("one column too many", Count, Bytes(3), ""),
            ("one column too few", Count, Bytes(1), ""),
            ("unknown name", Names, Bytes(99), ""),
            ("output named twice", Names + 2 * sizeof(int), model.Entry.AsSpan(model.Start + Names, sizeof(int)).ToArray(),
                "names an output column twice"),
            ("unknown item type", Vector + ItemType, [2], "type code 2"),
            ("unknown form", Vector + Form, [7], "form code 7"),
            ("no slots", Vector + Slots, Bytes(0), "has 0 slots"),
            ("negative slots", Vector + Slots, Bytes(-3), "has -3 slots"),
            ("many slots", Vector + Slots, Bytes(int.MaxValue), "has 2147483647 slots"),
            ("a slot too many", Vector + Slots, Bytes(4), ""),
            ("a slot too few", Vector + Slots, Bytes(2), ""),
            ("a scalar of two slots", Scalar + Slots, Bytes(2), "has 2 slots"),
            ("a vector called scalar", Vector + Form, [0], "has 3 slots"),
            ("epsilon 0", Vector + Epsilon, Bytes(0.0), "has epsilon 0"),
            ("epsilon negative", Vector + Epsilon, Bytes(-1.0), "has epsilon -1"),
            ("epsilon infinite", Scalar + Epsilon, Bytes(double.PositiveInfinity), "has epsilon Infinity"),
            ("mean NaN", Vector + Mean + 8, Bytes(double.NaN), "has mean NaN"),
            ("variance negative", Vector + Variance + 16, Bytes(-0.5), "has variance -0.5 in slot 2"),
            ("variance infinite", Vector + Variance, Bytes(double.PositiveInfinity), "has variance Infinity in slot 0"),
            ("gamma infinite", Vector + Gamma, Bytes(double.NegativeInfinity), "gamma -Infinity"),
            ("beta NaN", Vector + Beta + 16, Bytes(double.NaN), "beta NaN in slot 2"),
        ];
        foreach ((string what, int offset, byte[] bytes, string reason) in cases)
            Assert.Contains(reason, model.MustRefuse(model.WithPayload(offset, bytes), what), what);
    }

    [TestMethod]
    public void Load_WrongSizes_AreRefused()
    {
        ModelZip model = Model();
        foreach (int size in new[] { 0, 1, 4, model.Size - 1, model.Size + 1 })
            model.MustRefuse(model.WithSize(size), $"size {size} instead of {model.Size}");
        for (int length = 0; length < model.Entry.Length; length += 7)
            model.MustRefuse(model.Entry[..length], $"cut after {length} of {model.Entry.Length} bytes");
    }

    /// <summary>Every byte of the model's own part, with each of its bits turned and with all of them.</summary>
    [TestMethod]
    public void Load_AnyByteChanged_LoadsOrIsRefusedProperly()
    {
        ModelZip model = Model();
        int loaded = 0;
        int refused = 0;
        for (int offset = 0; offset < model.Size; offset++)
        {
            foreach (byte mask in offset < Vector + Mean ? new byte[] { 1, 2, 4, 8, 16, 32, 64, 128, 255 } : [1, 128, 255])
            {
                byte changed = (byte)(model.Entry[model.Start + offset] ^ mask);
                if (model.MayRefuse(model.WithPayload(offset, changed), $"byte {offset} changed by {mask}", OneMegabyte))
                    loaded++;
                else
                    refused++;
            }
        }

        // Most changes of a number give another number; both outcomes were met.
        Assert.IsGreaterThan(50, loaded);
        Assert.IsGreaterThan(50, refused);
    }

    private static byte[] Bytes(int value) => BitConverter.GetBytes(value);

    private static byte[] Bytes(double value) => BitConverter.GetBytes(value);

    private IEstimator<BatchNormalizeTransformer> Estimator() => _context.Transforms.BatchNormalize(new Options
    {
        Columns = [new("Out", "Features", gamma: [1, -2, 0.3], beta: [0.1, 5, 0]), new("A")],
        Epsilon = 1e-3,
    });

    private IDataView Rows() => Views.WithSlotNames(
        _context, Enumerable.Range(0, 30).Select(i => new[] { i * 1.5f, MathF.Sin(i), i % 4 == 0 ? float.NaN : 1e6f + i }).ToArray());

    private ModelZip Model()
    {
        IDataView rows = Rows();
        return new ModelZip(_context, Estimator().Fit(rows), rows.Schema, BatchNormalizeTransformer.LoaderSignature);
    }
}
