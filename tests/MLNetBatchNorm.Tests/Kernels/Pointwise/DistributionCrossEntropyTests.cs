using System.Runtime.Intrinsics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Softmax cross-entropy against distributions, beside its formula in double and the kernel for classes.</summary>
[TestClass]
public sealed unsafe class DistributionCrossEntropyTests
{
    private const double U = KernelTesting.U;
    private const int Rows = 21;

    /// <summary>
    /// The bounds are those of the kernel for classes: a probability errs by some 13 u of itself and u |z - max|, the loss by as much in
    /// the logarithm of the sum and once more where it becomes a float.
    /// </summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void DistributionCrossEntropy_EveryNumberOfClasses_MatchesTheFormula(bool weighted)
    {
        foreach (int outputs in Enumerable.Range(1, 35).Concat([47, 48, 49, 100]))
        {
            var data = new Data(outputs, weighted);
            Check(data, data.Q, first: 3, end: 19);
        }
    }

    [TestMethod]
    public void DistributionCrossEntropy_AgainstSlightlyOtherDistributions_IsNoticed()
    {
        var data = new Data(7, weighted: false);
        float[] other = [.. data.Q];
        (other[40], other[41]) = (other[40] + 1e-5f, other[41] - 1e-5f);
        Assert.Throws<AssertFailedException>(() => Check(data, other, 0, Rows));
    }

    /// <summary>All of a distribution on one class: the kernel for classes, to within roundings.</summary>
    [TestMethod]
    [DataRow(3)]
    [DataRow(16)]
    [DataRow(20)]
    public void DistributionCrossEntropy_OfCertainty_IsThatOfTheClass(int outputs)
    {
        var data = new Data(outputs, weighted: true);
        float[] classes = [.. Enumerable.Range(0, Rows).Select(r => (float)(r % outputs))];
        Array.Clear(data.Q);
        for (int r = 0; r < Rows; r++)
            data.Q[r * outputs + r % outputs] = 1;
        (float[] dz, float[] loss) = data.Run(0, Rows);
        float[] expected = new float[dz.Length], expectedLoss = new float[Rows];
        Losses.SoftmaxCrossEntropy(data.Z, Rows, outputs, classes, data.Weights, Data.Scale, 0, expected, expectedLoss, 0, Rows);
        for (int i = 0; i < dz.Length; i++)
            Assert.AreEqual(expected[i], dz[i], 1e-6f);
        for (int r = 0; r < Rows; r++)
            Assert.AreEqual(expectedLoss[r], loss[r], 1e-5f);
    }

    [TestMethod]
    public void DistributionCrossEntropy_Gradient_IsThatOfFiniteDifferences()
    {
        var data = new Data(18, weighted: true);
        (float[] dz, _) = data.Run(0, Rows);
        const float h = 1e-2f;
        for (int k = 0; k < 18; k++)
        {
            int at = data.Index(6, k);
            float z = data.Z[at];
            data.Z[at] = z + h;
            double above = data.Run(0, Rows).Loss[6];
            data.Z[at] = z - h;
            double below = data.Run(0, Rows).Loss[6];
            data.Z[at] = z;
            Assert.AreEqual(Data.Scale * data.Weights[6] * (above - below) / (2 * h), dz[at], 2e-4);
        }
    }

    [TestMethod]
    public void DistributionCrossEntropy_RowOfWeightZero_ContributesNothingWhateverItHolds()
    {
        var data = new Data(20, weighted: true) { Weights = { [4] = 0 } };
        for (int k = 0; k < 20; k++)
            (data.Z[data.Index(4, k)], data.Q[4 * 20 + k]) = (float.NaN, float.NaN);
        (float[] dz, float[] loss) = data.Run(0, Rows);
        Assert.AreEqual(0f, loss[4]);
        for (int k = 0; k < 20; k++)
            Assert.AreEqual(0f, dz[data.Index(4, k)]);
        Assert.IsTrue(loss.All(float.IsFinite) && dz.All(float.IsFinite));
        Assert.IsGreaterThan(0, loss[5]);
    }

    [TestMethod]
    public void DistributionCrossEntropy_InPlaceAndOnEveryWidth_GivesTheSameBits()
    {
        foreach (int outputs in new[] { 1, 2, 5, 8, 16, 17, 33, 50 })
        {
            var data = new Data(outputs, weighted: true);
            (float[] dz, float[] loss) = data.Run(2, Rows);
            foreach ((float[] gradient, float[] losses) in new[]
            {
                OnWidth<Simd128, Vector128<float>>(data), OnWidth<Simd256, Vector256<float>>(data),
                OnWidth<Simd512, Vector512<float>>(data),
            })
            {
                KernelTesting.AssertSameBits(dz, gradient, "gradient");
                KernelTesting.AssertSameBits(loss, losses, "loss");
            }

            float[] inPlace = [.. data.Z];
            Losses.DistributionCrossEntropy(inPlace, Rows, outputs, data.Q, data.Weights, Data.Scale, inPlace, new float[Rows], 2, Rows);
            for (int r = 2; r < Rows; r++)
            {
                for (int k = 0; k < outputs; k++)
                    KernelTesting.AssertSameBits([dz[data.Index(r, k)]], [inPlace[data.Index(r, k)]], "in place");
            }
        }
    }

