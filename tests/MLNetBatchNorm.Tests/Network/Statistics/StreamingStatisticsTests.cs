using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.Network;

[TestClass]
public sealed class StreamingStatisticsTests
{
    private const double Tolerance = 1e-12;
    private const double Momentum = 0.2;

    private static readonly BatchNormalizationStatistics[] s_all = Enum.GetValues<BatchNormalizationStatistics>();

    /// <summary>Rows of every length of the last batch, values missing here and there, and zeros both written and left out.</summary>
    [TestMethod]
    public void Finish_AnyRows_EqualsTheDefinition()
    {
        var random = new Random(5);
        foreach (int rowCount in Enumerable.Range(1, 20).Append(97))
        {
            foreach (double missing in new[] { 0, 0.1, 0.7 })
            {
                double[][] rows = RandomRows(random, rowCount, 6, missing);
                foreach (BatchNormalizationStatistics statistics in s_all)
                {
                    foreach (int batchSize in new[] { 2, 3, 8, 1000 })
                    {
                        string what = $"{statistics}, {rowCount} rows, batches of {batchSize}, {missing} missing";
                        (double[] mean, double[] variance) = Definition(rows, statistics, batchSize);
                        foreach (int sparseOneIn in new[] { 0, 1, 3 })
                            Check(rows, statistics, batchSize, sparseOneIn, mean, variance, $"{what}, one row in {sparseOneIn} sparse");
                    }
                }
            }
        }
    }

    [TestMethod]
    public void Finish_LargeMean_KeepsTheDigitsOfTheVariance()
    {
        // Sixteenths around 1e6: every value, and the exact sums below, are without rounding in decimal.
        var random = new Random(9);
        float[] values = Enumerable.Range(0, 50_000).Select(_ => 1_000_000 + random.Next(-40, 41) / 16f).ToArray();
        decimal mean = values.Sum(v => (decimal)(double)v) / values.Length;
        decimal variance = values.Sum(v => ((decimal)(double)v - mean) * ((decimal)(double)v - mean)) / (values.Length - 1);
        var statistics = new StreamingStatistics(1, BatchNormalizationStatistics.PopulationPooled, 2, Momentum);

        foreach (float value in values)
            statistics.Add([value]);
        double[] foundMean = new double[1];
        double[] foundVariance = new double[1];
        statistics.Finish(foundMean, foundVariance);

        Assert.AreEqual((double)mean, foundMean[0], 1e-12 * 1e6);
        Assert.AreEqual((double)variance, foundVariance[0], 1e-9 * (double)variance);

        // The test can fail: in single precision, E[x^2] - E[x]^2 has no digit right.
        float naive = values.Sum(v => v * v) / values.Length - values.Average() * values.Average();
        Assert.IsGreaterThan(1, Math.Abs(naive - (double)variance));
    }

    [TestMethod]
    public void Finish_PooledOverMoreRowsThanTheCountersHold_IsExact()
    {
        const int Rows = (1 << 20) + 12_345;
        var statistics = new StreamingStatistics(2, BatchNormalizationStatistics.PopulationPooled, 2, Momentum);
        for (int i = 0; i < Rows; i++)
            statistics.AddSparse<float>(i % 4 == 0 ? [1] : [], i % 4 == 0 ? [8f] : []);
        double[] mean = new double[2];
        double[] variance = new double[2];
        statistics.Finish(mean, variance);

        double share = ((Rows + 3) / 4) / (double)Rows;
        Close.Check([0, 8 * share], mean, Tolerance, "mean");
        Close.Check([0, 64 * share * (1 - share) * Rows / (Rows - 1)], variance, Tolerance, "variance");
    }

    [TestMethod]
    public void Finish_SlotWithoutValues_HasMeanZeroVarianceOne()
    {
        foreach (BatchNormalizationStatistics kind in s_all)
        {
            var statistics = new StreamingStatistics(3, kind, 2, Momentum);
            for (int i = 0; i < 5; i++)
                statistics.Add([i, float.NaN, 2]);
            double[] mean = new double[3];
            double[] variance = new double[3];

            Assert.AreEqual(1, statistics.Finish(mean, variance));
            Assert.AreEqual(0, mean[1]);
            Assert.AreEqual(1, variance[1]);
        }
    }

