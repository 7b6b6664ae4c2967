using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class ColumnStatisticsTests
{
    private const double U = KernelTesting.U;

    private delegate void MomentsMethod(ReadOnlySpan<float> x, int rows, Span<float> pivot, Span<float> offset, Span<float> variance);

    /// <summary>Every column has another mean, from 0 to 1e6 deviations; rows from 1 to several blocks.</summary>
    [TestMethod]
    public void Moments_EveryRowCount_StayWithinTheBound()
    {
        foreach (int rows in KernelTesting.RowCounts(1))
            Assert.IsLessThanOrEqualTo(1.0, WorstRatio(ColumnStatistics.Moments, Panel(rows, rows), rows), $"{rows} rows");
    }

    [TestMethod]
    public void Moments_SortedRows_StayWithinTheBound()
    {
        foreach (int rows in new[] { 17, 64, 257, 1000 })
        {
            float[] x = Panel(rows, 5);
            for (int c = 0; c < 16; c++)
            {
                float[] column = Enumerable.Range(0, rows).Select(r => x[(r * 16) + c]).Order().ToArray();
                for (int r = 0; r < rows; r++)
                    x[(r * 16) + c] = column[r];
            }

            Assert.IsLessThanOrEqualTo(1.0, WorstRatio(ColumnStatistics.Moments, x, rows), $"{rows} rows");
        }
    }

    /// <summary>Rows that start with an outlier, so that the first guess of the mean is useless.</summary>
    [TestMethod]
    public void Moments_OutlierInFront_StayWithinTheBound()
    {
        foreach (int rows in new[] { 2, 3, 16, 17, 100, 1000 })
        {
            float[] x = Panel(rows, 11);
            for (int c = 0; c < 16; c++)
                x[c] += 1000 * (c + 1);
            Assert.IsLessThanOrEqualTo(1.0, WorstRatio(ColumnStatistics.Moments, x, rows), $"{rows} rows");
        }
    }

    [TestMethod]
    public void OnePassMoments_BreakTheBound()
        => Assert.IsGreaterThan(1000, WorstRatio(OnePassMoments, Panel(256, 256), 256));

    [TestMethod]
    public void Moments_ConstantColumns_HaveExactlyVarianceZero()
    {
        foreach (int rows in KernelTesting.RowCounts(1))
        {
            float[] values = KernelTesting.Normal(new Random(rows), 16, 1e3, 1e3);
            values[0] = 0.1f;
            values[1] = 1e30f;
            values[2] = -1e-30f;
            values[3] = float.Epsilon;
            var x = new float[rows * 16];
            for (int i = 0; i < x.Length; i++)
                x[i] = values[i & 15];
            (float[] pivot, float[] offset, float[] variance) = Run(ColumnStatistics.Moments, x, rows);
            KernelTesting.AssertSameBits(values, pivot, "pivot");
            KernelTesting.AssertSameBits(new float[16], offset, "offset");
            KernelTesting.AssertSameBits(new float[16], variance, "variance");
        }
    }

    /// <summary>Columns whose values differ by one unit in the last place: the worst case for a variance to come out negative.</summary>
    [TestMethod]
    public void Moments_NearlyConstantColumns_AreNeverNegative()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 200; trial++)
        {
            int rows = random.Next(1, 300);
            var x = new float[rows * 16];
            for (int i = 0; i < x.Length; i++)
                x[i] = random.Next(50) == 0 ? MathF.BitIncrement(1e6f + (i & 15)) : 1e6f + (i & 15);
            (_, _, float[] variance) = Run(ColumnStatistics.Moments, x, rows);
            foreach (float value in variance)
                Assert.IsGreaterThanOrEqualTo(0f, value);
            Assert.IsLessThanOrEqualTo(1.0, WorstRatio(ColumnStatistics.Moments, x, rows));
        }
    }

    [TestMethod]
    public void Moments_NaNOrInfinity_MakeTheirColumnNaNAndNoOther()
    {
        foreach (float special in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            foreach (int row in new[] { 0, 7, 15, 16, 39 })
            {
                float[] x = Panel(40, 3);
                (float[] cleanPivot, float[] cleanOffset, float[] cleanVariance) = Run(ColumnStatistics.Moments, x, 40);
                x[(row * 16) + 9] = special;
                (float[] pivot, float[] offset, float[] variance) = Run(ColumnStatistics.Moments, x, 40);
                for (int c = 0; c < 16; c++)
                {
                    Assert.AreEqual(c == 9, float.IsNaN(variance[c]), $"{special} in row {row}, column {c}");
                    if (c != 9)
                    {
                        KernelTesting.AssertSameBits(
                            [cleanPivot[c], cleanOffset[c], cleanVariance[c]], [pivot[c], offset[c], variance[c]], "other column");
                    }
                }
            }
        }
    }

    /// <summary>Chains of at most 67 additions and two more to join them: 69 u sum|d|, u for the rounding of the result.</summary>
    [TestMethod]
    public void ColumnSums_EveryRowCount_StayWithinTheBound()
    {
        foreach (int rows in KernelTesting.RowCounts(0))
        {
            float[] d = Panel(rows, rows + 1);
            var x = new Guarded(d, rows);
            var sums = new Guarded(16, rows + 3);
            ColumnStatistics.ColumnSums(x.Span, rows, sums.Span);
            sums.AssertUntouchedAround("sums");
            KernelTesting.AssertSameBits(d, x.Span, "input");
            for (int c = 0; c < 16; c++)
            {
                double exact = 0;
                double absolute = 0;
                for (int r = 0; r < rows; r++)
                {
                    exact += d[(r * 16) + c];
                    absolute += Math.Abs(d[(r * 16) + c]);
                }

                KernelTesting.AssertWithin(
                    exact, sums.Span[c], (69 * U * absolute) + (U * Math.Abs(exact)), () => $"{rows} rows, column {c}");
            }
        }
    }

    [TestMethod]
    public void WrongLengths_AreRefused()
    {
        var x = new float[32];
        var s = new float[16];
        Assert.Throws<ArgumentOutOfRangeException>(() => ColumnStatistics.Moments(x, 0, s, s, s));
        Assert.Throws<ArgumentException>(() => ColumnStatistics.Moments(x, 3, s, s, s));
        Assert.Throws<ArgumentException>(() => ColumnStatistics.Moments(x, 2, s, s, new float[15]));
        Assert.Throws<ArgumentException>(() => ColumnStatistics.Moments(x, int.MaxValue, s, s, s));
        Assert.Throws<ArgumentOutOfRangeException>(() => ColumnStatistics.ColumnSums(x, -1, s));
        Assert.Throws<ArgumentException>(() => ColumnStatistics.ColumnSums(x, 2, new float[15]));
    }

    /// <summary>
    /// The largest error over its bound. With d = x - pivot, |offset| &lt;= deviation and so mean(d^2) &lt;= 2 variance: a chain of at
    /// most 69 operations errs by 69 u mean|d| in the mean, u |offset| more for the rounding of offset; and in the variance by 71 u
    /// mean(d^2) (one more for d, twice) plus 2 |offset| 70 u mean|d|, together at most 142 + 280 u variance, u more for the rounding. The
    /// mean absolute deviation is at most the deviation.
    /// </summary>
    private static double WorstRatio(MomentsMethod moments, float[] x, int rows)
    {
        (float[] pivot, float[] offset, float[] variance) = Run(moments, x, rows);
        double worst = 0;
        for (int c = 0; c < 16; c++)
        {
            double mean = 0;
            for (int r = 0; r < rows; r++)
                mean += (x[(r * 16) + c] - (double)x[c]) / rows;
            mean += x[c];
            double exact = 0;
            for (int r = 0; r < rows; r++)
                exact += Math.Pow(x[(r * 16) + c] - mean, 2) / rows;
            double deviation = Math.Sqrt(exact);
            double meanError = Math.Abs((double)pivot[c] + offset[c] - mean);
            worst = Math.Max(worst, Ratio(meanError, (2 * 69 * U * deviation) + 1e-13 * Math.Abs(mean)));
            worst = Math.Max(worst, Ratio(Math.Abs(variance[c] - exact), 423 * U * exact));
        }

        return worst;
    }

    private static double Ratio(double error, double bound) => error == 0 ? 0 : error / bound;

    private static (float[] Pivot, float[] Offset, float[] Variance) Run(MomentsMethod moments, float[] x, int rows)
    {
        var panel = new Guarded(x, rows);
        Guarded pivot = new(16, rows), offset = new(16, rows + 1), variance = new(16, rows + 2);
        moments(panel.Span, rows, pivot.Span, offset.Span, variance.Span);
        pivot.AssertUntouchedAround("pivot");
        offset.AssertUntouchedAround("offset");
        variance.AssertUntouchedAround("variance");
        KernelTesting.AssertSameBits(x, panel.Span, "input");
        return (pivot.Span.ToArray(), offset.Span.ToArray(), variance.Span.ToArray());
    }

    private static void OnePassMoments(ReadOnlySpan<float> x, int rows, Span<float> pivot, Span<float> offset, Span<float> variance)
    {
        for (int c = 0; c < 16; c++)
        {
            float sum = 0;
            float squares = 0;
            for (int r = 0; r < rows; r++)
            {
                sum += x[(r * 16) + c];
                squares += x[(r * 16) + c] * x[(r * 16) + c];
            }

            pivot[c] = sum / rows;
            variance[c] = (squares / rows) - (pivot[c] * pivot[c]);
        }
    }

    /// <summary>Column c has deviation 10^(c/4 - 2) and a mean of 0, 1, 10, ... 10^6 deviations.</summary>
    private static float[] Panel(int rows, int seed)
    {
        float[] x = KernelTesting.Normal(new Random(seed), rows * 16);
        for (int i = 0; i < x.Length; i++)
        {
            int c = i & 15;
            double deviation = Math.Pow(10, (c / 4.0) - 2);
            double mean = c % 8 == 7 ? 0 : Math.Pow(10, c % 8);
            x[i] = (float)(deviation * (x[i] + mean));
        }

        return x;
    }
}
