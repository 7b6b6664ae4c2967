using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>c = transpose(a) * d: the bits of the definition on every vector width, for every size, cut and alignment.</summary>
[TestClass]
public sealed class WeightGradientTests
{
    private delegate void Kernel(ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel);

    private static IEnumerable<(string Name, Kernel Kernel)> Kernels()
    {
        yield return ("entry point", MatrixMultiply.WeightGradient);
        if (Vector512.IsHardwareAccelerated)
            yield return ("512 bits", MatrixMultiply.WeightGradient<Simd512, Vector512<float>>);
        if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            yield return ("256 bits", MatrixMultiply.WeightGradient<Simd256, Vector256<float>>);
        yield return ("128 bits", MatrixMultiply.WeightGradient<Simd128, Vector128<float>>);
    }

    [TestMethod]
    public void WeightGradient_RowsFrom0To67_HasTheBitsOfTheDefinition()
    {
        for (int rows = 0; rows <= 67; rows++)
            CheckBits(rows, 21, 40);
    }

    [TestMethod]
    public void WeightGradient_InputsFrom0To67_HasTheBitsOfTheDefinition()
    {
        for (int inputs = 0; inputs <= 67; inputs++)
        {
            CheckBits(1, inputs, 16);
            CheckBits(11, inputs, 40);
        }
    }

    [TestMethod]
    public void WeightGradient_OutputsFrom0To67_HasTheBitsOfTheDefinition()
    {
        for (int outputs = 0; outputs <= 67; outputs++)
            CheckBits(11, 21, outputs);
    }

    [TestMethod]
    [DataRow(1023, 20, 20)]
    [DataRow(1024, 33, 40)]
    [DataRow(1025, 100, 20)]    // inputs beyond the block that fits the cache
    [DataRow(2500, 7, 33)]
    [DataRow(17, 4200, 24)]
    public void WeightGradient_LargerThanItsCacheBlocks_HasTheBitsOfTheDefinition(int rows, int inputs, int outputs)
        => CheckBits(rows, inputs, outputs);

    [TestMethod]
    [DataRow(0f)]
    [DataRow(1000f)]
    public void WeightGradient_AgainstDoublePrecision_StaysWithinTheErrorOfTheChain(float center)
    {
        foreach ((int rows, int inputs, int outputs) in new[] { (1, 1, 1), (2, 67, 130), (33, 13, 40), (256, 60, 20), (1500, 17, 17) })
        {
            var p = new Problem(rows, inputs, outputs, center);
            (double[] exact, double[] magnitude) = p.Exact();
            foreach ((string name, Kernel kernel) in Kernels())
                Assert.AreEqual(-1, MatrixOracle.FirstBeyondBound(exact, magnitude, p.Run(kernel), MatrixOracle.ChainErrorBound(rows)),
                    $"{name}, {rows} x {inputs} x {outputs}");
        }
    }

