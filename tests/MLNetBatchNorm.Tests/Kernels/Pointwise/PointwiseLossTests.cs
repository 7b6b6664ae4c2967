using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Binary cross-entropy, squared error and Huber's loss, and the sigmoid of scoring.</summary>
[TestClass]
public sealed class PointwiseLossTests
{
    private const double U = KernelTesting.U;
    private const float Delta = 0.75f;

    public enum Kind
    {
        BinaryCrossEntropy,
        SquaredError,
        Huber,
    }

    /// <summary>
    /// Columns 1..35 and past the 256 outputs of a chunk; row counts on both sides of a chunk's edge; ranges of rows.
    /// Loss: relative 1e-6 and absolute 1e-6, as the fixtures ask; gradient: 6 u of the terms it is the difference of.
    /// </summary>
    [TestMethod]
    [DataRow(Kind.BinaryCrossEntropy, false)]
    [DataRow(Kind.BinaryCrossEntropy, true)]
    [DataRow(Kind.SquaredError, false)]
    [DataRow(Kind.SquaredError, true)]
    [DataRow(Kind.Huber, false)]
    [DataRow(Kind.Huber, true)]
    public void Loss_EveryShape_MatchesTheFormula(Kind kind, bool weighted)
    {
        var random = new Random(1);
        foreach (int outputs in Enumerable.Range(1, 35).Concat([255, 256, 257, 300, 520]))
        {
            foreach (int rows in new[] { 1, 2, 7, 19, outputs == 1 ? 600 : 33 })
            {
                var data = new Data(random, kind, outputs, rows);
                float[] weights = weighted ? Enumerable.Range(0, rows).Select(i => i % 3 == 1 ? 0f : 0.5f + (i % 5)).ToArray() : [];
                data.Check(kind, weights, rows / 4, rows - (rows / 9), Delta);
            }
        }
    }

    [TestMethod]
    [DataRow(Kind.BinaryCrossEntropy)]
    [DataRow(Kind.SquaredError)]
    [DataRow(Kind.Huber)]
    public void Loss_LargeOutputs_IsStable(Kind kind)
    {
        var data = new Data(new Random(2), kind, 3, 40);
        for (int r = 0; r < 40; r++)
        {
            for (int k = 0; k < 3; k++)
                data.SetOutput(r, k, (r % 2 == 0 ? 1 : -1) * MathF.Pow(10, r % 5));
        }

        data.Check(kind, [], 0, 40, Delta);
    }

    [TestMethod]
    public void Huber_WithAnotherDelta_IsNoticed()
        => Assert.Throws<AssertFailedException>(
            () => new Data(new Random(2), Kind.Huber, 3, 40).Check(Kind.Huber, [], 0, 40, Delta + 1e-4f));

    [TestMethod]
    [DataRow(Kind.BinaryCrossEntropy)]
    [DataRow(Kind.SquaredError)]
    [DataRow(Kind.Huber)]
    public void NaN_PropagatesUnlessItsRowHasWeightZero(Kind kind)
    {
        foreach (int outputs in new[] { 1, 5, 300 })
        {
            var data = new Data(new Random(2), kind, outputs, 6);
            data.SetOutput(2, outputs - 1, float.NaN);
            data.Targets[(4 * outputs) + (outputs / 2)] = float.NaN;
            foreach (bool removed in new[] { false, true })
            {
                float[] weights = removed ? [1, 1, 0, 1, 0, 1] : [];
                (float[] dz, float[] loss) = data.Run(kind, weights, 0, 6, Delta);
                for (int r = 0; r < 6; r++)
                {
                    Assert.AreEqual(!removed && r is 2 or 4, float.IsNaN(loss[r]), $"{kind}, loss of row {r}");
                    for (int k = 0; k < outputs; k++)
                    {
                        bool expected = !removed && ((r == 2 && k == outputs - 1) || (r == 4 && k == outputs / 2));
                        Assert.AreEqual(expected, float.IsNaN(dz[data.Index(r, k)]), $"{kind}, gradient of row {r}, output {k}");
                        if (removed && r is 2 or 4)
                            Assert.AreEqual(0f, dz[data.Index(r, k)]);
                    }

                    if (removed && r is 2 or 4)
                        Assert.AreEqual(0f, loss[r]);
                }
            }
        }
    }

