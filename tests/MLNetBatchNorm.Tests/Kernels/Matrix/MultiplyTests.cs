using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>c = bias + a * b: the bits of the definition on every vector width, for every size, cut and alignment.</summary>
[TestClass]
public sealed class MultiplyTests
{
    private delegate void Kernel(ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel);

    /// <summary>Sizes next to the kernels' tile and panel edges.</summary>
    private static readonly int[] s_edges = [1, 2, 3, 5, 6, 7, 11, 12, 13, 16, 17, 23, 24, 25, 31, 32, 33, 47, 48, 49];

    /// <summary>The entry point and every vector width that this machine has.</summary>
    private static IEnumerable<(string Name, Kernel Kernel)> Kernels()
    {
        yield return ("entry point", MatrixMultiply.Multiply);
        if (Vector512.IsHardwareAccelerated)
            yield return ("512 bits", MatrixMultiply.Multiply<Simd512, Vector512<float>>);
        if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            yield return ("256 bits", MatrixMultiply.Multiply<Simd256, Vector256<float>>);
        yield return ("128 bits", MatrixMultiply.Multiply<Simd128, Vector128<float>>);
    }

    [TestMethod]
    public void Multiply_RowsFrom0To67_HasTheBitsOfTheDefinition()
    {
        for (int rows = 0; rows <= 67; rows++)
            CheckBits(rows, 19, 40);
    }

    [TestMethod]
    public void Multiply_InnerFrom0To67_HasTheBitsOfTheDefinition()
    {
        for (int inner = 0; inner <= 67; inner++)
        {
            CheckBits(1, inner, 24);
            CheckBits(2, inner, 24);
            CheckBits(13, inner, 40);
        }
    }

    [TestMethod]
    public void Multiply_ColumnsFrom0To67_HasTheBitsOfTheDefinition()
    {
        for (int columns = 0; columns <= 67; columns++)
        {
            CheckBits(1, 19, columns);
            CheckBits(2, 19, columns);
            CheckBits(13, 19, columns);
        }
    }

    [TestMethod]
    public void Multiply_TileEdges_HasTheBitsOfTheDefinition()
    {
        foreach (int rows in s_edges)
            foreach (int inner in new[] { 1, 15, 16, 17, 33 })
                foreach (int columns in new[] { 16, 17, 48 })
                    CheckBits(rows, inner, columns);
    }

    [TestMethod]
    public void Multiply_FewRowsOfManyPanels_HasTheBitsOfTheDefinition()
    {
        for (int panels = 1; panels <= 19; panels++)
            for (int rows = 1; rows <= 3; rows++)
                CheckBits(rows, 17, panels * 16);
    }

    [TestMethod]
    [DataRow(3, 1023, 20)]
    [DataRow(5, 1024, 40)]
    [DataRow(98, 1025, 20)]     // the rows, too, go beyond the block that fits the cache
    [DataRow(1, 2049, 20)]
    [DataRow(2, 3000, 20)]
    [DataRow(13, 2500, 33)]
    [DataRow(4200, 17, 24)]
    public void Multiply_LargerThanItsCacheBlocks_HasTheBitsOfTheDefinition(int rows, int inner, int columns)
        => CheckBits(rows, inner, columns);

    [TestMethod]
    [DataRow(0f)]
    [DataRow(1000f)]
    public void Multiply_AgainstDoublePrecision_StaysWithinTheErrorOfTheChain(float center)
    {
        foreach ((int rows, int inner, int columns) in new[] { (1, 1, 1), (2, 67, 130), (13, 33, 40), (60, 784, 20), (25, 1500, 17) })
        {
            var p = new Problem(rows, inner, columns, center: center);
            (double[] exact, double[] magnitude) = p.Exact();
            double bound = MatrixOracle.ChainErrorBound(inner);
            foreach ((string name, Kernel kernel) in Kernels())
            {
                Assert.AreEqual(
                    -1, MatrixOracle.FirstBeyondBound(exact, magnitude, p.Run(kernel), bound), $"{name}, {rows} x {inner} x {columns}");
            }
        }
    }

