using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>
/// What docs/math.md, section 2, deduces from the backward pass: the gradient has no part along the
/// constant vector, and only epsilon's part along xhat.
/// </summary>
[TestClass]
public sealed class BatchNormIdentitiesTests
{
    private const int Width = 16;
    private const int Rows = 37;

    /// <summary>Large, so that epsilon's part is far from zero.</summary>
    private const double Epsilon = 0.5;

    /// <summary>Sums over 37 rows of numbers of size 1: 37 roundings of 2^-24 each in x, d and the result, with room to spare.</summary>
    private const double Tolerance = 37 * 6e-8 * 10;

    [TestMethod]
    public void InputGradient_HasNoPartAlongTheConstantVector_AndEpsilonsPartAlongTheNormalizedOne()
    {
        Backward(Rows, out double[] sums, out double[] alongNormalized, out double[] expected);

        for (int c = 0; c < Width; c++)
        {
            Assert.AreEqual(0, sums[c], Tolerance, $"column {c}: sum of dx");
            Assert.AreEqual(expected[c], alongNormalized[c], Tolerance, $"column {c}: sum of xhat dx");
            Assert.IsGreaterThan(
                100 * Tolerance, Math.Abs(expected[c]), $"column {c}: the test proves nothing if epsilon's part is this small");
        }
    }

    /// <summary>The second half told another number of rows than there are: both identities fail.</summary>
    [TestMethod]
    public void InputGradient_WithAWrongNumberOfRows_IsNoticed()
    {
        Backward(Rows - 1, out double[] sums, out double[] alongNormalized, out double[] expected);

        Assert.IsTrue(Enumerable.Range(0, Width).All(c => Math.Abs(sums[c]) > Tolerance));
        Assert.IsTrue(Enumerable.Range(0, Width).All(c => Math.Abs(alongNormalized[c] - expected[c]) > Tolerance));
    }

    private static void Backward(int rowsOfSecondHalf, out double[] sums, out double[] alongNormalized, out double[] expected)
    {
        var random = new Random(7);
        float[] x = [.. Enumerable.Range(0, Rows * Width).Select(i => i % Width + random.NextSingle())];
        float[] d = [.. Enumerable.Range(0, Rows * Width).Select(_ => random.NextSingle() - 0.2f)];
        float[] gamma = [.. Enumerable.Range(0, Width).Select(c => 0.5f + c / 8f)];
        float[] beta = new float[Width], y = new float[Rows * Width], dGamma = new float[Width], dBeta = new float[Width];
        float[] pivot = new float[Width], offset = new float[Width], variance = new float[Width];
        ColumnStatistics.Moments(x, Rows, pivot, offset, variance);
        float[] inverse = [.. variance.Select(v => (float)(1 / Math.Sqrt(v + Epsilon)))];
        BatchNormKernels.Normalize(null, x, Rows, pivot, offset, inverse, gamma, beta, y);
        BatchNormKernels.BackwardSums(null, x, Rows, pivot, offset, inverse, gamma, beta, y, d, dGamma, dBeta);
        int length = rowsOfSecondHalf * Width;
        BatchNormKernels.BackwardInput(
            x.AsSpan(0, length), rowsOfSecondHalf, pivot, offset, inverse, gamma, dGamma, dBeta, d.AsSpan(0, length));

        sums = new double[Width];
        alongNormalized = new double[Width];
        expected = [.. Enumerable.Range(0, Width).Select(c => gamma[c] * inverse[c] * dGamma[c] * Epsilon / (variance[c] + Epsilon))];
        for (int i = 0; i < length; i++)
        {
            int c = i % Width;
            sums[c] += d[i];
            alongNormalized[c] += ((double)x[i] - pivot[c] - offset[c]) * inverse[c] * d[i];
        }
    }
}
