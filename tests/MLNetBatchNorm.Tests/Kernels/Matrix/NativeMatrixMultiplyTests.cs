using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>The native products: those of the definition within the error of any order of summation, and nothing else written.</summary>
[TestClass]
public sealed class NativeMatrixMultiplyTests
{
    private static readonly int[] s_sizes = [1, 2, 3, 15, 16, 17, 31, 33, 60, 67];

    [TestMethod]
    public void Multiply_AgainstDoublePrecision_StaysWithinTheErrorBound()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        foreach (int rows in s_sizes)
            foreach (int inner in s_sizes)
                foreach (int columns in s_sizes)
                    foreach (bool bias in new[] { true, false })
                        CheckMultiply(products, rows, inner, columns, bias);
        CheckMultiply(products, 60, 784, 100, bias: true);
        CheckMultiply(products, 256, 512, 256, bias: false);
    }

    [TestMethod]
    public void WeightGradient_AgainstDoublePrecision_StaysWithinTheErrorBound()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        foreach (int rows in s_sizes)
            foreach (int inputs in s_sizes)
                foreach (int outputs in s_sizes)
                    CheckWeightGradient(products, rows, inputs, outputs);
        CheckWeightGradient(products, 60, 784, 100);
        CheckWeightGradient(products, 512, 256, 256);
    }

    /// <summary>The bound is one that a wrong product exceeds.</summary>
    [TestMethod]
    public void Multiply_WithAnElementOfAnOperandMoved_ExceedsTheErrorBound()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        var p = new Product(13, 33, 40, bias: true);
        (double[] exact, double[] magnitude) = p.Exact();
        int index = PanelLayout.Index(4, 7, p.ARowCapacity);
        (p.A[index], p.A[index + 1]) = (p.A[index + 1], p.A[index]);
        Assert.AreEqual(
            PanelLayout.Index(4, 0, p.CRowCapacity), MatrixOracle.FirstBeyondBound(exact, magnitude, p.Run(products), Bound(33)));
    }

    [TestMethod]
    public void Multiply_PartsOfTheRowsAndPanels_NothingElseIsWritten()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        var p = new Product(29, 37, 112, bias: true);
        (double[] exact, double[] magnitude) = p.Exact();
        foreach ((int firstRow, int endRow) in new[] { (0, 29), (3, 4), (5, 29), (7, 7) })
            foreach ((int firstPanel, int endPanel) in new[] { (0, 7), (2, 3), (4, 7), (5, 5) })
            {
                float[] c = p.Run(products, firstRow, endRow, firstPanel, endPanel);
                double[] expected = new double[c.Length], bounds = new double[c.Length];
                Array.Fill(expected, MatrixOracle.Untouched);
                for (int r = firstRow; r < endRow; r++)
                    for (int n = firstPanel * 16; n < endPanel * 16; n++)
                    {
                        int i = PanelLayout.Index(r, n, p.CRowCapacity);
                        (expected[i], bounds[i]) = (exact[i], magnitude[i]);
                    }
                Assert.AreEqual(
                    -1, MatrixOracle.FirstBeyondBound(expected, bounds, c, Bound(37)),
                    $"rows {firstRow}..{endRow}, panels {firstPanel}..{endPanel}");
            }
    }

    [TestMethod]
    public void WeightGradient_PartsOfThePanels_NothingElseIsWritten()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        var p = new Gradient(29, 37, 112);
        (double[] exact, double[] magnitude) = p.Exact();
        foreach ((int firstPanel, int endPanel) in new[] { (0, 7), (2, 3), (4, 7), (5, 5) })
        {
            float[] c = p.Run(products, firstPanel, endPanel);
            double[] expected = new double[c.Length], bounds = new double[c.Length];
            for (int i = 0; i < c.Length; i++)
            {
                bool inside = i >= firstPanel * 16 * 37 && i < endPanel * 16 * 37;
                (expected[i], bounds[i]) = inside ? (exact[i], magnitude[i]) : (MatrixOracle.Untouched, 0);
            }
            Assert.AreEqual(-1, MatrixOracle.FirstBeyondBound(expected, bounds, c, Bound(29)), $"panels {firstPanel}..{endPanel}");
        }
    }

    [TestMethod]
    public void Products_WithoutTerms_AreTheBiasOrZero()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        var p = new Product(3, 0, 20, bias: true);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(p.Run(MatrixProducts.Managed), p.Run(products)));
        var g = new Gradient(0, 5, 20);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(2 * 16 * 5, 0), g.Run(products, 0, 2)));
        Assert.IsEmpty(new Gradient(4, 0, 20).Run(products, 0, 2));
    }

    [TestMethod]
    public void Multiply_NaNInARow_ReachesThatRowOnly()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        var p = new Product(13, 33, 40, bias: true);
        p.A[PanelLayout.Index(1, 20, p.ARowCapacity)] = float.NaN;
        float[] c = p.Run(products);
        for (int r = 0; r < 13; r++)
            for (int n = 0; n < 40; n++)
                Assert.AreEqual(r == 1, float.IsNaN(c[PanelLayout.Index(r, n, p.CRowCapacity)]), $"row {r}, column {n}");
    }

    [TestMethod]
    public void Products_FromSeveralThreads_DoNotDisturbEachOther()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        using var team = new WorkerTeam(3);
        team.Run(worker =>
        {
            for (int i = 0; i < 50; i++)
            {
                CheckMultiply(products, 20 + 10 * worker.Index, 30 + i, 40 - 10 * worker.Index, bias: true);
                CheckWeightGradient(products, 20 + i, 30 + 10 * worker.Index, 40);
            }
        });
    }

    [TestMethod]
    public void Products_ArgumentsThatDoNotFit_AreRefusedBeforeAnythingIsWritten()
    {
        NativeMatrixMultiply products = NativeLibraryOfTests.Products();
        var p = new Product(5, 20, 40, bias: true);
        float[] c = MatrixOracle.Filled(3 * 16 * p.CRowCapacity);
        void Refused(
            float[]? a = null, float[]? b = null, float[]? bias = null, float[]? target = null, int inner = 20, int? capacity = null,
            int firstRow = 0, int endRow = 5, int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(() => products.Multiply(
                a ?? p.A, capacity ?? p.ARowCapacity, inner, b ?? p.B, bias ?? p.Bias, target ?? c, p.CRowCapacity, firstRow,
                endRow, firstPanel, endPanel));

        Refused(a: p.A[1..]);
        Refused(b: p.B[1..]);
        Refused(bias: p.Bias[1..]);
        Refused(target: c[1..]);
        Refused(inner: -1);
        Refused(inner: 33);
        Refused(capacity: 4);
        Refused(capacity: int.MaxValue);
        Refused(firstRow: -1);
        Refused(firstRow: 6);
        Refused(endRow: p.ARowCapacity + 1);
        Refused(firstPanel: -1);
        Refused(firstPanel: 4);
        Refused(endPanel: int.MaxValue);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(c.Length), c));

        var g = new Gradient(5, 20, 40);
        float[] gradient = MatrixOracle.Filled(3 * 16 * 20);
        void GradientRefused(
            float[]? a = null, float[]? d = null, float[]? target = null, int inputs = 20, int rows = 5,
            int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(() => products.WeightGradient(
                a ?? g.A, g.ARowCapacity, inputs, d ?? g.D, g.DRowCapacity, rows, target ?? gradient, firstPanel, endPanel));

        GradientRefused(a: g.A[1..]);
        GradientRefused(d: g.D[1..]);
        GradientRefused(target: gradient[1..]);
        GradientRefused(inputs: -1);
        GradientRefused(inputs: 33);
        GradientRefused(rows: -1);
        GradientRefused(rows: g.ARowCapacity + 1);
        GradientRefused(firstPanel: -1);
        GradientRefused(endPanel: 4);
        Assert.AreEqual(-1, MatrixOracle.FirstDifference(MatrixOracle.Filled(gradient.Length), gradient));
    }

    private static void CheckMultiply(NativeMatrixMultiply products, int rows, int inner, int columns, bool bias)
    {
        var p = new Product(rows, inner, columns, bias);
        (double[] exact, double[] magnitude) = p.Exact();
        Assert.AreEqual(
            -1, MatrixOracle.FirstBeyondBound(exact, magnitude, p.Run(products), Bound(inner)), $"{rows} x {inner} x {columns}");
    }

    private static void CheckWeightGradient(NativeMatrixMultiply products, int rows, int inputs, int outputs)
    {
        var g = new Gradient(rows, inputs, outputs);
        (double[] exact, double[] magnitude) = g.Exact();
        Assert.AreEqual(
            -1, MatrixOracle.FirstBeyondBound(exact, magnitude, g.Run(products, 0, g.Panels), Bound(rows)),
            $"{rows} x {inputs} x {outputs}");
    }

    /// <summary>
    /// Relative to |bias| + sum |x| |y|, for a sum of n products and a bias in any order, fused or not: a term takes part in at most n + 1
    /// roundings (Higham 2002, section 3.1).
    /// </summary>
    private static double Bound(int n) => MatrixOracle.ChainErrorBound(n + 1);

    private sealed class Product
    {
        public Product(int rows, int inner, int columns, bool bias)
        {
            (Rows, Inner, Panels, ARowCapacity, CRowCapacity) = (rows, inner, PanelLayout.PanelCount(columns), rows + 2, rows + 3);
            A = MatrixOracle.RandomPanels(rows, inner, ARowCapacity, 1);
            B = MatrixOracle.Random(Panels * 16 * inner, 2);
            Bias = bias ? MatrixOracle.Random(Panels * 16, 3) : [];
        }

        public int Rows { get; }

        public int Inner { get; }

        public int Panels { get; }

        public int ARowCapacity { get; }

        public int CRowCapacity { get; }

        public float[] A { get; }

        public float[] B { get; }

        public float[] Bias { get; }

        public float[] Run(MatrixProducts products) => Run(products, 0, Rows, 0, Panels);

        public float[] Run(MatrixProducts products, int firstRow, int endRow, int firstPanel, int endPanel)
        {
            float[] c = MatrixOracle.Filled((long)Panels * 16 * CRowCapacity);
            products.Multiply(A, ARowCapacity, Inner, B, Bias, c, CRowCapacity, firstRow, endRow, firstPanel, endPanel);
            return c;
        }

        /// <summary>The exact product and |bias| + |a| |b|; where no row is, the marker and 0.</summary>
        public (double[] Exact, double[] Magnitude) Exact()
        {
            double[] exact = new double[Panels * 16 * CRowCapacity], magnitude = new double[exact.Length];
            Array.Fill(exact, MatrixOracle.Untouched);
            NaiveMatrixMultiply.Multiply(A, ARowCapacity, Inner, B, Bias, exact, CRowCapacity, 0, Rows, 0, Panels);
            NaiveMatrixMultiply.Multiply(
                MatrixOracle.Absolute(A), ARowCapacity, Inner, MatrixOracle.Absolute(B), MatrixOracle.Absolute(Bias), magnitude,
                CRowCapacity, 0, Rows, 0, Panels);
            return (exact, magnitude);
        }
    }

    private sealed class Gradient
    {
        public Gradient(int rows, int inputs, int outputs)
        {
            (Rows, Inputs, Panels, ARowCapacity, DRowCapacity) = (rows, inputs, PanelLayout.PanelCount(outputs), rows + 2, rows + 3);
            A = MatrixOracle.RandomPanels(rows, inputs, ARowCapacity, 1);
            D = MatrixOracle.RandomPanels(rows, Panels * 16, DRowCapacity, 2);
        }

        public int Rows { get; }

        public int Inputs { get; }

        public int Panels { get; }

        public int ARowCapacity { get; }

        public int DRowCapacity { get; }

        public float[] A { get; }

        public float[] D { get; }

        public float[] Run(MatrixProducts products, int firstPanel, int endPanel)
        {
            float[] c = MatrixOracle.Filled((long)Panels * 16 * Inputs);
            products.WeightGradient(A, ARowCapacity, Inputs, D, DRowCapacity, Rows, c, firstPanel, endPanel);
            return c;
        }

        /// <summary>The exact gradient and |a| |d|.</summary>
        public (double[] Exact, double[] Magnitude) Exact()
        {
            double[] exact = new double[Panels * 16 * Inputs], magnitude = new double[exact.Length];
            NaiveMatrixMultiply.WeightGradient(A, ARowCapacity, Inputs, D, DRowCapacity, Rows, exact, 0, Panels);
            NaiveMatrixMultiply.WeightGradient(
                MatrixOracle.Absolute(A), ARowCapacity, Inputs, MatrixOracle.Absolute(D), DRowCapacity, Rows, magnitude, 0, Panels);
            return (exact, magnitude);
        }
    }
}
