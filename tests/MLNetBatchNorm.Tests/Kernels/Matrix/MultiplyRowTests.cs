using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>The product of one row that leaves out its zeros: the bits of the product that does not.</summary>
[TestClass]
public sealed class MultiplyRowTests
{
    private delegate void Kernel(
        ReadOnlySpan<float> x, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, int endPanel);

    private static IEnumerable<(string Name, Kernel Kernel)> Kernels()
    {
        yield return ("entry point", MatrixMultiply.MultiplyRow);
        if (Vector512.IsHardwareAccelerated)
            yield return ("512 bits", MatrixMultiply.MultiplyRow<Simd512, Vector512<float>>);
        if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            yield return ("256 bits", MatrixMultiply.MultiplyRow<Simd256, Vector256<float>>);
        yield return ("128 bits", MatrixMultiply.MultiplyRow<Simd128, Vector128<float>>);
    }

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(0.5)]
    [DataRow(1.0)]
    public void MultiplyRow_InnerFrom0To67_HasTheBitsOfTheDefinition(double zeros)
    {
        for (int inner = 0; inner <= 67; inner++)
            CheckBits(inner, 40, zeros);
    }

    [TestMethod]
    public void MultiplyRow_ColumnsFrom0To67AndManyPanels_HasTheBitsOfTheDefinition()
    {
        for (int columns = 0; columns <= 67; columns++)
            CheckBits(19, columns, 0.5);
        for (int panels = 5; panels <= 19; panels++)
            CheckBits(19, panels * 16, 0.5);
    }

    /// <summary>Column numbers are listed 1,024 at a time.</summary>
    [TestMethod]
    [DataRow(1023)]
    [DataRow(1024)]
    [DataRow(1025)]
    [DataRow(2049)]
    [DataRow(5000)]
    public void MultiplyRow_LongerThanItsList_HasTheBitsOfTheDefinition(int inner)
    {
        CheckBits(inner, 40, 0.5);
        CheckBits(inner, 40, 0);
    }

    [TestMethod]
    public void MultiplyRow_WithoutBias_StartsFromPositiveZero() => CheckBits(21, 40, 0.5, bias: false);

    /// <summary>
    /// A zero is left out even where the weight is not finite; anything else, the smallest number and NaN included, is not.
    /// </summary>
    [TestMethod]
    public void MultiplyRow_Zeros_AreLeftOutAndNothingElse()
    {
        foreach ((string name, Kernel kernel) in Kernels())
        {
            float[] x = [1, 0, -0f, float.Epsilon, 2], b = MatrixOracle.Filled(5 * 16, 1), c = new float[16];
            b[1 * 16] = float.NaN;
            b[2 * 16] = float.PositiveInfinity;
            b[3 * 16 + 1] = float.PositiveInfinity;
            kernel(x, 5, b, [], c, 1);
            Assert.AreEqual(3f, c[0], name);
            Assert.AreEqual(float.PositiveInfinity, c[1], name);

            x[1] = float.NaN;
            kernel(x, 5, b, [], c, 1);
            Assert.IsTrue(c.All(float.IsNaN), name);
        }
    }

    [TestMethod]
    public void MultiplyRow_BitwiseCheck_DetectsAZeroThatIsNotOne()
    {
        (float[] x, float[] b, float[] bias) = Problem(33, 40, 0.5, bias: true);
        float[] expected = Expected(x, b, bias);
        x[Array.IndexOf(x, 0f)] = 1e-3f;
        float[] c = new float[48];
        MatrixMultiply.MultiplyRow(x, 33, b, bias, c, 3);
        Assert.AreNotEqual(-1, MatrixOracle.FirstDifference(expected, c));
    }

    [TestMethod]
    public void MultiplyRow_Call_AllocatesNothing()
    {
        (float[] x, float[] b, float[] bias) = Problem(33, 40, 0.5, bias: true);
        float[] c = new float[48];
        MatrixMultiply.MultiplyRow(x, 33, b, bias, c, 3);
        long before = GC.GetAllocatedBytesForCurrentThread();
        MatrixMultiply.MultiplyRow(x, 33, b, bias, c, 3);
        Assert.AreEqual(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [TestMethod]
    public void MultiplyRow_ArgumentsThatDoNotFit_AreRefusedBeforeAnythingIsWritten()
    {
        (float[] x, float[] b, float[] bias) = Problem(20, 40, 0.5, bias: true);
        float[] c = MatrixOracle.Filled(48);
        void Refused(float[]? x1 = null, int inner = 20, float[]? b1 = null, float[]? bias1 = null, float[]? c1 = null, int endPanel = 3)
            => Assert.Throws<ArgumentException>(
                () => MatrixMultiply.MultiplyRow(x1 ?? x, inner, b1 ?? b, bias1 ?? bias, c1 ?? c, endPanel));

        Refused(x1: x[1..]);
        Refused(b1: b[1..]);
        Refused(bias1: bias[1..]);
        Refused(c1: c[1..]);
        Refused(inner: -1);
        Refused(inner: 21);
        Refused(endPanel: -1);
        Refused(endPanel: 4);
        Refused(endPanel: int.MaxValue);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(48), c));
    }

    /// <summary>On aligned memory and one float beside it.</summary>
    private static void CheckBits(int inner, int columns, double zeros, bool bias = true)
    {
        (float[] x, float[] b, float[] start) = Problem(inner, columns, zeros, bias);
        float[] expected = Expected(x, b, start);
        int panels = PanelLayout.PanelCount(columns);
        foreach ((string name, Kernel kernel) in Kernels())
        {
            float[] c = MatrixOracle.Filled(expected.Length + 1);
            kernel(x, inner, b, start, c, panels);
            Assert.AreEqual(-1, MatrixOracle.FirstDifference([.. expected, MatrixOracle.Untouched], c), $"{name}, {inner} x {columns}");

            float[] shifted = [7, .. b];
            Array.Fill(c, MatrixOracle.Untouched);
            kernel(x, inner, shifted.AsSpan(1), start, c.AsSpan(1), panels);
            Assert.AreEqual(
                -1, MatrixOracle.FirstDifference([MatrixOracle.Untouched, .. expected], c), $"{name}, {inner} x {columns}, unaligned");
        }
    }

    private static (float[] X, float[] B, float[] Bias) Problem(int inner, int columns, double zeros, bool bias)
    {
        float[] x = MatrixOracle.Random(inner, 1);
        var random = new Random(4);
        for (int k = 0; k < inner; k++)
        {
            if (random.NextDouble() < zeros)
                x[k] = random.Next(2) == 0 ? 0f : -0f;
        }
        int lanes = PanelLayout.PanelCount(columns) * 16;
        return (x, MatrixOracle.Random(lanes * inner, 2), bias ? MatrixOracle.Random(lanes, 3) : []);
    }

    /// <summary>The definition, with every term.</summary>
    private static float[] Expected(float[] x, float[] b, float[] bias)
    {
        int panels = x.Length == 0 ? bias.Length / 16 : b.Length / 16 / x.Length;
        float[] c = new float[panels * 16], padded = new float[PanelLayout.Length(1, x.Length)];
        x.CopyTo(padded, 0);
        MatrixOracle.MultiplyByChains(padded, 1, x.Length, b, bias, c, 1, 0, 1, 0, panels);
        return c;
    }
}