    [TestMethod]
    public void Finish_ConstantSlot_HasVarianceExactlyZero()
    {
        var statistics = new StreamingStatistics(1, BatchNormalizationStatistics.PopulationPooled, 2, Momentum);
        for (int i = 0; i < 1000; i++)
            statistics.Add([0.1f]);
        double[] mean = new double[1];
        double[] variance = new double[1];
        statistics.Finish(mean, variance);

        Assert.AreEqual(0.1f, mean[0]);
        Assert.AreEqual(0, variance[0]);
    }

    [TestMethod]
    [DataRow(float.PositiveInfinity)]
    [DataRow(float.NegativeInfinity)]
    public void Add_Infinity_TellsItsSlot(float infinity)
    {
        Assert.AreEqual(
            2, new StreamingStatistics(4, BatchNormalizationStatistics.Population, 2, Momentum).Add([1, float.NaN, infinity, 1]));
        Assert.AreEqual(
            3, new StreamingStatistics(4, BatchNormalizationStatistics.Population, 2, Momentum).AddSparse<float>([1, 3], [1, infinity]));
    }

    /// <summary>The definition, from lists of values: no streaming, two passes, nothing shared with what is tested.</summary>
    private static (double[] Mean, double[] Variance) Definition(double[][] rows, BatchNormalizationStatistics statistics, int batchSize)
    {
        int slots = rows[0].Length;
        var mean = new double[slots];
        var variance = new double[slots];
        for (int slot = 0; slot < slots; slot++)
        {
            List<List<double>> batches = Batches(
                rows, slot, statistics == BatchNormalizationStatistics.PopulationPooled ? rows.Length : batchSize);
            if (batches.Count == 0)
            {
                variance[slot] = 1;
                continue;
            }

            double[] means = batches.Select(b => b.Average()).ToArray();
            double[] variances =
                batches.Select((b, i) => b.Count == 1 ? 0 : b.Sum(x => (x - means[i]) * (x - means[i])) / (b.Count - 1)).ToArray();
            double[] weights = statistics switch
            {
                BatchNormalizationStatistics.RunningAverage => batches.Select(
                    (_, i) => Momentum * Math.Pow(1 - Momentum, batches.Count - 1 - i)).ToArray(),
                _ => batches.Select(_ => 1.0 / batches.Count).ToArray(),
            };
            double startingVariance = statistics == BatchNormalizationStatistics.RunningAverage ? Math.Pow(1 - Momentum, batches.Count) : 0;
            mean[slot] = means.Zip(weights, (m, w) => m * w).Sum();
            variance[slot] = startingVariance + variances.Zip(weights, (v, w) => v * w).Sum();
        }

        return (mean, variance);
    }

    private static List<List<double>> Batches(double[][] rows, int slot, int batchSize)
    {
        var batches = new List<List<double>>();
        var open = new List<double>();
        for (int row = 0; row < rows.Length; row++)
        {
            if (!double.IsNaN(rows[row][slot]))
                open.Add(rows[row][slot]);
            if ((row + 1) % batchSize == 0 && open.Count >= 2)
            {
                batches.Add(open);
                open = [];
            }
        }

        if (open.Count == 1 && batches.Count > 0)
            batches[^1].AddRange(open);
        else if (open.Count > 0)
            batches.Add(open);
        return batches;
    }

    private static double[][] RandomRows(Random random, int rows, int slots, double missing)
        => Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, slots).Select(slot =>
            random.NextDouble() < missing ? double.NaN
            : random.Next(3) == 0 ? 0
            : 100 * slot + (slot + 1) * (random.NextDouble() - 0.3)).ToArray()).ToArray();

    private static void Check(
        double[][] rows, BatchNormalizationStatistics statistics, int batchSize, int sparseOneIn, double[] mean,
        double[] variance, string what)
    {
        var streaming = new StreamingStatistics(rows[0].Length, statistics, batchSize, Momentum);
        for (int row = 0; row < rows.Length; row++)
        {
            if (sparseOneIn > 0 && row % sparseOneIn == 0)
            {
                int[] stored = Enumerable.Range(0, rows[row].Length).Where(slot => rows[row][slot] != 0).ToArray();
                streaming.AddSparse<double>(stored, stored.Select(slot => rows[row][slot]).ToArray());
            }
            else
            {
                streaming.Add<double>(rows[row]);
            }
        }

        double[] foundMean = new double[mean.Length];
        double[] foundVariance = new double[mean.Length];
        streaming.Finish(foundMean, foundVariance);
        Close.Check(mean, foundMean, Tolerance, "mean, " + what);
        Close.Check(variance, foundVariance, Tolerance, "variance, " + what);
    }
}
