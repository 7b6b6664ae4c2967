using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Whole panels against one number after the other in double precision: the same bits.</summary>
[TestClass]
public sealed class ScaledLinesTests
{
    private const int Width = PanelLayout.Width;

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(33)]
    [DataRow(257)]
    public void AllThree_AnyWeights_HaveTheBitsOfTheFormula(int lines)
    {
        var random = new Random(lines);
        float[] weights = KernelTesting.Normal(random, lines * Width), factors = KernelTesting.Normal(random, lines);
        double[] scales = [.. KernelTesting.Normal(random, Width).Select(value => (double)value / 3)];
        float[] scaled = new float[weights.Length], sums = new float[weights.Length], weighted = new float[Width];
        ScaledLines.Scale(weights, scales, scaled);
        ScaledLines.RunningSums(weights, scales, sums);
        ScaledLines.WeightedSum(weights, scales, factors, weighted);
        bool singleDiffers = false;
        for (int lane = 0; lane < Width; lane++)
        {
            double sum = 0, sumOfFactors = 0;
            float single = 0;
            for (int line = 0; line < lines; line++)
            {
                int at = line * Width + lane;
                sum += weights[at] * scales[lane];
                sumOfFactors += weights[at] * scales[lane] * factors[line];
                single += weights[at] * (float)scales[lane];
                Assert.AreEqual(Bits((float)(weights[at] * scales[lane])), Bits(scaled[at]), $"line {line}, lane {lane}");
                Assert.AreEqual(Bits((float)sum), Bits(sums[at]), $"sum up to line {line}, lane {lane}");
                singleDiffers |= single != sums[at];
            }
            Assert.AreEqual(Bits((float)sumOfFactors), Bits(weighted[lane]), $"weighted sum, lane {lane}");
        }
        Assert.AreEqual(lines > 0, singleDiffers, "single precision is another number");
    }

    [TestMethod]
    public void AllThree_SpansThatAreTooShort_AreRefused()
    {
        float[] two = new float[2 * Width], one = new float[Width];
        double[] scales = new double[Width];
        Assert.ThrowsExactly<ArgumentException>(() => ScaledLines.Scale(two, scales, one));
        Assert.ThrowsExactly<ArgumentException>(() => ScaledLines.Scale(one.AsSpan(1), scales, one));
        Assert.ThrowsExactly<ArgumentException>(() => ScaledLines.RunningSums(two, scales.AsSpan(1), two));
        Assert.ThrowsExactly<ArgumentException>(() => ScaledLines.WeightedSum(two, scales, one.AsSpan(0, 1), one));
        Assert.ThrowsExactly<ArgumentException>(() => ScaledLines.WeightedSum(two, scales, one, one.AsSpan(1)));
    }

    private static int Bits(float value) => BitConverter.SingleToInt32Bits(value);
}
