using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

[TestClass]
public sealed class SoftmaxCrossEntropyTests
{
    private const double U = KernelTesting.U;
    private const float Garbage = 123.5f;

    /// <summary>
    /// Every number of classes up to several panels, blocks of rows cut at odd places, with and without weights and smoothing.
    /// A probability errs by 10 u of itself (shift, exponential 2 u, tree of at most 4 + panels additions, reciprocal, product) plus what
    /// the rounding of z - max does: u |z - max|. The loss: the same for the logarithm of the sum, plus u per operation on |z - max|.
    /// </summary>
    [TestMethod]
    [DataRow(false, 0f)]
    [DataRow(true, 0f)]
    [DataRow(false, 0.1f)]
    [DataRow(true, 0.3f)]
    public void SoftmaxCrossEntropy_EveryNumberOfClasses_MatchesTheFormula(bool weighted, float smoothing)
    {
        var random = new Random(5);
        foreach (int outputs in Enumerable.Range(1, 35).Concat([47, 48, 49, 64, 100]))
        {
            foreach (int rows in new[] { 1, 2, 15, 16, 17, 40 })
            {
                var data = new Data(random, outputs, rows, spread: 3);
                float[] weights = weighted ? Weights(random, rows) : [];
                int first = rows / 3;
                int end = rows - (rows / 7);
                Check(data, weights, smoothing, first, end);
            }
        }
    }

    [TestMethod]
    [DataRow(0f)]
    [DataRow(0.2f)]
    public void SoftmaxCrossEntropy_LogitsOfAThousand_AreStable(float smoothing)
    {
        var random = new Random(6);
        foreach (int outputs in new[] { 2, 3, 7, 10, 16, 20 })
        {
            var data = new Data(random, outputs, 33, spread: 1);
            for (int r = 0; r < 33; r++)
            {
                for (int k = 0; k < outputs; k++)
                    data.SetLogit(r, k, random.Next(3) switch { 0 => -1000, 1 => 0, _ => 1000 });
            }

            Check(data, [], smoothing, 0, 33);
        }
    }

    [TestMethod]
    public void SoftmaxCrossEntropy_WithSlightlyOtherSmoothing_IsNoticed()
        => Assert.Throws<AssertFailedException>(() =>
        {
            var data = new Data(new Random(1), 5, 20, spread: 3);
            Check(data, [], 0.1f, 0, 20, smoothingOfOracle: 0.101f);
        });

    /// <summary>Gradients of a row sum to zero: p and q both sum to one. 16 u per class and row is far above the rounding.</summary>
    [TestMethod]
    public void SoftmaxCrossEntropy_GradientsOfARow_SumToZero()
    {
        var data = new Data(new Random(2), 12, 50, spread: 4);
        (float[] dz, _) = data.Run([], 1, 0.1f, 0, 50);
        for (int r = 0; r < 50; r++)
            Assert.AreEqual(0.0, Enumerable.Range(0, 12).Sum(k => (double)dz[data.Index(r, k)]), 16 * 12 * U);
    }

    [TestMethod]
    public void SoftmaxCrossEntropy_RowOfWeightZero_ContributesNothingWhateverItHolds()
    {
        foreach (int outputs in new[] { 3, 16, 21 })
        {
            var data = new Data(new Random(2), outputs, 20, spread: 1);
            float[] weights = new float[20];
            Array.Fill(weights, 1f);
            (float[] cleanGradient, float[] cleanLoss) = data.Run(weights, 1, 0, 0, 20);
            weights[4] = 0;
            weights[17] = -0f;
            data.Classes[4] = float.NaN;
            data.Classes[17] = 99;
            for (int k = 0; k < outputs; k++)
            {
                data.SetLogit(4, k, float.NaN);
                data.SetLogit(17, k, float.PositiveInfinity);
            }

            (float[] dz, float[] loss) = data.Run(weights, 1, 0, 0, 20);
            for (int r = 0; r < 20; r++)
            {
                bool removed = r is 4 or 17;
                KernelTesting.AssertSameBits([removed ? 0 : cleanLoss[r]], [loss[r]], "loss");
                for (int k = 0; k < outputs; k++)
                    KernelTesting.AssertSameBits([removed ? 0 : cleanGradient[data.Index(r, k)]], [dz[data.Index(r, k)]], "gradient");
            }
        }
    }

    [TestMethod]
    public void SoftmaxCrossEntropy_NaNLogit_MakesItsRowNaNAndNoOther()
    {
        foreach (int outputs in new[] { 1, 2, 4, 5, 8, 9, 16, 17, 40 })
        {
            for (int k = 0; k < outputs; k++)
            {
                var data = new Data(new Random(2), outputs, 3, spread: 1);
                data.SetLogit(1, k, float.NaN);
                (float[] dz, float[] loss) = data.Run([], 1, 0, 0, 3);
                float[] p = data.Softmax(0, 3);
                for (int r = 0; r < 3; r++)
                {
                    Assert.AreEqual(r == 1, float.IsNaN(loss[r]), $"loss of row {r}, class {k} of {outputs}");
                    for (int j = 0; j < outputs; j++)
                    {
                        Assert.AreEqual(r == 1, float.IsNaN(dz[data.Index(r, j)]), $"gradient of row {r}");
                        Assert.AreEqual(r == 1, float.IsNaN(p[(r * outputs) + j]), $"probability of row {r}");
                    }
                }
            }
        }
    }

