using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.Network;

/// <summary>Weights of half precision: how far they are off, and that rounding twice is rounding once.</summary>
[TestClass]
public sealed class HalfWeightsTests
{
    [TestMethod]
    [DataRow(1f)]
    [DataRow(3e-20f)]
    [DataRow(2e30f)]
    [DataRow(1e-38f)]
    public void Round_WeightsOfAnySize_AreOffByHalfABitOfEleven(float size)
    {
        LinearParameters linear = Map(size, seed: 1), exact = Map(size, seed: 1);
        Assert.IsFalse(HalfWeights.Holds(linear));
        HalfWeights.Round(linear);

        Assert.IsTrue(HalfWeights.Holds(linear));
        float largest = 0;
        foreach (float weight in exact.Weights.Span)
            largest = Math.Max(largest, Math.Abs(weight));
        for (int i = 0; i < exact.Weights.Length; i++)
        {
            double off = Math.Abs((double)linear.Weights.Span[i] - exact.Weights.Span[i]);
            // Below 2^-126 there are no powers of two left, and what is so small becomes 0.
            double least = Math.Max(largest * Math.Pow(2, -39), 1e-37);
            double allowed = Math.Max(Math.Abs((double)exact.Weights.Span[i]) * Math.Pow(2, -11), least);
            Assert.IsLessThanOrEqualTo(allowed, off);
        }
        // The bound says something: one bit less would not do.
        if (size > 1e-30f)
        {
            Assert.IsGreaterThan(0, Enumerable.Range(0, exact.Weights.Length).Count(
                i => Math.Abs(linear.Weights.Span[i] - exact.Weights.Span[i]) > Math.Abs(exact.Weights.Span[i]) * Math.Pow(2, -12)));
        }
    }

    /// <summary>The largest weight may be rounded up to the next power of two; then the exponent must be that of what it becomes.</summary>
    [TestMethod]
    public void Round_LargestThatBecomesAPowerOfTwo_IsRoundedOnce()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            LinearParameters linear = Map(1, (ulong)seed);
            linear.Weight(3, 2) = 4 - 1f / (1 << 20);
            linear.Weight(0, 1) = 1e-7f * seed;
            HalfWeights.Round(linear);
            float[] once = linear.Weights.Span.ToArray();

            Assert.AreEqual(4f, linear.Weight(3, 2));
            Assert.IsTrue(HalfWeights.Holds(linear));
            HalfWeights.Round(linear);
            CollectionAssert.AreEqual(once, linear.Weights.Span.ToArray());
        }
    }

    [TestMethod]
    public void Holds_ZerosAndWhatIsNotFinite_IsRight()
    {
        var linear = new LinearParameters(3, 2, bias: true);
        Assert.IsTrue(HalfWeights.Holds(linear));
        linear.Weight(0, 0) = float.NaN;
        Assert.IsFalse(HalfWeights.Holds(linear));
        linear.Weight(0, 0) = float.PositiveInfinity;
        Assert.IsFalse(HalfWeights.Holds(linear));
    }

    private static LinearParameters Map(float size, ulong seed)
    {
        var linear = new LinearParameters(21, 19, bias: false);
        var random = new Random((int)seed);
        for (int output = 0; output < linear.Outputs; output++)
        {
            for (int input = 0; input < linear.Inputs; input++)
                linear.Weight(output, input) = (random.NextSingle() - 0.5f) * size;
        }
        return linear;
    }
}