    [TestMethod]
    public void WeightGradient_BothChecks_DetectTwoRowsOfOneOperandExchanged()
    {
        var p = new Problem(33, 13, 40);
        (double[] exact, double[] magnitude) = p.Exact();
        float[] expected = p.Run(MatrixOracle.WeightGradientByChains);
        float[] sound = p.Run(MatrixMultiply.WeightGradient);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, sound));

        int index = PanelLayout.Index(7, 5, p.ARowCapacity);
        (p.A[index], p.A[index + 16]) = (p.A[index + 16], p.A[index]);
        float[] wrong = p.Run(MatrixMultiply.WeightGradient);
        Assert.AreEqual(PanelLayout.WeightIndex(5, 0, 13), MatrixOracle.FirstDifference(expected, wrong));
        Assert.AreEqual(
            PanelLayout.WeightIndex(5, 0, 13), MatrixOracle.FirstBeyondBound(exact, magnitude, wrong, MatrixOracle.ChainErrorBound(33)));
    }

    [TestMethod]
    public void WeightGradient_PartsOfThePanels_AreTheSameBitsAndNothingElseIsWritten()
    {
        var p = new Problem(50, 37, 112);
        int[][] cuts = [[0, 1, 7], [0, 2, 5, 7], [0, 3, 4, 7]];
        foreach ((string name, Kernel kernel) in Kernels())
            foreach (int[] panels in cuts)
            {
                float[] c = MatrixOracle.Filled(7 * 16 * 37);
                foreach ((int firstPanel, int endPanel) in panels.Zip(panels.Skip(1)))
                {
                    float[] expected = p.Run(MatrixOracle.WeightGradientByChains, firstPanel, endPanel);
                    Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, p.Run(kernel, firstPanel, endPanel)), name);
                    kernel(p.A, p.ARowCapacity, p.Inputs, p.D, p.DRowCapacity, p.Rows, c, firstPanel, endPanel);
                }
                Assert.AreEqual(-1, MatrixOracle.FirstDifference(p.Run(MatrixOracle.WeightGradientByChains), c), name);
            }
    }

    /// <summary>The gradient of the first rows of weights; what is behind them is left alone.</summary>
    [TestMethod]
    public void WeightGradient_MoreRowsInAPanel_WritesTheFirstOnes()
    {
        var p = new Problem(50, 37, 112);
        float[] expected = p.Run(MatrixOracle.WeightGradientByChains), c = MatrixOracle.Filled(7 * 16 * 41),
            rest = MatrixOracle.Filled(7 * 16 * 41);
        MatrixMultiply.WeightGradient(p.A, p.ARowCapacity, 37, p.D, p.DRowCapacity, 50, c, 0, 7, 41);
        for (int panel = 0; panel < 7; panel++)
        {
            int first = panel * 16 * 41, end = first + 16 * 37;
            Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected[(panel * 16 * 37)..((panel + 1) * 16 * 37)], c[first..end]));
            Assert.AreEqual(-1, MatrixOracle.FirstDifference(rest[end..(first + 16 * 41)], c[end..(first + 16 * 41)]));
        }
        Assert.Throws<ArgumentException>(
            () => MatrixMultiply.WeightGradient(p.A, p.ARowCapacity, 37, p.D, p.DRowCapacity, 50, c, 0, 7, 36));
    }

    [TestMethod]
    public void WeightGradient_UnalignedSpans_HasTheBitsOfTheDefinition()
    {
        var p = new Problem(29, 35, 75);
        float[] expected = p.Run(MatrixOracle.WeightGradientByChains);
        foreach ((string name, Kernel kernel) in Kernels())
            for (int shift = 1; shift < 16; shift += 3)
            {
                float[] a = [.. new float[shift], .. p.A], d = [.. new float[shift + 1], .. p.D],
                    c = MatrixOracle.Filled(expected.Length + shift);
                kernel(a.AsSpan(shift), p.ARowCapacity, 35, d.AsSpan(shift + 1), p.DRowCapacity, 29, c.AsSpan(shift), 0, 5);
                Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, c.AsSpan(shift)), $"{name}, {shift}");
                Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(shift), c.AsSpan(0, shift)), $"{name}, {shift}");
            }
    }

    [TestMethod]
    public void WeightGradient_NaNAndInfinity_ReachTheirInputAndOutputOnly()
    {
        foreach ((string name, Kernel kernel) in Kernels())
        {
            var p = new Problem(33, 20, 40);
            p.A[PanelLayout.Index(6, 1, p.ARowCapacity)] = float.NaN;
            p.D[PanelLayout.Index(9, 17, p.DRowCapacity)] = float.NegativeInfinity;
            float[] c = p.Run(kernel);
            Assert.AreEqual(-1, MatrixOracle.FirstDifference(p.Run(MatrixOracle.WeightGradientByChains), c), name);
            for (int i = 0; i < 20; i++)
                for (int o = 0; o < 40; o++)
                {
                    float value = c[PanelLayout.WeightIndex(i, o, 20)];
                    Assert.IsTrue(
                        i == 1 ? float.IsNaN(value) : o == 17 ? float.IsInfinity(value) : float.IsFinite(value),
                        $"{name}, {i}, {o}: {value}");
                }
        }
    }

    [TestMethod]
    public void WeightGradient_ArgumentsThatDoNotFit_AreRefusedBeforeAnythingIsWritten()
    {
        var p = new Problem(20, 5, 40);
        float[] c = MatrixOracle.Filled(3 * 16 * 5);
        void Refused(
            float[]? a = null, int? aRowCapacity = null, int inputs = 5, float[]? d = null, int? dRowCapacity = null, int rows = 20,
            float[]? target = null, int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(
                () => MatrixMultiply.WeightGradient(a ?? p.A, aRowCapacity ?? p.ARowCapacity, inputs, d ?? p.D,
                    dRowCapacity ?? p.DRowCapacity, rows, target ?? c, firstPanel, endPanel));

        Refused(a: p.A[1..]);
        Refused(d: p.D[1..]);
        Refused(target: c[1..]);
        Refused(inputs: -1);
        Refused(inputs: 17);
        Refused(rows: -1);
        Refused(rows: p.ARowCapacity + 1);
        Refused(aRowCapacity: 19);
        Refused(dRowCapacity: 19);
        Refused(aRowCapacity: int.MaxValue);
        Refused(dRowCapacity: int.MaxValue);
        Refused(firstPanel: -1);
        Refused(firstPanel: 4);
        Refused(endPanel: 4);
        Refused(endPanel: int.MaxValue);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(c.Length), c));
    }

    private static void CheckBits(int rows, int inputs, int outputs)
    {
        var p = new Problem(rows, inputs, outputs);
        float[] expected = p.Run(MatrixOracle.WeightGradientByChains);
        foreach ((string name, Kernel kernel) in Kernels())
            Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, p.Run(kernel)), $"{name}, {rows} x {inputs} x {outputs}");
    }

    private sealed class Problem
    {
        public Problem(int rows, int inputs, int outputs, float center = 0f)
        {
            (Rows, Inputs, Panels, ARowCapacity, DRowCapacity) = (rows, inputs, PanelLayout.PanelCount(outputs), rows + 2, rows + 3);
            A = MatrixOracle.RandomPanels(rows, inputs, ARowCapacity, 1, center);
            D = MatrixOracle.RandomPanels(rows, Panels * 16, DRowCapacity, 2, center);
        }

        public int Rows { get; }

        public int Inputs { get; }

        public int Panels { get; }

        public int ARowCapacity { get; }

        public int DRowCapacity { get; }

        public float[] A { get; }

        public float[] D { get; }

        public float[] Run(Kernel kernel) => Run(kernel, 0, Panels);

        public float[] Run(Kernel kernel, int firstPanel, int endPanel)
        {
            float[] c = MatrixOracle.Filled(Panels * 16 * Inputs);
            kernel(A, ARowCapacity, Inputs, D, DRowCapacity, Rows, c, firstPanel, endPanel);
            return c;
        }

        /// <summary>The exact gradient and |a| |d|.</summary>
        public (double[] Exact, double[] Magnitude) Exact()
        {
            double[] exact = new double[Panels * 16 * Inputs], magnitude = new double[exact.Length];
            NaiveMatrixMultiply.WeightGradient(A, ARowCapacity, Inputs, D, DRowCapacity, Rows, exact, 0, Panels);
            NaiveMatrixMultiply.WeightGradient(
                MatrixOracle.Absolute(A), ARowCapacity, Inputs, MatrixOracle.Absolute(D), DRowCapacity, Rows, magnitude,
                0, Panels);
            return (exact, magnitude);
        }
    }
}