    [TestMethod]
    public void SoftmaxCrossEntropy_ClassWithLogitMinusInfinity_HasProbabilityZero()
    {
        var data = new Data(new Random(3), 5, 2, spread: 1);
        data.SetLogit(0, 3, float.NegativeInfinity);
        data.Classes[0] = 1;
        (float[] dz, float[] loss) = data.Run([], 1, 0, 0, 2);
        Assert.AreEqual(0f, dz[data.Index(0, 3)]);
        Assert.IsTrue(float.IsFinite(loss[0]));
        data.Classes[0] = 3;
        (_, loss) = data.Run([], 1, 0, 0, 2);
        Assert.AreEqual(float.PositiveInfinity, loss[0]);
    }

    [TestMethod]
    [DataRow(-1f)]
    [DataRow(3f)]
    [DataRow(1.5f)]
    [DataRow(float.NaN)]
    [DataRow(1e30f)]
    public void SoftmaxCrossEntropy_InvalidClass_IsRefused(float value)
    {
        var data = new Data(new Random(3), 3, 4, spread: 1);
        data.Classes[2] = value;
        Assert.Throws<ArgumentException>(() => data.Run([], 1, 0, 0, 4));
    }

    [TestMethod]
    public void SoftmaxCrossEntropy_InPlace_GivesTheSameBits()
    {
        foreach (int outputs in new[] { 2, 7, 13, 30 })
        {
            var data = new Data(new Random(9), outputs, 21, spread: 2);
            (float[] dz, float[] loss) = data.Run([], 0.5f, 0.1f, 0, 21);
            float[] z = (float[])data.Z.Clone();
            var rowLoss = new float[21];
            Losses.SoftmaxCrossEntropy(z, 21, outputs, data.Classes, [], 0.5f, 0.1f, z, rowLoss, 0, 21);
            KernelTesting.AssertSameBits(dz, z, "gradient");
            KernelTesting.AssertSameBits(loss, rowLoss, "loss");
        }
    }

    [TestMethod]
    public void Softmax_EveryNumberOfClasses_MatchesTheFormulaAndTheSingleRow()
    {
        var random = new Random(8);
        foreach (int outputs in Enumerable.Range(1, 35).Concat([47, 48, 49, 100]))
        {
            foreach (int rows in new[] { 1, 2, 5, 18 })
            {
                var data = new Data(random, outputs, rows, spread: 3);
                float[] p = data.Softmax(rows / 3, rows);
                for (int r = rows / 3; r < rows; r++)
                {
                    double[] exact = data.Probabilities(r);
                    for (int k = 0; k < outputs; k++)
                    {
                        double bound = (11 + (outputs / 16) + Math.Abs(data.Shifted(r, k))) * U * exact[k];
                        KernelTesting.AssertWithin(exact[k], p[(r * outputs) + k], bound, () => $"{outputs} classes, row {r}, class {k}");
                    }

                    var single = new Guarded(outputs, r);
                    float[] row = Enumerable.Range(0, (outputs + 15) / 16 * 16)
                        .Select(k => k < outputs ? data.Z[data.Index(r, k)] : Garbage).ToArray();
                    Losses.Softmax(row, single.Span);
                    single.AssertUntouchedAround("one row");
                    KernelTesting.AssertSameBits(p.AsSpan(r * outputs, outputs), single.Span, "one row");
                }
            }
        }
    }

