using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The arithmetic on rows, against the formula written out in double precision.</summary>
[TestClass]
public sealed class BatchNormalizeTransformTests
{
    /// <summary>One rounding of the result to single precision.</summary>
    private const double HalfUlp = 6e-8;

    private readonly MLContext _context = new(1);

    /// <summary>Every width from one slot to several vectors and a remainder, dense and sparse, Single and Double.</summary>
    [TestMethod]
    public void Transform_AnyWidth_IsTheFormula()
    {
        var random = new Random(3);
        for (int size = 1; size <= 37; size++)
        {
            BatchNormalizationColumnParameters parameters = RandomParameters(random, size);
            double[][] rows = Enumerable.Range(0, 4).Select(_ => Enumerable.Range(0, size)
                .Select(j => random.Next(3) == 0 ? 0 : (double)(float)(parameters.Mean[j] + random.NextDouble() - 0.5))
                .ToArray()).ToArray();
            double[][] expected = rows.Select(r => r.Select((x, j) => Formula(parameters, j, x)).ToArray()).ToArray();

            float[][] dense = Transform<float>(parameters, Views.OfVectors(_context, ToSingle(rows)));
            float[][] sparse = Transform<float>(parameters, Views.OfSparseVectors(_context, ToSingle(rows)));
            double[][] denseDouble = Transform<double>(parameters, Views.OfVectors(_context, rows));
            double[][] sparseDouble = Transform<double>(parameters, Views.OfSparseVectors(_context, rows));

            for (int i = 0; i < rows.Length; i++)
            {
                for (int j = 0; j < size; j++)
                    Assert.AreEqual(expected[i][j], dense[i][j], HalfUlp * Math.Abs(expected[i][j]), $"row {i}, slot {j} of {size}");
                Close.Check(expected[i], denseDouble[i], 1e-15, $"row {i}, {size} slots of Double");
                CollectionAssert.AreEqual(dense[i], sparse[i], $"sparse row {i} of {size} slots");
                CollectionAssert.AreEqual(denseDouble[i], sparseDouble[i], $"sparse row {i} of {size} slots of Double");
            }
        }
    }

    [TestMethod]
    public void Transform_MeanOfAMillion_IsAccurate()
    {
        var random = new Random(4);
        float[][] rows = Enumerable.Range(0, 2000).Select(_ => new[] { (float)(1e6 + 4 * random.NextDouble() - 2) }).ToArray();
        BatchNormalizeTransformer transformer = _context.Transforms.BatchNormalize("Out", "Features").Fit(Views.OfVectors(_context, rows));
        double mean = rows.Average(r => (double)r[0]);
        double deviation = Math.Sqrt(rows.Sum(r => (r[0] - mean) * (r[0] - mean)) / (rows.Length - 1) + 1e-5);

        float[][] found = transformer.Transform(Views.OfVectors(_context, rows)).Vectors<float>("Out");

        for (int i = 0; i < rows.Length; i++)
            Assert.AreEqual((rows[i][0] - mean) / deviation, found[i][0], 1e-7);

        // The test can fail: folded into scale and offset in single precision, the error is hundreds of thousands of times as large.
        float scale = (float)(1 / deviation);
        float offset = (float)(-mean / deviation);
        Assert.IsGreaterThan(0.01, rows.Max(r => Math.Abs((r[0] - mean) / deviation - (r[0] * scale + offset))));
    }

    [TestMethod]
    public void Transform_TrainingRows_HaveMeanBetaAndDeviationGamma()
    {
        var random = new Random(8);
        double[][] rows = Enumerable.Range(0, 500).Select(_ => new[] { 50 + 9 * random.NextDouble(), -3 + random.NextDouble() }).ToArray();
        IDataView view = Views.OfVectors(_context, rows);
        double[][] found = _context.Transforms.BatchNormalize(new BatchNormalizeEstimator.Options
        {
            Columns = [new("Out", "Features", gamma: [2, -0.5], beta: [7, -1])],
            Epsilon = 1e-12,
        }).Fit(view).Transform(view).Vectors<double>("Out");

        for (int slot = 0; slot < 2; slot++)
        {
            double mean = found.Average(r => r[slot]);
            Assert.AreEqual(slot == 0 ? 7 : -1, mean, 1e-9);
            Assert.AreEqual(slot == 0 ? 2 : 0.5, Math.Sqrt(found.Sum(r => (r[slot] - mean) * (r[slot] - mean)) / (rows.Length - 1)), 1e-9);
        }
    }

    [TestMethod]
    public void Transform_Scalars_AreTheFormula()
    {
        IDataView view = _context.Data.LoadFromEnumerable(
            new[] { new { A = 1f, B = 10d }, new { A = 3f, B = 30d }, new { A = float.NaN, B = double.NaN } });
        IDataView found = _context.Transforms.BatchNormalize([new("A"), new("B")], epsilon: 2).Fit(view).Transform(view);

        CollectionAssert.AreEqual(new[] { -0.5f, 0.5f, float.NaN }, found.Scalars<float>("A")); // variance 2, epsilon 2
        Close.Check([-10 / Math.Sqrt(202), 10 / Math.Sqrt(202), double.NaN], found.Scalars<double>("B"), 1e-15, "B");
    }

