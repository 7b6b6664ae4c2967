using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>
/// The masks are functions of fixed keys, so the statistics below are fixed numbers, not random ones; bounds are
/// given in standard deviations of what a fair coin would show. 4.5 of them are exceeded by one in 150,000 fair
/// tests, and each test here makes a few hundred at most.
/// </summary>
[TestClass]
public sealed class DropoutTests
{
    private const double Sigmas = 4.5;
    private const int Rows = 4096;
    private const ulong Key = 0x0123456789ABCDEF;

    [TestMethod]
    [DataRow(0.01f)]
    [DataRow(0.1f)]
    [DataRow(0.25f)]
    [DataRow(0.5f)]
    [DataRow(0.9f)]
    public void Apply_DropsTheRateAndKeepsTheMean(float rate)
    {
        int dropped = 0;
        double sum = 0;
        const int Panels = 8;
        for (int panel = 0; panel < Panels; panel++)
        {
            float[] x = Ones(Rows);
            Dropout.Apply(x, Rows, Key, panel, rate);
            dropped += x.Count(value => value == 0);
            sum += x.Sum(value => (double)value);
            foreach (float value in x)
            {
                KernelTesting.AssertWithin(
                    value == 0 ? 0 : 1 / (1 - (Math.Round(rate * 65536.0) / 65536)), value, 1e-6 * value, () => "kept value");
            }
        }

        const int Count = Panels * Rows * 16;
        double deviation = Math.Sqrt(rate * (1 - rate) / Count);
        Assert.AreEqual(rate, dropped / (double)Count, (Sigmas * deviation) + (1.0 / 131072), "share dropped");
        Assert.AreEqual(1, sum / Count, Sigmas * deviation / (1 - rate), "mean");
    }

    [TestMethod]
    public void Apply_CountPerRowAndPerLane_HasTheVarianceOfCoins()
    {
        const float Rate = 0.3f;
        bool[] kept = Mask(Rows, Key, 0, Rate);
        double expected = Rate * (1 - Rate);

        // Variance of the number dropped in a row of 16: 16 p q; its estimate from n rows has the relative
        // deviation sqrt(2 / n) (nearly normal counts).
        double rowVariance = Enumerable.Range(0, Rows)
            .Average(r => Math.Pow(Enumerable.Range(0, 16).Count(c => !kept[(r * 16) + c]) - (16 * Rate), 2));
        Assert.AreEqual(1, rowVariance / (16 * expected), Sigmas * Math.Sqrt(2.0 / Rows));
        for (int c = 0; c < 16; c++)
        {
            int dropped = Enumerable.Range(0, Rows).Count(r => !kept[(r * 16) + c]);
            Assert.AreEqual(0, (dropped - (Rate * Rows)) / Math.Sqrt(expected * Rows), Sigmas, $"lane {c}");
        }
    }

    /// <summary>Masks shifted against each other by every number of rows up to 40 and every number of lanes.</summary>
    [TestMethod]
    public void Apply_NeighbouringRowsAndLanes_AreUncorrelated()
    {
        const float Rate = 0.5f;
        bool[] kept = Mask(Rows, Key, 3, Rate);
        foreach (int rowShift in Enumerable.Range(0, 41).Concat([64, 128, 256, 1024]))
        {
            for (int laneShift = 0; laneShift < 16; laneShift++)
            {
                if (rowShift == 0 && laneShift == 0)
                    continue;
                var shifted = new bool[(Rows - rowShift) * 16];
                for (int i = 0; i < shifted.Length; i++)
                    shifted[i] = kept[i + (rowShift * 16) - (i & 15) + ((i + laneShift) & 15)];
                AssertUncorrelated(kept.AsSpan(0, shifted.Length), shifted, $"{rowShift} rows, {laneShift} lanes");
            }
        }
    }

    [TestMethod]
    public void Apply_OtherKeysAndPanels_AreUncorrelated()
    {
        const float Rate = 0.5f;
        bool[] kept = Mask(Rows, Key, 3, Rate);
        for (int bit = 0; bit < 64; bit++)
            AssertUncorrelated(kept, Mask(Rows, Key ^ (1UL << bit), 3, Rate), $"key bit {bit}");
        for (ulong step = 1; step <= 40; step++)
            AssertUncorrelated(kept, Mask(Rows, Key + step, 3, Rate), $"key + {step}");
        for (int panel = 4; panel < 44; panel++)
            AssertUncorrelated(kept, Mask(Rows, Key, panel, Rate), $"panel {panel}");
    }

    [TestMethod]
    public void CorrelationCheck_OfAMaskThatAgreesInFiveOfAHundred_Fails()
    {
        bool[] kept = Mask(Rows, Key, 3, 0.5f);
        bool[] other = Mask(Rows, Key, 4, 0.5f);
        for (int i = 0; i < kept.Length; i += 20)
            other[i] = kept[i];
        Assert.Throws<AssertFailedException>(() => AssertUncorrelated(kept, other, "control"));
    }