    [TestMethod]
    public void Loss_InPlace_GivesTheSameBits()
    {
        foreach (int outputs in new[] { 1, 6, 300 })
        {
            var data = new Data(new Random(2), Kind.SquaredError, outputs, 11);
            (float[] dz, float[] loss) = data.Run(Kind.SquaredError, [], 0, 11, Delta);
            float[] z = (float[])data.Z.Clone();
            var rowLoss = new float[11];
            Losses.SquaredError(z, 11, outputs, data.Targets, [], Data.Scale, z, rowLoss, 0, 11);
            KernelTesting.AssertSameBits(loss, rowLoss, "loss");
            KernelTesting.AssertSameBits(dz, z, "gradient");
        }
    }

    [TestMethod]
    public void Sigmoid_EveryShape_MatchesTheFormulaAndTheSingleRow()
    {
        foreach (int outputs in Enumerable.Range(1, 35).Concat([256, 257, 600]))
        {
            foreach (int rows in new[] { 1, 3, outputs == 1 ? 600 : 20 })
            {
                var data = new Data(new Random(outputs), Kind.BinaryCrossEntropy, outputs, rows);
                int first = rows / 3;
                var p = new Guarded(rows * outputs, rows);
                Losses.Sigmoid(data.Z, rows, outputs, p.Span, first, rows);
                p.AssertUntouchedAround("probabilities");
                Assert.IsFalse(p.Span[..(first * outputs)].ContainsAnyExcept(0f));
                for (int r = first; r < rows; r++)
                {
                    for (int k = 0; k < outputs; k++)
                    {
                        double exact = 1 / (1 + Math.Exp(-data.Z[data.Index(r, k)]));
                        KernelTesting.AssertWithin(exact, p.Span[(r * outputs) + k], 6 * U * exact, () => $"{outputs} outputs, row {r}");
                    }
                }

                var row = new float[(outputs + 15) / 16 * 16];
                for (int k = 0; k < outputs; k++)
                    row[k] = data.Z[data.Index(rows - 1, k)];
                var single = new Guarded(outputs, outputs);
                Losses.Sigmoid(row, single.Span);
                single.AssertUntouchedAround("one row");
                KernelTesting.AssertSameBits(p.Span[((rows - 1) * outputs)..], single.Span, "one row");
            }
        }
    }