    [TestMethod]
    public void Transform_MissingAndInfiniteValues_StayWhatTheyAre()
    {
        BatchNormalizeTransformer transformer = _context.Transforms.BatchNormalize("Out", "Features")
            .Fit(Views.OfVectors(_context, [1f, 5], [2f, 9]));

        float[] found = transformer.Transform(Views.OfVectors(_context, [float.NaN, float.NegativeInfinity])).Vectors<float>("Out")[0];

        CollectionAssert.AreEqual(new[] { float.NaN, float.NegativeInfinity }, found);
    }

    [TestMethod]
    public void Transform_ConstantSlot_BecomesBeta()
    {
        IDataView view = Views.OfVectors(_context, [0.1f, 1], [0.1f, 2], [0.1f, 3]);
        float[][] found = _context.Transforms.BatchNormalize(
            new BatchNormalizeEstimator.Options { Columns = [new("Out", "Features", beta: [0.25, 0])] })
            .Fit(view).Transform(view).Vectors<float>("Out");

        CollectionAssert.AreEqual(new[] { 0.25f, 0.25f, 0.25f }, found.Select(r => r[0]).ToArray());
    }

    [TestMethod]
    public void Transform_RowOfAnotherLengthThanItsType_IsRefused()
    {
        BatchNormalizeTransformer transformer = _context.Transforms.BatchNormalize("Out", "Features")
            .Fit(Views.OfVectors(_context, [1f, 5], [2f, 9]));

        var exception =
            Assert.Throws<Exception>(() => transformer.Transform(Views.OfVectors(_context, 2, [1f, 2, 3])).Vectors<float>("Out"));

        while (exception.InnerException != null)
            exception = exception.InnerException;
        Assert.Contains("3", exception.Message);
        Assert.IsTrue(exception.IsMarked());
    }

    [TestMethod]
    public void Transform_Rows_AllocateNothing()
    {
        float[][] rows =
            Enumerable.Range(0, 200).Select(i => Enumerable.Range(0, 20).Select(j => (i + j) % 5 == 0 ? 0f : i * j).ToArray()).ToArray();
        IDataView view = Views.OfSparseVectors(_context, rows, Enumerable.Range(0, 100).Select(i => 2 * i).ToArray());
        ITransformer transformer = _context.Transforms.BatchNormalize("Out", "Features").Fit(view);
        IRowToRowMapper mapper = transformer.GetRowToRowMapper(view.Schema);
        DataViewSchema.Column[] wanted = [mapper.OutputSchema["Out"]];

        using DataViewRowCursor cursor = view.GetRowCursor(mapper.GetDependencies(wanted));
        using DataViewRow row = mapper.GetRow(cursor, wanted);
        ValueGetter<VBuffer<float>> getter = row.GetGetter<VBuffer<float>>(wanted[0]);
        VBuffer<float> value = default;
        long allocated = 0;
        for (int i = 0; cursor.MoveNext(); i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            getter(ref value);
            if (i >= 10) // buffers have grown to their size
                allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Assert.AreEqual(0, allocated);
    }

    [TestMethod]
    public void Constructor_ParametersThatCannotBe_AreRefused()
    {
        (string Fault, BatchNormalizationColumnParameters Parameters)[] cases =
        [
            ("has 0 means", new([], [], [], [], 1)),
            ("has 1 means, 2 variances", new([1], [1, 2], [1], [1], 1)),
            ("has epsilon 0", new([1], [1], [1], [1], 0)),
            ("has mean NaN", new([double.NaN], [1], [1], [1], 1)),
            ("gamma Infinity", new([1], [1], [double.PositiveInfinity], [1], 1)),
            ("beta NaN", new([1], [1], [1], [double.NaN], 1)),
            ("has variance -1 in slot 1", new([1, 1], [1, -1], [1, 1], [1, 1], 1)),
        ];
        foreach ((string fault, BatchNormalizationColumnParameters parameters) in cases)
            Assert.Contains(fault, parameters.FindFault()!);

        var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new BatchNormalizeTransformer(
            _context, new BatchNormalizeColumn("Out", "In", NumberDataViewType.Single, true, cases[^1].Parameters)));
        Assert.Contains("Column 'Out' has variance -1 in slot 1", exception.Message);
    }

    private static double Formula(BatchNormalizationColumnParameters p, int slot, double x)
        => p.Gamma[slot] * (x - p.Mean[slot]) / Math.Sqrt(p.Variance[slot] + p.Epsilon) + p.Beta[slot];

    private static BatchNormalizationColumnParameters RandomParameters(Random random, int size) => new(
        [.. Enumerable.Range(0, size).Select(j => j % 3 == 0 ? 1000 * random.NextDouble() : random.NextDouble())],
        [.. Enumerable.Range(0, size).Select(j => j % 5 == 4 ? 0 : 3 * random.NextDouble())],
        [.. Enumerable.Range(0, size).Select(_ => 2 * random.NextDouble() - 1)],
        [.. Enumerable.Range(0, size).Select(_ => 2 * random.NextDouble() - 1)],
        1e-3);

    private static float[][] ToSingle(double[][] rows) => rows.Select(r => r.Select(x => (float)x).ToArray()).ToArray();

    private T[][] Transform<T>(BatchNormalizationColumnParameters parameters, IDataView view)
    {
        PrimitiveDataViewType itemType = typeof(T) == typeof(float) ? NumberDataViewType.Single : NumberDataViewType.Double;
        return new BatchNormalizeTransformer(_context, new BatchNormalizeColumn("Out", "Features", itemType, true, parameters))
            .Transform(view).Vectors<T>("Out");
    }
}