    /// <summary>
    /// All 65,536 patterns of the 16 lanes of a row occur as often as they should: chi-square over 1024 patterns of 10 lanes.
    /// </summary>
    [TestMethod]
    public void Apply_PatternsOfTenLanes_AreUniform()
    {
        var counts = new int[1024];
        const int Panels = 16;
        for (int panel = 0; panel < Panels; panel++)
        {
            bool[] kept = Mask(Rows, Key, panel, 0.5f);
            for (int r = 0; r < Rows; r++)
                counts[Enumerable.Range(0, 10).Sum(c => kept[(r * 16) + c + (panel % 7)] ? 1 << c : 0)]++;
        }

        double expected = Panels * Rows / 1024.0;
        double chiSquare = counts.Sum(count => Math.Pow(count - expected, 2) / expected);
        Assert.AreEqual(0, (chiSquare - 1023) / Math.Sqrt(2 * 1023), Sigmas);
    }

    [TestMethod]
    public void Apply_SameArguments_GiveTheSameMaskForAnyRowCount()
    {
        bool[] all = Mask(300, Key, 1, 0.4f);
        foreach (int rows in KernelTesting.RowCounts(0).Where(rows => rows <= 300))
        {
            float[] values = KernelTesting.Normal(new Random(rows), rows * 16);
            var x = new Guarded(values, rows);
            Dropout.Apply(x.Span, rows, Key, 1, 0.4f);
            x.AssertUntouchedAround("x");
            float keep = 65536f / (65536f - MathF.Round(0.4f * 65536));
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(all[i] ? values[i] * keep : 0f, x.Span[i]);
        }
    }

    [TestMethod]
    public void Apply_RateZero_ChangesNothing()
    {
        float[] x = KernelTesting.Normal(new Random(1), 160);
        float[] expected = (float[])x.Clone();
        Dropout.Apply(x, 10, Key, 0, 0f);
        KernelTesting.AssertSameBits(expected, x, "rate 0");
    }

    [TestMethod]
    [DataRow(0f)]
    [DataRow(0.3f)]
    public void Apply_FromOnePanelToAnother_GivesWhatInPlaceGives(float rate)
    {
        foreach (int rows in (int[])[0, 1, 2, 7, 64])
        {
            float[] x = KernelTesting.Normal(new Random(rows), rows * 16), read = (float[])x.Clone(), y = new float[x.Length];
            Dropout.Apply(read, y, rows, Key, 3, rate);
            KernelTesting.AssertSameBits(x, read, "what is read");
            Dropout.Apply(x, rows, Key, 3, rate);
            KernelTesting.AssertSameBits(x, y, $"{rows} rows");
        }
    }

    [TestMethod]
    public void Apply_LargestRate_KeepsFiniteValues()
    {
        float[] x = Ones(1000);
        Dropout.Apply(x, 1000, Key, 0, MathF.BitDecrement(1f));
        Assert.IsTrue(x.All(float.IsFinite));
    }

    [TestMethod]
    public void NaN_PropagatesWhetherKeptOrDropped()
    {
        float[] x = Ones(8);
        Array.Fill(x, float.NaN);
        Dropout.Apply(x, 8, Key, 0, 0.5f);
        Assert.IsTrue(x.All(float.IsNaN));
    }

    [TestMethod]
    public void WrongArguments_AreRefused()
    {
        var x = new float[32];
        Assert.Throws<ArgumentException>(() => Dropout.Apply(x, 3, Key, 0, 0.5f));
        Assert.Throws<ArgumentOutOfRangeException>(() => Dropout.Apply(x, -1, Key, 0, 0.5f));
        foreach (float rate in new[] { -0.1f, 1f, 2f, float.NaN })
            Assert.Throws<ArgumentOutOfRangeException>(() => Dropout.Apply(x, 2, Key, 0, rate));
    }

    private static float[] Ones(int rows)
    {
        var x = new float[rows * 16];
        Array.Fill(x, 1f);
        return x;
    }

    private static bool[] Mask(int rows, ulong key, int panel, float rate)
    {
        float[] x = Ones(rows);
        Dropout.Apply(x, rows, key, panel, rate);
        return Array.ConvertAll(x, value => value != 0);
    }

    /// <summary>Two independent fair masks agree in half of their n places, with deviation sqrt(n) / 2.</summary>
    private static void AssertUncorrelated(ReadOnlySpan<bool> a, ReadOnlySpan<bool> b, string what)
    {
        int agreements = 0;
        for (int i = 0; i < a.Length; i++)
            agreements += a[i] == b[i] ? 1 : 0;
        Assert.AreEqual(0, (agreements - (a.Length / 2.0)) / (Math.Sqrt(a.Length) / 2), Sigmas, what);
    }
}