    [TestMethod]
    public void DistributionCrossEntropy_TooShortSpans_AreRefused()
    {
        float[] z = new float[64], q = new float[12], n = new float[4];
        Losses.DistributionCrossEntropy(z, 4, 3, q, [], 1, new float[64], n, 0, 4);
        Assert.Throws<ArgumentException>(() => Losses.DistributionCrossEntropy(z, 4, 3, new float[11], [], 1, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.DistributionCrossEntropy(z, 4, 17, new float[68], [], 1, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.DistributionCrossEntropy(z, 4, 3, q, new float[3], 1, z, n, 0, 4));
        Assert.Throws<ArgumentException>(() => Losses.DistributionCrossEntropy(z, 4, 3, q, [], 1, z, new float[3], 0, 4));
    }

    private static (float[] Gradient, float[] Loss) OnWidth<TSimd, V>(Data data)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float[] dz = new float[data.Z.Length], loss = new float[Rows];
        fixed (float* pz = data.Z, pq = data.Q, pw = data.Weights, pd = dz, pl = loss)
        {
            Losses.DistributionCrossEntropy<TSimd, V>(
                pz, Rows, data.Outputs, pq, data.Weights.Length == 0 ? null : pw, Data.Scale, pd, pl, 2, Rows);
        }

        return (dz, loss);
    }

    private static void Check(Data data, float[] oracle, int first, int end)
    {
        int outputs = data.Outputs;
        (float[] dz, float[] loss) = data.Run(first, end);
        for (int r = 0; r < Rows; r++)
        {
            if (r < first || r >= end)
            {
                Assert.AreEqual(0f, loss[r]);
                continue;
            }

            double[] z = [.. Enumerable.Range(0, outputs).Select(k => (double)data.Z[data.Index(r, k)])];
            double largest = z.Max(), sum = z.Sum(value => Math.Exp(value - largest));
            double weight = data.Weights.Length == 0 ? 1 : data.Weights[r], exactLoss = 0, size = 1;
            for (int k = 0; k < outputs; k++)
            {
                double q = oracle[r * outputs + k], p = Math.Exp(z[k] - largest) / sum;
                exactLoss -= q * (z[k] - largest - Math.Log(sum));
                size += q * Math.Abs(z[k] - largest);
                double bound = ((13 + outputs / 16.0 + Math.Abs(z[k] - largest)) * U * p) + (6 * U * q);
                KernelTesting.AssertWithin(
                    weight * Data.Scale * (p - q), dz[data.Index(r, k)], weight * Data.Scale * (bound + 1e-37),
                    () => $"gradient of row {r}");
            }

            // The distribution's own sum is 1 to within a rounding of each of its numbers.
            KernelTesting.AssertWithin(
                exactLoss, loss[r], (14 + outputs / 16.0 + Math.Log(sum)) * U * size, () => $"{outputs} classes, loss of row {r}");
            for (int k = outputs; k < (outputs + 15) / 16 * 16; k++)
                Assert.AreEqual(0f, dz[data.Index(r, k)], "padding");
        }
    }

    /// <summary>Logits in panels with garbage in the padding lanes, and distributions.</summary>
    private sealed class Data
    {
        public const float Scale = 0.37f;

        public Data(int outputs, bool weighted)
        {
            var random = new Random(outputs);
            Outputs = outputs;
            Z = new float[(outputs + 15) / 16 * 16 * Rows];
            Array.Fill(Z, 123.5f);
            float[] logits = KernelTesting.Normal(random, Rows * outputs, 0, 3);
            for (int i = 0; i < logits.Length; i++)
                Z[Index(i / outputs, i % outputs)] = logits[i];
            Q = new float[Rows * outputs];
            for (int r = 0; r < Rows; r++)
            {
                double[] parts = [.. Enumerable.Range(0, outputs).Select(_ => random.Next(4) == 0 ? 0 : random.NextDouble() + 1e-3)];
                parts[r % outputs] += 1;
                for (int k = 0; k < outputs; k++)
                    Q[r * outputs + k] = (float)(parts[k] / parts.Sum());
            }

            Weights = weighted ? [.. Enumerable.Range(0, Rows).Select(r => 0.5f + r / 7f)] : [];
        }

        public int Outputs { get; }

        public float[] Z { get; }

        public float[] Q { get; }

        public float[] Weights { get; }

        public int Index(int row, int output) => PanelLayout.Index(row, output, Rows);

        public (float[] Gradient, float[] Loss) Run(int first, int end)
        {
            float[] dz = new float[Z.Length], loss = new float[Rows];
            Losses.DistributionCrossEntropy(Z, Rows, Outputs, Q, Weights, Scale, dz, loss, first, end);
            return (dz, loss);
        }
    }
}