    [TestMethod]
    public void WrongLengths_AreRefused()
    {
        var z = new float[64];
        var n = new float[4];
        var t = new float[12];
        Assert.Throws<ArgumentException>(() => Losses.SquaredError(z, 4, 17, new float[68], [], 1, new float[128], n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.SquaredError(z, 4, 3, new float[11], [], 1, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.BinaryCrossEntropy(z, 4, 3, t, new float[3], 1, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.Huber(z, 4, 3, t, [], 1, 1, new float[63], n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.Huber(z, 4, 3, t, [], 1, 1, z, new float[3], 0, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Losses.Huber(z, 4, 3, t, [], 1, 1, z, n, 0, 5));
        Assert.Throws<ArgumentException>(() => Losses.Sigmoid(z, 4, 3, new float[11], 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.Sigmoid(new float[15], n));
    }

    private sealed class Data
    {
        /// <summary>Subnormal sigmoids count as 0.</summary>
        private const double SmallestNormal = 1.18e-38;
        public const float Scale = 0.61f;
        private const float Untouched = -77f;
        private readonly int _outputs;
        private readonly int _rows;

        public Data(Random random, Kind kind, int outputs, int rows)
        {
            _outputs = outputs;
            _rows = rows;
            Z = new float[(outputs + 15) / 16 * 16 * rows];
            Array.Fill(Z, 55.5f);
            float[] z = KernelTesting.Normal(random, rows * outputs, 0, 2);
            for (int i = 0; i < z.Length; i++)
                SetOutput(i / outputs, i % outputs, z[i]);
            Targets = kind == Kind.BinaryCrossEntropy
                ? Enumerable.Range(0, rows * outputs).Select(_ => random.Next(3) / 2f).ToArray()
                : KernelTesting.Normal(random, rows * outputs);
        }

        public float[] Z { get; }

        public float[] Targets { get; }

        public int Index(int row, int output) => PanelLayout.Index(row, output, _rows);

        public void SetOutput(int row, int output, float value) => Z[Index(row, output)] = value;

        public (float[] Gradient, float[] Loss) Run(Kind kind, float[] weights, int first, int end, float delta)
        {
            float[] dz = new float[Z.Length], loss = new float[_rows];
            Array.Fill(dz, Untouched);
            Array.Fill(loss, Untouched);
            Guarded gradient = new(dz, first), rowLoss = new(loss, end);
            switch (kind)
            {
                case Kind.BinaryCrossEntropy:
                    Losses.BinaryCrossEntropy(Z, _rows, _outputs, Targets, weights, Scale, gradient.Span, rowLoss.Span, first, end);
                    break;
                case Kind.SquaredError:
                    Losses.SquaredError(Z, _rows, _outputs, Targets, weights, Scale, gradient.Span, rowLoss.Span, first, end);
                    break;
                default:
                    Losses.Huber(Z, _rows, _outputs, Targets, weights, Scale, delta, gradient.Span, rowLoss.Span, first, end);
                    break;
            }

            gradient.AssertUntouchedAround("gradient");
            rowLoss.AssertUntouchedAround("loss");
            return (gradient.Span.ToArray(), rowLoss.Span.ToArray());
        }

        public void Check(Kind kind, float[] weights, int first, int end, float delta)
        {
            (float[] dz, float[] loss) = Run(kind, weights, first, end, delta);
            for (int r = 0; r < _rows; r++)
            {
                bool inside = r >= first && r < end;
                double weight = weights.Length == 0 ? 1 : weights[r];
                double exactLoss = 0;
                for (int k = 0; k < (_outputs + 15) / 16 * 16; k++)
                {
                    if (!inside || k >= _outputs)
                    {
                        Assert.AreEqual(inside ? 0f : Untouched, dz[Index(r, k)]);
                        continue;
                    }

                    double z = Z[Index(r, k)];
                    double y = Targets[(r * _outputs) + k];
                    (double l, double g, double size) = Formula(kind, z, y);
                    exactLoss += l / _outputs;
                    double share = weight * Scale / _outputs;
                    double bound = (6 * U * share * size) + SmallestNormal;
                    KernelTesting.AssertWithin(share * g, dz[Index(r, k)], bound, () => $"{kind}, {_outputs} outputs, row {r}, output {k}");
                }

                double expected = weight == 0 ? 0 : exactLoss;
                if (!inside)
                    Assert.AreEqual(Untouched, loss[r]);
                else
                {
                    KernelTesting.AssertWithin(
                        expected, loss[r], 1e-6 + (1e-6 * expected), () => $"{kind}, {_outputs} outputs, loss of row {r}");
                }
            }
        }

        private static (double Loss, double Gradient, double Size) Formula(Kind kind, double z, double y)
        {
            double d = z - y;
            switch (kind)
            {
                case Kind.BinaryCrossEntropy:
                    double sigmoid = 1 / (1 + Math.Exp(-z));
                    return (Math.Max(z, 0) - (z * y) + Math.Log(1 + Math.Exp(-Math.Abs(z))), sigmoid - y, sigmoid + y);
                case Kind.SquaredError:
                    return (d * d, 2 * d, 2 * Math.Abs(d));
                default:
                    return Math.Abs(d) <= Delta
                        ? (d * d / 2, d, Math.Abs(d))
                        : (Delta * (Math.Abs(d) - (Delta / 2)), Delta * Math.Sign(d), Delta);
            }
        }
    }
}
