using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>
/// Every rule restated in double beside the kernel. Twenty steps on gradients that change from step to step, states included:
/// each operation rounds once, and every step feeds on the state of the one before, so the errors of 20 steps of some ten
/// operations add up to at most 200 u of the values.
/// </summary>
[TestClass]
public sealed class OptimizerKernelsTests
{
    private const int Steps = 20;
    private const double Tolerance = 200 * KernelTesting.U;
    private const double Rate = 0.013;

    private delegate void KernelStep(int t, Span<float> p, ReadOnlySpan<float> g, Span<float> first, Span<float> second, Span<float> third);

    private delegate void RuleStep(int t, ref double p, double g, ref double first, ref double second, ref double third);

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.03)]
    public void Sgd_TwentySteps_FollowsTheRule(double decay)
        => Check(
            (_, p, g, _, _, _) => OptimizerKernels.Sgd(p, g, (float)Rate, (float)decay),
            (int _, ref double p, double g, ref double _, ref double _, ref double _) => p -= Rate * (g + (decay * p)));

    [TestMethod]
    public void Approach_TwentySteps_FollowsTheRule()
        => Check(
            (_, p, q, _, _, _) => OptimizerKernels.Approach(p, q, 0.3f),
            (int _, ref double p, double q, ref double _, ref double _, ref double _) => p += (double)0.3f * (q - p));

    [TestMethod]
    [DataRow(false, 0.0)]
    [DataRow(false, 0.03)]
    [DataRow(true, 0.0)]
    [DataRow(true, 0.03)]
    public void SgdMomentum_TwentySteps_FollowsTheRule(bool nesterov, double decay)
        => Check(
            (_, p, g, b, _, _) => OptimizerKernels.SgdMomentum(p, g, b, (float)Rate, 0.9f, nesterov, (float)decay),
            (int t, ref double p, double g, ref double b, ref double _, ref double _) =>
            {
                g += decay * p;
                b = t == 1 ? g : (0.9 * b) + g;
                p -= Rate * (nesterov ? g + (0.9 * b) : b);
            });

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.03)]
    public void Adam_TwentySteps_FollowsTheRule(double decay)
        => Check(
            (t, p, g, m, v, _) => OptimizerKernels.Adam(p, g, m, v, new AdamCoefficients(Rate, 0.9, 0.999, 1e-8, decay, t)),
            (int t, ref double p, double g, ref double m, ref double v, ref double _) => AdamRule(t, ref p, g + (decay * p), ref m, ref v));

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.03)]
    public void AdamW_TwentySteps_FollowsTheRule(double decay)
        => Check(
            (t, p, g, m, v, _) => OptimizerKernels.AdamW(p, g, m, v, new AdamCoefficients(Rate, 0.9, 0.999, 1e-8, decay, t)),
            (int t, ref double p, double g, ref double m, ref double v, ref double _) =>
            {
                p *= 1 - (Rate * decay);
                AdamRule(t, ref p, g, ref m, ref v);
            });

    [TestMethod]
    public void Adam_WithoutBiasCorrection_IsNoticed()
        => Assert.Throws<AssertFailedException>(() => Check(
            (_, p, g, m, v, _) => OptimizerKernels.Adam(p, g, m, v, new AdamCoefficients(Rate, 0.9, 0.999, 1e-8, 0, 1000)),
            (int t, ref double p, double g, ref double m, ref double v, ref double _) => AdamRule(t, ref p, g, ref m, ref v)));

    [TestMethod]
    [DataRow(false, 0.0, 0.0)]
    [DataRow(true, 0.0, 0.0)]
    [DataRow(false, 0.9, 0.0)]
    [DataRow(true, 0.9, 0.03)]
    public void RmsProp_TwentySteps_FollowsTheRule(bool centered, double momentum, double decay)
        => Check(
            (_, p, g, v, a, b) => OptimizerKernels.RmsProp(
                p, g, v, centered ? a : default, momentum > 0 ? b : default, (float)Rate, 0.99f, (float)(1 - 0.99), 1e-8f, (float)momentum,
                (float)decay),
            (int t, ref double p, double g, ref double v, ref double a, ref double b) =>
            {
                g += decay * p;
                v = (0.99 * v) + (0.01 * g * g);
                if (centered)
                    a = (0.99 * a) + (0.01 * g);
                double step = g / (Math.Sqrt(v - (a * a)) + 1e-8);
                if (momentum > 0)
                {
                    b = (momentum * b) + step;
                    step = b;
                }

                p -= Rate * step;
            });

    /// <summary>A gradient that never changes: v - a^2 tends to 0 and rounding takes it below.</summary>
    [TestMethod]
    public void RmsProp_CenteredOnAConstantGradient_StaysFinite()
    {
        var random = new Random(1);
        float[] p = new float[160], g = KernelTesting.Normal(random, 160), v = new float[160], a = new float[160];
        for (int t = 0; t < 3000; t++)
        {
            OptimizerKernels.RmsProp(p, g, v, a, default, 1e-3f, 0.9f, (float)(1 - 0.9), 1e-8f, 0, 0);
            Assert.IsFalse(p.Any(float.IsNaN), $"step {t}");
        }
    }

    [TestMethod]
    public void PaddingOfZeros_StaysZero()
    {
        float[] p = new float[16], g = new float[16], m = new float[16], v = new float[16], b = new float[16];
        for (int t = 1; t <= 3; t++)
        {
            OptimizerKernels.Sgd(p, g, 0.1f, 0.1f);
            OptimizerKernels.SgdMomentum(p, g, b, 0.1f, 0.9f, true, 0.1f);
            OptimizerKernels.Adam(p, g, m, v, new AdamCoefficients(0.1, 0.9, 0.999, 1e-8, 0.1, t));
            OptimizerKernels.AdamW(p, g, m, v, new AdamCoefficients(0.1, 0.9, 0.999, 1e-8, 0.1, t));
            OptimizerKernels.RmsProp(p, g, v, m, b, 0.1f, 0.9f, 0.1f, 1e-8f, 0.9f, 0.1f);
        }

        foreach (float[] state in new[] { p, m, v, b })
            Assert.IsFalse(state.AsSpan().ContainsAnyExcept(0f));
    }

    [TestMethod]
    public void NaNGradient_ReachesItsParameterAndNoOther()
    {
        Action<float[], float[]>[] rules =
        [
            (p, g) => OptimizerKernels.Sgd(p, g, 0.1f, 0),
            (p, g) => OptimizerKernels.SgdMomentum(p, g, new float[32], 0.1f, 0.9f, false, 0),
            (p, g) => OptimizerKernels.Adam(p, g, new float[32], new float[32], new AdamCoefficients(0.1, 0.9, 0.999, 1e-8, 0, 1)),
            (p, g) => OptimizerKernels.AdamW(p, g, new float[32], new float[32], new AdamCoefficients(0.1, 0.9, 0.999, 1e-8, 0, 1)),
            (p, g) => OptimizerKernels.RmsProp(p, g, new float[32], new float[32], new float[32], 0.1f, 0.9f, 0.1f, 1e-8f, 0.9f, 0),
        ];
        foreach (Action<float[], float[]> rule in rules)
        {
            float[] p = new float[32], g = new float[32];
            Array.Fill(g, 1f);
            g[21] = float.NaN;
            rule(p, g);
            for (int i = 0; i < 32; i++)
                Assert.AreEqual(i == 21, float.IsNaN(p[i]), $"{i}");
        }
    }

    [TestMethod]
    public void WrongLengths_AreRefused()
    {
        float[] a = new float[16], b = new float[32], odd = new float[15];
        var c = new AdamCoefficients(0.1, 0.9, 0.999, 1e-8, 0, 1);
        Assert.Throws<ArgumentException>(() => OptimizerKernels.Sgd(odd, odd, 0.1f, 0));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.Sgd(a, b, 0.1f, 0));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.Approach(odd, odd, 0.1f));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.Approach(a, b, 0.1f));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.SgdMomentum(a, a, b, 0.1f, 0, false, 0));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.Adam(a, a, b, a, c));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.AdamW(a, a, a, b, c));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.RmsProp(a, a, a, b, default, 0.1f, 0.9f, 0.1f, 0, 0, 0));
        Assert.Throws<ArgumentException>(() => OptimizerKernels.RmsProp(a, a, a, default, b, 0.1f, 0.9f, 0.1f, 0, 0, 0));
    }

    private static void AdamRule(int t, ref double p, double g, ref double m, ref double v)
    {
        m = (0.9 * m) + (0.1 * g);
        v = (0.999 * v) + (0.001 * g * g);
        p -= Rate * (m / (1 - Math.Pow(0.9, t))) / (Math.Sqrt(v / (1 - Math.Pow(0.999, t))) + 1e-8);
    }

    private static void Check(KernelStep kernel, RuleStep rule)
    {
        foreach (int length in new[] { 0, 16, 32, 48, 176 })
        {
            var random = new Random(length);
            Guarded p = new(KernelTesting.Normal(random, length), 3), first = new(length, 5), second = new(length, 7),
                third = new(length, 9);
            double[] exactP = Array.ConvertAll(p.Span.ToArray(), x => (double)x);
            double[] exactFirst = new double[length], exactSecond = new double[length], exactThird = new double[length];
            float[] mean = KernelTesting.Normal(random, length);
            for (int t = 1; t <= Steps; t++)
            {
                float[] g = KernelTesting.Normal(random, length);
                for (int i = 0; i < length; i++)
                    g[i] += 2 * mean[i];
                kernel(t, p.Span, g, first.Span, second.Span, third.Span);
                for (int i = 0; i < length; i++)
                    rule(t, ref exactP[i], g[i], ref exactFirst[i], ref exactSecond[i], ref exactThird[i]);
            }

            p.AssertUntouchedAround("p");
            first.AssertUntouchedAround("first state");
            second.AssertUntouchedAround("second state");
            third.AssertUntouchedAround("third state");
            for (int i = 0; i < length; i++)
            {
                int at = i;
                KernelTesting.AssertWithin(
                    exactP[i], p.Span[i], Tolerance * (1 + Math.Abs(exactP[i])), () => $"parameter {at} of {length}");
                KernelTesting.AssertWithin(
                    exactFirst[i], first.Span[i], Tolerance * (1 + Math.Abs(exactFirst[i])), () => $"first state {at}");
                KernelTesting.AssertWithin(
                    exactSecond[i], second.Span[i], Tolerance * (1 + Math.Abs(exactSecond[i])), () => $"second state {at}");
                KernelTesting.AssertWithin(
                    exactThird[i], third.Span[i], Tolerance * (1 + Math.Abs(exactThird[i])), () => $"third state {at}");
            }
        }
    }
}