    [TestMethod]
    public void WrongLengths_AreRefused()
    {
        var z = new float[64];
        var n = new float[4];
        Assert.Throws<ArgumentException>(() => Losses.SoftmaxCrossEntropy(z, 4, 17, n, [], 1, 0, new float[128], n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.SoftmaxCrossEntropy(z, 4, 3, n, [], 1, 0, new float[63], n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.SoftmaxCrossEntropy(z, 4, 3, new float[3], [], 1, 0, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.SoftmaxCrossEntropy(z, 4, 3, n, new float[3], 1, 0, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.SoftmaxCrossEntropy(z, 4, 3, n, [], 1, 0, z, new float[3], 0, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Losses.SoftmaxCrossEntropy(z, 4, 3, n, [], 1, 0, z, n, 0, 5));
        Assert.Throws<ArgumentOutOfRangeException>(() => Losses.SoftmaxCrossEntropy(z, 4, 3, n, [], 1, 0, z, n, 2, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Losses.SoftmaxCrossEntropy(z, 4, 0, n, [], 1, 0, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.Softmax(z, 4, 3, new float[11], 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.Softmax(new float[15], n));
    }

    private static void Check(Data data, float[] weights, float smoothing, int first, int end, float? smoothingOfOracle = null)
    {
        const float Scale = 0.37f;
        (float[] dz, float[] loss) = data.Run(weights, Scale, smoothing, first, end);
        double s = smoothingOfOracle ?? smoothing;
        int outputs = data.Outputs;
        for (int r = first; r < end; r++)
        {
            double weight = weights.Length == 0 ? 1 : weights[r];
            double[] p = data.Probabilities(r);
            double exactLoss = 0;
            double sizeOfLoss = 1;
            for (int k = 0; k < outputs; k++)
            {
                double q = ((1 - s) * (k == (int)data.Classes[r] ? 1 : 0)) + (s / outputs);
                if (q > 0)
                    exactLoss -= q * data.LogProbability(r, k);
                sizeOfLoss += q * Math.Abs(data.Shifted(r, k));
                double exact = weight * Scale * (p[k] - q);
                double bound = ((13 + (outputs / 16.0) + Math.Abs(data.Shifted(r, k))) * U * p[k]) + (6 * U * q);
                int at = k;
                double scaled = weight * Scale * (bound + 1e-37);
                KernelTesting.AssertWithin(
                    exact, dz[data.Index(r, k)], scaled, () => $"{outputs} classes, gradient of row {r}, class {at}");
            }

            if (weight == 0)
                exactLoss = 0;
            double lossBound = (14 + (outputs / 16.0)) * U * sizeOfLoss;
            KernelTesting.AssertWithin(exactLoss, loss[r], lossBound, () => $"{outputs} classes, loss of row {r}");
            for (int k = outputs; k < (outputs + 15) / 16 * 16; k++)
                Assert.AreEqual(0f, dz[data.Index(r, k)], "padding");
        }

        data.AssertOutsideUntouched(dz, loss, first, end);
    }

    private static float[] Weights(Random random, int rows)
        => Enumerable.Range(0, rows).Select(_ => random.Next(4) == 0 ? 0f : (float)(random.NextDouble() * 3)).ToArray();

    /// <summary>Logits in panels with garbage in the padding lanes, class numbers, and the formulas in double.</summary>
    private sealed class Data
    {
        private const float Untouched = -77f;
        private readonly int _rows;

        public Data(Random random, int outputs, int rows, double spread)
        {
            Outputs = outputs;
            _rows = rows;
            Z = new float[(outputs + 15) / 16 * 16 * rows];
            Array.Fill(Z, Garbage);
            float[] logits = KernelTesting.Normal(random, rows * outputs, 0, spread);
            for (int i = 0; i < logits.Length; i++)
                SetLogit(i / outputs, i % outputs, logits[i]);
            Classes = Enumerable.Range(0, rows).Select(_ => (float)random.Next(outputs)).ToArray();
        }

        public int Outputs { get; }

        public float[] Z { get; }

        public float[] Classes { get; }

        public int Index(int row, int output) => PanelLayout.Index(row, output, _rows);

        public void SetLogit(int row, int output, float value) => Z[Index(row, output)] = value;

        public (float[] Gradient, float[] Loss) Run(float[] weights, float scale, float smoothing, int first, int end)
        {
            float[] dz = new float[Z.Length], loss = new float[_rows];
            Array.Fill(dz, Untouched);
            Array.Fill(loss, Untouched);
            Guarded guardedGradient = new(dz, first), guardedLoss = new(loss, end);
            Losses.SoftmaxCrossEntropy(
                Z, _rows, Outputs, Classes, weights, scale, smoothing, guardedGradient.Span, guardedLoss.Span, first, end);
            guardedGradient.AssertUntouchedAround("gradient");
            guardedLoss.AssertUntouchedAround("loss");
            return (guardedGradient.Span.ToArray(), guardedLoss.Span.ToArray());
        }

        public float[] Softmax(int first, int end)
        {
            float[] p = new float[_rows * Outputs];
            Array.Fill(p, Untouched);
            var guarded = new Guarded(p, first);
            Losses.Softmax(Z, _rows, Outputs, guarded.Span, first, end);
            guarded.AssertUntouchedAround("probabilities");
            Assert.IsFalse(guarded.Span[..(first * Outputs)].ContainsAnyExcept(Untouched));
            Assert.IsFalse(guarded.Span[(end * Outputs)..].ContainsAnyExcept(Untouched));
            return guarded.Span.ToArray();
        }

        public void AssertOutsideUntouched(float[] dz, float[] loss, int first, int end)
        {
            for (int r = 0; r < _rows; r++)
            {
                if (r >= first && r < end)
                    continue;
                Assert.AreEqual(Untouched, loss[r]);
                for (int k = 0; k < Outputs; k++)
                    Assert.AreEqual(Untouched, dz[Index(r, k)]);
            }
        }

        public double Shifted(int row, int output)
            => (double)Z[Index(row, output)] - Enumerable.Range(0, Outputs).Max(k => Z[Index(row, k)]);

        public double LogProbability(int row, int output)
            => Shifted(row, output) - Math.Log(Enumerable.Range(0, Outputs).Sum(k => Math.Exp(Shifted(row, k))));

        public double[] Probabilities(int row) => Enumerable.Range(0, Outputs).Select(k => Math.Exp(LogProbability(row, k))).ToArray();
    }
}
