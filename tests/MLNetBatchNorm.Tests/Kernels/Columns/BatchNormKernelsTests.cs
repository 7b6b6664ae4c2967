using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class BatchNormKernelsTests
{
    private const double U = KernelTesting.U;

    public static IEnumerable<object[]> Functions
        => ActivationOracle.All.Select(f => new object[] { f }).Prepend([null!]);

    /// <summary>
    /// z errs by 2 u in the product (scale, difference), u each for shift and the sum; the activations have slopes below 1.13 (SELU 1.76)
    /// and add at most 1e-6 of their own (<see cref="ActivationKernelsTests"/>).
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void Normalize_EveryRowCount_MatchesTheFormula(ActivationFunction? f)
    {
        foreach (int rows in KernelTesting.RowCounts(0))
        {
            var panel = new Panel(rows, rows);
            var y = new Guarded(rows * 16, rows);
            panel.Normalize(f, y.Span);
            y.AssertUntouchedAround("y");
            for (int i = 0; i < y.Span.Length; i++)
            {
                double z = panel.ExactZ(i);
                KernelTesting.AssertWithin(
                    ActivationOracle.Value(f, z), y.Span[i], (f == null ? 0 : 1e-6) + (1.8 * panel.ErrorOfZ(i)),
                    () => $"{f}, {rows} rows, element {i}");
            }
        }
    }

    [TestMethod]
    public void Normalize_InPlace_GivesTheSameBits()
    {
        var panel = new Panel(77, 1);
        var expected = new float[77 * 16];
        panel.Normalize(ActivationFunction.SiLU, expected);
        panel.Normalize(ActivationFunction.SiLU, panel.X, inPlace: true);
        KernelTesting.AssertSameBits(expected, panel.X, "in place");
    }

    /// <summary>The mean as one float instead of two: the error at an offset of 10^6 deviations breaks the bound by far.</summary>
    [TestMethod]
    public void Normalize_WithTheMeanRoundedToFloat_IsNoticed()
    {
        var panel = new Panel(100, 1);
        var y = new float[1600];
        for (int c = 0; c < 16; c++)
            panel.Offset[c] = 0;
        panel.Normalize(null, y);
        panel.RestoreOffset();
        double worst = Enumerable.Range(0, 1600).Max(i => Math.Abs(y[i] - panel.ExactZ(i)) / panel.ErrorOfZ(i));
        Assert.IsGreaterThan(100, worst);
    }

    /// <summary>
    /// d: relative error 1e-6 plus what the error of z makes of the slope (|f''| &lt;= 1.8). Sums: chains of at most 65 fused operations,
    /// joined by one addition: 68 u sum|term| with the rounding of the terms, on top of the errors of d.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void BackwardSums_EveryRowCount_MatchTheFormula(ActivationFunction? f)
    {
        foreach (int rows in KernelTesting.RowCounts(0))
        {
            var panel = new Panel(rows, rows + 100);
            var y = new float[rows * 16];
            panel.Normalize(f, y);
            float[] incoming = KernelTesting.Normal(new Random(rows), rows * 16);
            var d = new Guarded(incoming, rows);
            Guarded dGamma = new(16, rows + 1), dBeta = new(16, rows + 2);
            dGamma.Span.Fill(99);       // overwritten, not added to
            dBeta.Span.Fill(99);
            panel.BackwardSums(f, y, d.Span, dGamma.Span, dBeta.Span);
            d.AssertUntouchedAround("d");
            dGamma.AssertUntouchedAround("dGamma");
            dBeta.AssertUntouchedAround("dBeta");
            for (int c = 0; c < 16; c++)
            {
                double sum = 0, product = 0, sumBound = 1e-30, productBound = 1e-30;
                for (int r = 0; r < rows; r++)
                {
                    int i = (r * 16) + c;
                    double exact = incoming[i] * ActivationOracle.Derivative(f, panel.ExactZ(i));
                    double bound = Math.Abs(incoming[i]) * (1e-6 + (1.8 * panel.ErrorOfZ(i)));
                    if (panel.IsAtKink(f, i))
                        bound = 2 * Math.Abs(incoming[i]);
                    int at = i;
                    KernelTesting.AssertWithin(exact, d.Span[i], bound, () => $"{f}, {rows} rows, element {at}");

                    double xhat = panel.ExactXhat(i);
                    double term = Math.Abs(exact) + bound;
                    sum += exact;
                    product += exact * xhat;
                    sumBound += bound + (68 * U * term);
                    productBound +=
                        (bound + (71 * U * term)) * (Math.Abs(xhat) + (2 * Math.Abs(panel.Offset[c] * panel.InverseDeviation[c])));
                }

                KernelTesting.AssertWithin(
                    sum, dBeta.Span[c], sumBound + (U * Math.Abs(sum)), () => $"{f}, dBeta, {rows} rows, column {c}");
                KernelTesting.AssertWithin(
                    product, dGamma.Span[c], productBound + (U * Math.Abs(product)), () => $"{f}, dGamma, {rows} rows, column {c}");
            }
        }
    }

    /// <summary>Five rounded operations, each on a number no larger than the three terms together.</summary>
    [TestMethod]
    public void BackwardInput_EveryRowCount_MatchesTheFormula()
    {
        foreach (int rows in KernelTesting.RowCounts(0))
        {
            var panel = new Panel(rows, rows + 200);
            var random = new Random(rows);
            float[] incoming = KernelTesting.Normal(random, rows * 16);
            float[] dGamma = KernelTesting.Normal(random, 16, 0, rows);
            float[] dBeta = KernelTesting.Normal(random, 16, 0, rows);
            var d = new Guarded(incoming, rows);
            panel.BackwardInput(dGamma, dBeta, d.Span);
            d.AssertUntouchedAround("d");
            for (int i = 0; i < incoming.Length; i++)
            {
                int c = i & 15;
                double scale = (double)panel.Gamma[c] * panel.InverseDeviation[c];
                double mean = (double)dBeta[c] / rows;
                double slope = (double)dGamma[c] / rows;
                double exact = scale * (incoming[i] - mean - (panel.ExactXhat(i) * slope));
                double size = Math.Abs(incoming[i]) + Math.Abs(mean)
                    + (Math.Abs(slope) * (Math.Abs(panel.ExactXhat(i)) + (2 * Math.Abs(panel.Offset[c] * panel.InverseDeviation[c]))));
                KernelTesting.AssertWithin(exact, d.Span[i], 6 * U * Math.Abs(scale) * size, () => $"{rows} rows, element {i}");
            }
        }
    }

    /// <summary>
    /// The two halves together against central differences of the loss sum(w * y) through mean and variance, all in double.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void Backward_ThroughMeanAndVariance_MatchesCentralDifferences(ActivationFunction? f)
    {
        const int Rows = 7;
        const double Epsilon = 1e-3;
        var panel = new Panel(Rows, 42, Epsilon);
        var y = new float[Rows * 16];
        panel.Normalize(f, y);
        float[] weights = KernelTesting.Normal(new Random(4), Rows * 16);
        float[] d = (float[])weights.Clone();
        float[] dGamma = new float[16], dBeta = new float[16];
        panel.BackwardSums(f, y, d, dGamma, dBeta);
        panel.BackwardInput(dGamma, dBeta, d);
        for (int c = 0; c < 16; c++)
        {
            double[] column = Enumerable.Range(0, Rows).Select(r => (double)panel.X[(r * 16) + c]).ToArray();
            double deviation = 1 / panel.InverseDeviation[c];
            double h = 1e-4 * deviation;
            if (f is ActivationFunction.ReLU or ActivationFunction.LeakyReLU or ActivationFunction.ELU or ActivationFunction.SELU
                && Enumerable.Range(0, Rows).Any(r => Math.Abs(panel.ExactZ((r * 16) + c)) < 1e-3))
                continue;       // a difference quotient across a kink says nothing
            for (int r = 0; r < Rows; r++)
            {
                double middle = column[r];
                column[r] = middle + h;
                double above = Loss(column, c);
                column[r] = middle - h;
                double below = Loss(column, c);
                column[r] = middle;
                double exact = (above - below) / (2 * h);
                KernelTesting.AssertWithin(
                    exact, d[(r * 16) + c], 2e-5 * Math.Abs(panel.Gamma[c]) / deviation, () => $"{f}, row {r}, column {c}");
            }
        }

        double Loss(double[] column, int c)
        {
            double mean = column.Average();
            double variance = column.Average(value => (value - mean) * (value - mean));
            double loss = 0;
            for (int r = 0; r < Rows; r++)
                loss += weights[(r * 16) + c]
                    * ActivationOracle.Value(f, (panel.Gamma[c] * (column[r] - mean) / Math.Sqrt(variance + Epsilon)) + panel.Beta[c]);
            return loss;
        }
    }

    [TestMethod]
    [DynamicData(nameof(Functions))]
    public void NaN_PropagatesThroughEveryKernel(ActivationFunction? f)
    {
        var panel = new Panel(5, 1);
        panel.X[(2 * 16) + 3] = float.NaN;
        var y = new float[80];
        panel.Normalize(f, y);
        var d = new float[80];
        Array.Fill(d, 1f);
        d[(1 * 16) + 6] = float.NaN;
        float[] dGamma = new float[16], dBeta = new float[16];
        panel.BackwardSums(f, y, d, dGamma, dBeta);
        for (int i = 0; i < 80; i++)
        {
            Assert.AreEqual(i == 35, float.IsNaN(y[i]), $"y[{i}]");
            if (f != null)
                Assert.AreEqual(i is 35 or 22, float.IsNaN(d[i]), $"d[{i}]");
        }

        for (int c = 0; c < 16; c++)
            Assert.AreEqual(c is 3 or 6, float.IsNaN(dGamma[c]), $"dGamma[{c}]");
        Assert.IsTrue(float.IsNaN(dBeta[6]));

        panel.BackwardInput(dGamma, dBeta, d);
        for (int i = 0; i < 80; i++)
            Assert.AreEqual((i & 15) is 3 or 6, float.IsNaN(d[i]), $"gradient of the input [{i}]");
    }

    [TestMethod]
    public void WrongLengths_AreRefused()
    {
        var x = new float[32];
        var s = new float[16];
        var few = new float[15];
        Assert.Throws<ArgumentException>(() => BatchNormKernels.Normalize(null, x, 3, s, s, s, s, s, new float[48]));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.Normalize(null, x, 2, s, s, s, s, s, few));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.Normalize(null, x, 2, few, s, s, s, s, x));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.Normalize(null, x, 2, s, s, s, s, few, x));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.Normalize(null, x, -1, s, s, s, s, s, x));
        Assert.Throws<ArgumentOutOfRangeException>(() => BatchNormKernels.Normalize((ActivationFunction)(-1), x, 2, s, s, s, s, s, x));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.BackwardSums(null, x, 2, s, s, s, s, s, s, new float[32], s, s));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.BackwardSums(null, x, 2, s, s, s, s, s, x, new float[32], few, s));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => BatchNormKernels.BackwardSums((ActivationFunction)(-1), x, 2, s, s, s, s, s, x, new float[32], s, s));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.BackwardInput(x, 2, s, s, s, s, s, few, new float[32]));
        Assert.Throws<ArgumentException>(() => BatchNormKernels.BackwardInput(x, 2, s, s, s, s, s, s, new float[31]));
    }

    /// <summary>A panel with its statistics; column c lies at an offset of 0, 1, 10, ... 10^6 deviations.</summary>
    private sealed class Panel
    {
        private readonly int _rows;
        private readonly float[] _original;
        private readonly float[] _offset;

        public Panel(int rows, int seed, double epsilon = 1e-5)
        {
            var random = new Random(seed);
            _rows = rows;
            X = KernelTesting.Normal(random, rows * 16);
            for (int i = 0; i < X.Length; i++)
                X[i] += (i & 15) % 8 == 7 ? 0 : MathF.Pow(10, (i & 15) % 8);
            Gamma = KernelTesting.Normal(random, 16, 1, 0.5);
            Beta = KernelTesting.Normal(random, 16);
            var variance = new float[16];
            if (rows > 0)
                ColumnStatistics.Moments(X, rows, Pivot, Offset, variance);
            for (int c = 0; c < 16; c++)
                InverseDeviation[c] = (float)(1 / Math.Sqrt(variance[c] + epsilon));
            _original = (float[])X.Clone();
            _offset = (float[])Offset.Clone();
        }

        public float[] X { get; }

        public float[] Pivot { get; } = new float[16];

        public float[] Offset { get; } = new float[16];

        public float[] InverseDeviation { get; } = new float[16];

        public float[] Gamma { get; }

        public float[] Beta { get; }

        public void RestoreOffset() => _offset.CopyTo(Offset, 0);

        public double ExactXhat(int i)
        {
            int c = i & 15;
            return ((double)_original[i] - Pivot[c] - _offset[c]) * InverseDeviation[c];
        }

        public double ExactZ(int i) => (Gamma[i & 15] * ExactXhat(i)) + Beta[i & 15];

        public double ErrorOfZ(int i)
        {
            int c = i & 15;
            double scale = Math.Abs((double)Gamma[c] * InverseDeviation[c]);
            double product = scale * Math.Abs((double)_original[i] - Pivot[c]);
            double shift = Math.Abs(Beta[c]) + (scale * Math.Abs(_offset[c]));
            return U * ((2 * product) + (3 * shift) + Math.Abs(ExactZ(i)));
        }

        /// <summary>True where the error of z decides on which side of the kink it lies, or the difference quotient straddles it.</summary>
        public bool IsAtKink(ActivationFunction? f, int i)
            => f is ActivationFunction.ReLU or ActivationFunction.LeakyReLU or ActivationFunction.ELU or ActivationFunction.SELU
                && Math.Abs(ExactZ(i)) < 2e-5;

        public void Normalize(ActivationFunction? f, Span<float> y, bool inPlace = false)
            => BatchNormKernels.Normalize(f, inPlace ? y : X, _rows, Pivot, Offset, InverseDeviation, Gamma, Beta, y);

        public void BackwardSums(ActivationFunction? f, ReadOnlySpan<float> y, Span<float> d, Span<float> dGamma, Span<float> dBeta)
            => BatchNormKernels.BackwardSums(f, X, _rows, Pivot, Offset, InverseDeviation, Gamma, Beta, y, d, dGamma, dBeta);

        public void BackwardInput(ReadOnlySpan<float> dGamma, ReadOnlySpan<float> dBeta, Span<float> d)
            => BatchNormKernels.BackwardInput(X, _rows, Pivot, Offset, InverseDeviation, Gamma, dGamma, dBeta, d);
    }
}
