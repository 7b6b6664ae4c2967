using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class ActivationKernelsTests
{
    public static IEnumerable<object[]> Functions => ActivationOracle.All.Select(f => new object[] { f });

    /// <summary>Absolute error 1e-6 up to |x| = 20, where |y| is at most 20; relative error 2e-7 (3 u) beyond, up to 10,000.</summary>
    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void Forward_UpToTenThousand_MatchesTheFormula(ActivationFunction f)
    {
        float[] x = Arguments();
        var y = new float[x.Length];
        ActivationKernels.Forward(f, x, y);
        for (int i = 0; i < x.Length; i++)
        {
            double exact = ActivationOracle.Value(f, x[i]);
            KernelTesting.AssertWithin(exact, y[i], Math.Max(1e-6, 2e-7 * Math.Abs(exact)), () => $"{f}({x[i]:R})");
        }
    }

    /// <summary>Near 0 the error is relative: 4 u, and 1e-6 of the value where the function does not vanish.</summary>
    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void Forward_NearZero_KeepsItsRelativeAccuracy(ActivationFunction f)
    {
        float[] x = Enumerable.Range(0, 160).Select(i => (i % 2 == 0 ? 1 : -1) * MathF.Pow(10, -8 + (i / 20f))).ToArray();
        var y = new float[x.Length];
        ActivationKernels.Forward(f, x, y);
        for (int i = 0; i < x.Length; i++)
        {
            double exact = f switch
            {
                ActivationFunction.ELU when x[i] < 0 => ExpMinusOne(x[i]),
                ActivationFunction.SELU when x[i] < 0 => 1.0507009873554805 * 1.6732632423543772 * ExpMinusOne(x[i]),
                _ => ActivationOracle.Value(f, x[i]),
            };
            KernelTesting.AssertWithin(exact, y[i], 5 * KernelTesting.U * Math.Abs(exact), () => $"{f}({x[i]:R})");
        }
    }

    /// <summary>
    /// Tolerance: 1e-9 of the difference quotient plus 1e-6 for the kernel, which adds, multiplies and divides a few numbers of size one.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void Backward_UpToTenThousand_MatchesCentralDifferences(ActivationFunction f)
    {
        float[] x = Arguments();
        var y = new float[x.Length];
        ActivationKernels.Forward(f, x, y);
        float[] incoming = KernelTesting.Normal(new Random(7), x.Length);
        float[] d = (float[])incoming.Clone();
        ActivationKernels.Backward(f, x, y, d);
        for (int i = 0; i < x.Length; i++)
        {
            double slope = ActivationOracle.Derivative(f, x[i]);
            double rounding = 2e-11 * Math.Abs(x[i]);       // of the difference quotient
            KernelTesting.AssertWithin(
                slope * incoming[i], d[i], (1e-6 + rounding) * Math.Abs(incoming[i]), () => $"{f}'({x[i]:R}) * {incoming[i]:R}");
        }
    }

    [TestMethod]
    public void Backward_OfAnotherFunction_IsNoticed()
        => Assert.Throws<AssertFailedException>(() =>
        {
            float[] x = Arguments();
            var d = new float[x.Length];
            Array.Fill(d, 1f);
            var y = new float[x.Length];
            ActivationKernels.Forward(ActivationFunction.SiLU, x, y);
            ActivationKernels.Backward(ActivationFunction.SiLU, x, y, d);
            for (int i = 0; i < x.Length; i++)
                KernelTesting.AssertWithin(ActivationOracle.Derivative(ActivationFunction.Mish, x[i]), d[i], 1e-6, () => "control");
        });

    [TestMethod]
    [DataRow(ActivationFunction.ReLU, 0f)]
    [DataRow(ActivationFunction.LeakyReLU, 0.01f)]
    [DataRow(ActivationFunction.ELU, 1f)]
    public void Backward_AtZero_FollowsPyTorch(ActivationFunction f, float expected)
    {
        var x = new float[16];
        x[1] = -0f;
        var y = new float[16];
        ActivationKernels.Forward(f, x, y);
        var d = new float[16];
        Array.Fill(d, 1f);
        ActivationKernels.Backward(f, x, y, d);
        Assert.AreEqual(expected, d[0]);
        Assert.AreEqual(expected, d[1]);
    }

    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void NaN_Propagates(ActivationFunction f)
    {
        var x = new float[16];
        x[3] = float.NaN;
        var y = new float[16];
        ActivationKernels.Forward(f, x, y);
        var d = new float[16];
        Array.Fill(d, 1f);
        d[5] = float.NaN;
        ActivationKernels.Backward(f, x, y, d);
        for (int i = 0; i < 16; i++)
        {
            Assert.AreEqual(i == 3, float.IsNaN(y[i]), $"forward, lane {i}");
            Assert.AreEqual(i is 3 or 5, float.IsNaN(d[i]), $"backward, lane {i}");
        }
    }

    [TestMethod]
    [DataRow(ActivationFunction.ReLU, 0f)]
    [DataRow(ActivationFunction.LeakyReLU, float.NegativeInfinity)]
    [DataRow(ActivationFunction.ELU, -1f)]
    [DataRow(ActivationFunction.SELU, -1.7580993f)]
    [DataRow(ActivationFunction.GELU, float.NaN)]          // -infinity * 0, as in PyTorch
    [DataRow(ActivationFunction.SiLU, float.NaN)]
    [DataRow(ActivationFunction.Mish, float.NaN)]
    [DataRow(ActivationFunction.Tanh, -1f)]
    [DataRow(ActivationFunction.Sigmoid, 0f)]
    public void Infinities_FollowIeee(ActivationFunction f, float atMinusInfinity)
    {
        var x = new float[16];
        x[0] = float.NegativeInfinity;
        x[1] = float.PositiveInfinity;
        var y = new float[16];
        ActivationKernels.Forward(f, x, y);
        Assert.AreEqual(atMinusInfinity, y[0]);
        Assert.AreEqual(f is ActivationFunction.Tanh or ActivationFunction.Sigmoid ? 1f : float.PositiveInfinity, y[1]);
    }

    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void EveryLengthAndAlignment_TouchesItsSpanOnlyAndAllowsInPlace(ActivationFunction f)
    {
        var random = new Random(3);
        for (int lines = 0; lines <= 9; lines++)
        {
            float[] x = KernelTesting.Normal(random, lines * 16);
            var expected = new float[x.Length];
            ActivationKernels.Forward(f, x, expected);

            var y = new Guarded(x, lines);
            ActivationKernels.Forward(f, y.Span, y.Span);
            KernelTesting.AssertSameBits(expected, y.Span, "in place");
            y.AssertUntouchedAround("forward");

            float[] incoming = KernelTesting.Normal(random, x.Length);
            float[] gradient = (float[])incoming.Clone();
            ActivationKernels.Backward(f, x, expected, gradient);
            var d = new Guarded(incoming, lines + 5);
            ActivationKernels.Backward(f, x, expected, d.Span);
            KernelTesting.AssertSameBits(gradient, d.Span, "unaligned");
            d.AssertUntouchedAround("backward");
        }
    }

    [TestMethod]
    public void WrongLengths_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => ActivationKernels.Forward(ActivationFunction.ReLU, new float[15], new float[15]));
        Assert.Throws<ArgumentException>(() => ActivationKernels.Forward(ActivationFunction.ReLU, new float[16], new float[32]));
        Assert.Throws<ArgumentException>(
            () => ActivationKernels.Backward(ActivationFunction.ReLU, new float[16], new float[16], new float[32]));
        Assert.Throws<ArgumentException>(
            () => ActivationKernels.Backward(ActivationFunction.ReLU, new float[16], new float[32], new float[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => ActivationKernels.Forward((ActivationFunction)(-1), new float[16], new float[16]));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => ActivationKernels.Backward((ActivationFunction)(-1), new float[16], new float[16], new float[16]));
    }

    private static double ExpMinusOne(double x)
    {
        double sum = 0;
        double term = 1;
        for (int k = 1; k < 40; k++)
        {
            term *= x / k;
            sum += term;
        }

        return sum;
    }

    /// <summary>A dense grid over -20..20 and a geometric one out to 10,000.</summary>
    private static float[] Arguments()
    {
        IEnumerable<float> dense = Enumerable.Range(-3200, 6400).Select(i => (i + 0.37f) / 160);
        IEnumerable<float> far = Enumerable.Range(0, 400).Select(i => (i % 2 == 0 ? 1 : -1) * 20 * MathF.Pow(500, i / 400f));
        float[] x = dense.Concat(far).Append(1e4f).Append(-1e4f).ToArray();
        Array.Resize(ref x, (x.Length + 15) / 16 * 16);
        return x;
    }
}