    [TestMethod]
    public void Multiply_AgainstDoublePrecision_TheBoundDetectsAWrongInnerIndex()
    {
        var p = new Problem(13, 33, 40);
        (double[] exact, double[] magnitude) = p.Exact();
        (p.A[PanelLayout.Index(4, 7, p.ARowCapacity)], p.A[PanelLayout.Index(4, 8, p.ARowCapacity)]) =
            (p.A[PanelLayout.Index(4, 8, p.ARowCapacity)], p.A[PanelLayout.Index(4, 7, p.ARowCapacity)]);
        int index = MatrixOracle.FirstBeyondBound(exact, magnitude, p.Run(MatrixMultiply.Multiply), MatrixOracle.ChainErrorBound(33));
        Assert.AreEqual(PanelLayout.Index(4, 0, p.CRowCapacity), index);
    }

    [TestMethod]
    public void Multiply_BitwiseCheck_DetectsAnotherOrderAndASingleBit()
    {
        var p = new Problem(13, 33, 40);
        float[] expected = p.Expected();
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, p.Run(MatrixMultiply.Multiply)));

        // The same sums over the same terms, but first terms last.
        float[] a = (float[])p.A.Clone(), b = (float[])p.B.Clone();
        for (int k = 0; k < 33; k++)
        {
            for (int r = 0; r < 13; r++)
                a[PanelLayout.Index(r, k, p.ARowCapacity)] = p.A[PanelLayout.Index(r, 32 - k, p.ARowCapacity)];
            for (int n = 0; n < 48; n++)
                b[PanelLayout.WeightIndex(k, n, 33)] = p.B[PanelLayout.WeightIndex(32 - k, n, 33)];
        }
        Assert.AreNotEqual(-1, MatrixOracle.FirstDifference(expected, (p with { A = a, B = b }).Run(MatrixMultiply.Multiply)));

        float[] oneBit = (float[])expected.Clone();
        oneBit[5] = MathF.BitIncrement(oneBit[5]);
        Assert.AreEqual(5, MatrixOracle.FirstDifference(expected, oneBit));
    }

    /// <summary>Weights of which the layer multiplies the first rows only; what is behind them is not read.</summary>
    [TestMethod]
    public void Multiply_MoreRowsInAPanel_HasTheBitsOfTheFirstOnes()
    {
        foreach (int rows in new[] { 1, 2, 13 })
        {
            var p = new Problem(rows, 33, 70);
            float[] b = MatrixOracle.Filled(5 * 16 * 40), c = new float[5 * 16 * p.CRowCapacity], expected = (float[])c.Clone();
            for (int panel = 0; panel < 5; panel++)
                p.B.AsSpan(panel * 16 * 33, 16 * 33).CopyTo(b.AsSpan(panel * 16 * 40));
            MatrixMultiply.Multiply(p.A, p.ARowCapacity, 33, p.B, p.Bias, expected, p.CRowCapacity, 0, rows, 1, 5);
            MatrixMultiply.Multiply(p.A, p.ARowCapacity, 33, b, p.Bias, c, p.CRowCapacity, 0, rows, 1, 5, 40);
            Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, c));
            Assert.IsTrue(expected.AsSpan().ContainsAnyExcept(0f));
            Assert.Throws<ArgumentException>(
                () => MatrixMultiply.Multiply(p.A, p.ARowCapacity, 33, b, p.Bias, c, p.CRowCapacity, 0, rows, 1, 5, 32));
        }
    }

    [TestMethod]
    public void Multiply_WithoutBias_StartsFromPositiveZero()
    {
        foreach (int rows in new[] { 1, 2, 13 })
            foreach ((string name, Kernel kernel) in Kernels())
            {
                var p = new Problem(rows, 0, 40, bias: false);
                float[] c = p.Run(kernel);
                Assert.AreEqual(0u, BitConverter.SingleToUInt32Bits(c[0]), name);
                CheckBits(rows, 21, 40, bias: false);
            }
    }

    [TestMethod]
    public void Multiply_PartsOfTheRowsAndPanels_AreTheSameBitsAndNothingElseIsWritten()
    {
        var p = new Problem(50, 37, 112);
        float[] whole = p.Expected();
        int[][] rowCuts = [[0, 50], [0, 1, 3, 50], [0, 12, 25, 49, 50], [0, 25, 50]];
        int[][] panelCuts = [[0, 7], [0, 1, 7], [0, 2, 5, 7], [0, 3, 4, 7]];
        foreach ((string name, Kernel kernel) in Kernels())
            foreach (int[] rows in rowCuts)
                foreach (int[] panels in panelCuts)
                {
                    float[] c = MatrixOracle.Filled(whole.Length);
                    foreach ((int firstRow, int endRow) in rows.Zip(rows.Skip(1)))
                        foreach ((int firstPanel, int endPanel) in panels.Zip(panels.Skip(1)))
                        {
                            float[] part = p.Run(kernel, firstRow, endRow, firstPanel, endPanel);
                            Assert.AreEqual(
                                -1, MatrixOracle.FirstDifference(p.Expected(firstRow, endRow, firstPanel, endPanel), part), name);
                            kernel(p.A, p.ARowCapacity, p.Inner, p.B, p.Bias, c, p.CRowCapacity, firstRow, endRow, firstPanel, endPanel);
                        }
                    Assert.AreEqual(-1, MatrixOracle.FirstDifference(whole, c), name);
                }
    }

    [TestMethod]
    public void Multiply_UnalignedSpans_HasTheBitsOfTheDefinition()
    {
        foreach (int rows in new[] { 1, 2, 27 })
        {
            var p = new Problem(rows, 35, 75);
            float[] expected = p.Expected();
            foreach ((string name, Kernel kernel) in Kernels())
                for (int shift = 1; shift < 16; shift += 3)
                {
                    float[] c = MatrixOracle.Filled(expected.Length + shift);
                    kernel(
                        Shifted(p.A, shift), p.ARowCapacity, 35, Shifted(p.B, shift + 1), Shifted(p.Bias, shift + 2), c.AsSpan(shift),
                        p.CRowCapacity, 0, rows, 0, 5);
                    Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, c.AsSpan(shift)), $"{name}, {shift}");
                    Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(shift), c.AsSpan(0, shift)), $"{name}, {shift}");
                }
        }
    }

    [TestMethod]
    public void Multiply_NaNAndInfinity_ReachTheirRowAndColumnOnly()
    {
        foreach (int rows in new[] { 2, 13 })
            foreach ((string name, Kernel kernel) in Kernels())
            {
                var p = new Problem(rows, 33, 40);
                p.A[PanelLayout.Index(1, 20, p.ARowCapacity)] = float.NaN;
                p.A[PanelLayout.Index(0, 32, p.ARowCapacity)] = 0f;
                p.B[PanelLayout.WeightIndex(3, 17, 33)] = float.PositiveInfinity;
                p.B[PanelLayout.WeightIndex(32, 39, 33)] = float.NegativeInfinity;
                float[] c = p.Run(kernel);
                Assert.AreEqual(-1, MatrixOracle.FirstDifference(p.Expected(), c), name);
                for (int n = 0; n < 40; n++)
                {
                    Assert.IsTrue(float.IsNaN(c[PanelLayout.Index(1, n, p.CRowCapacity)]), name);
                    float value = c[PanelLayout.Index(0, n, p.CRowCapacity)];
                    Assert.IsTrue(
                        n == 17 ? float.IsInfinity(value) : n == 39 ? float.IsNaN(value) : float.IsFinite(value),
                        $"{name}, column {n}: {value}");
                }
            }
    }

    [TestMethod]
    public void Multiply_Call_AllocatesNothing()
    {
        foreach (int rows in new[] { 1, 2, 13 })
        {
            var p = new Problem(rows, 33, 40);
            float[] c = p.Run(MatrixMultiply.Multiply);
            long before = GC.GetAllocatedBytesForCurrentThread();
            MatrixMultiply.Multiply(p.A, p.ARowCapacity, 33, p.B, p.Bias, c, p.CRowCapacity, 0, rows, 0, 3);
            Assert.AreEqual(before, GC.GetAllocatedBytesForCurrentThread());
        }
    }

    [TestMethod]
    public void Multiply_ArgumentsThatDoNotFit_AreRefusedBeforeAnythingIsWritten()
    {
        var p = new Problem(5, 20, 40);
        float[] c = MatrixOracle.Filled(3 * 16 * p.CRowCapacity);
        void Refused(
            float[]? a = null, int? aRowCapacity = null, int inner = 20, float[]? b = null, float[]? bias = null, float[]? target = null,
            int? cRowCapacity = null, int firstRow = 0, int endRow = 5, int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(
                () => MatrixMultiply.Multiply(a ?? p.A, aRowCapacity ?? p.ARowCapacity, inner, b ?? p.B, bias ?? p.Bias,
                    target ?? c, cRowCapacity ?? p.CRowCapacity, firstRow, endRow, firstPanel, endPanel));

        Refused(a: p.A[1..]);
        Refused(b: p.B[1..]);
        Refused(bias: p.Bias[1..]);
        Refused(target: c[1..]);
        Refused(inner: -1);
        Refused(inner: 33);
        Refused(aRowCapacity: 4);
        Refused(cRowCapacity: 4);
        Refused(aRowCapacity: int.MaxValue);
        Refused(cRowCapacity: int.MaxValue);
        Refused(firstRow: -1);
        Refused(firstRow: 6);
        Refused(endRow: p.ARowCapacity + 1);
        Refused(firstPanel: -1);
        Refused(firstPanel: 4);
        Refused(endPanel: 4);
        Refused(endPanel: int.MaxValue);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(c.Length), c));
    }

    private static Span<float> Shifted(float[] values, int shift)
    {
        var copy = new float[values.Length + shift];
        values.CopyTo(copy, shift);
        return copy.AsSpan(shift);
    }

    private static void CheckBits(int rows, int inner, int columns, bool bias = true)
    {
        var p = new Problem(rows, inner, columns, bias);
        float[] expected = p.Expected();
        foreach ((string name, Kernel kernel) in Kernels())
            Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, p.Run(kernel)), $"{name}, {rows} x {inner} x {columns}");
    }

    /// <summary>
    /// Operands of one product. Row capacities exceed the rows, differently, except for one row: there scoring has none to spare.
    /// </summary>
    private sealed record Problem
    {
        public Problem(int rows, int inner, int columns, bool bias = true, float center = 0f)
        {
            (Rows, Inner, Panels) = (rows, inner, PanelLayout.PanelCount(columns));
            (ARowCapacity, CRowCapacity) = rows == 1 && inner % 2 == 0 ? (1, 1) : (rows + 2, rows + 3);
            A = MatrixOracle.RandomPanels(rows, inner, ARowCapacity, 1, center);
            B = MatrixOracle.Random(Panels * 16 * inner, 2, center);
            Bias = bias ? MatrixOracle.Random(Panels * 16, 3, center) : [];
        }

        public int Rows { get; }

        public int Inner { get; }

        public int Panels { get; }

        public int ARowCapacity { get; }

        public int CRowCapacity { get; }

        public float[] A { get; init; }

        public float[] B { get; init; }

        public float[] Bias { get; }

        public float[] Run(Kernel kernel) => Run(kernel, 0, Rows, 0, Panels);

        public float[] Run(Kernel kernel, int firstRow, int endRow, int firstPanel, int endPanel)
        {
            float[] c = MatrixOracle.Filled((long)Panels * 16 * CRowCapacity);
            kernel(A, ARowCapacity, Inner, B, Bias, c, CRowCapacity, firstRow, endRow, firstPanel, endPanel);
            return c;
        }

        public float[] Expected() => Run(MatrixOracle.MultiplyByChains);

        public float[] Expected(int firstRow, int endRow, int firstPanel, int endPanel)
            => Run(MatrixOracle.MultiplyByChains, firstRow, endRow, firstPanel, endPanel);

        /// <summary>The exact product and |bias| + |a| |b|; where no row is, the marker.</summary>
        public (double[] Exact, double[] Magnitude) Exact()
        {
            double[] exact = new double[Panels * 16 * CRowCapacity], magnitude = new double[exact.Length];
            Array.Fill(exact, MatrixOracle.Untouched);
            NaiveMatrixMultiply.Multiply(A, ARowCapacity, Inner, B, Bias, exact, CRowCapacity, 0, Rows, 0, Panels);
            NaiveMatrixMultiply.Multiply(
                MatrixOracle.Absolute(A), ARowCapacity, Inner, MatrixOracle.Absolute(B), MatrixOracle.Absolute(Bias),
                magnitude, CRowCapacity, 0, Rows, 0, Panels);
            return (exact, magnitude);
        }
    }
}
