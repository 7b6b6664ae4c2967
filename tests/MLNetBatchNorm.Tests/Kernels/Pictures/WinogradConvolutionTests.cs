using System.Runtime.Intrinsics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels.Pictures;

/// <summary>Convolutions with fewer multiplications give the sums of the definition.</summary>
[TestClass]
public sealed class WinogradConvolutionTests
{
    [TestMethod]
    [DataRow(14, 14, 32, 64, 1, 1)]
    [DataRow(7, 9, 16, 20, 1, 1)]
    [DataRow(9, 6, 48, 16, 0, 0)]
    [DataRow(5, 5, 16, 3, 2, 1)]
    [DataRow(60, 50, 32, 40, 1, 1)]
    public void Multiply_AgainstTheDefinition_AgreesInEveryWidth(int height, int width, int channels, int outputs, int top, int left)
    {
        const int Pictures = 2;
        var grid = new WindowGrid(height, width, 3, 3, 1, 1, top, left, height + 2 * top - 2, width + 2 * left - 2);
        Assert.IsTrue(WinogradConvolution.Takes(grid, channels, outputs));
        var random = new Random(height);
        var map = new PanelMatrix(Pictures * grid.Pixels, channels) { Positions = grid.Pixels };
        KernelTesting.Normal(random, map.Span.Length).CopyTo(map.Span);
        int lanes = PanelLayout.PanelCount(outputs) * 16;
        float[] kernels = KernelTesting.Normal(random, 9 * channels * lanes), bias = KernelTesting.Normal(random, lanes);
        var transformed = new float[WinogradConvolution.TransformedLength(channels, outputs)];
        WinogradConvolution.Transform(kernels, channels, outputs, transformed);

        float[] Run<TSimd, V>(int pictures = Pictures)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            var c = new PanelMatrix(Pictures * grid.Positions, outputs) { Positions = grid.Positions };
            new WinogradConvolution(grid, channels, outputs).Multiply<TSimd, V>(map, pictures, transformed, bias, c);
            return c.Span.ToArray();
        }

        float[] actual = Run<Simd512, Vector512<float>>();
        CollectionAssert.AreEqual(actual, Run<Simd256, Vector256<float>>());
        CollectionAssert.AreEqual(actual, Run<Simd128, Vector128<float>>());
        // One picture alone has the same bits.
        CollectionAssert.AreEqual(
            actual.Take(grid.Positions * 16).ToArray(), Run<Simd512, Vector512<float>>(1).Take(grid.Positions * 16).ToArray());
        double worst = 0, scale = 0;
        for (int n = 0; n < Pictures; n++)
        {
            for (int position = 0; position < grid.Positions; position += 3)
            {
                for (int output = 0; output < outputs; output++)
                {
                    double sum = bias[output];
                    for (int k = 0; k < 9 * channels; k++)
                    {
                        int y = position / grid.OutputWidth - top + k / channels / 3;
                        int x = position % grid.OutputWidth - left + k / channels % 3;
                        if ((uint)y < (uint)height && (uint)x < (uint)width)
                        {
                            sum += (double)map.Span[PanelLayout.Index(n * grid.Pixels + y * width + x, k % channels, map.RowCapacity)]
                                * kernels[PanelLayout.WeightIndex(k, output, 9 * channels)];
                        }
                    }
                    int at = PanelLayout.Index(n * grid.Positions + position, output, Pictures * grid.Positions);
                    worst = Math.Max(worst, Math.Abs(sum - actual[at]));
                    scale = Math.Max(scale, Math.Abs(sum));
                }
            }
        }
        // Some rounding errors of sums of 144 to 432 terms of size 1: against 2^-24 of the largest.
        Assert.IsLessThan(40 * scale / (1 << 24), worst);
        Assert.IsGreaterThan(0, worst);
    }

    [TestMethod]
    public void Takes_OtherWindows_Not()
    {
        var grid = new WindowGrid(8, 8, 3, 3, 1, 1, 1, 1, 8, 8);
        Assert.IsTrue(WinogradConvolution.Takes(grid, 16, 16));
        Assert.IsFalse(WinogradConvolution.Takes(grid, 12, 16));
        Assert.IsFalse(WinogradConvolution.Takes(grid with { StrideX = 2 }, 16, 16));
        Assert.IsFalse(WinogradConvolution.Takes(grid with { KernelHeight = 5 }, 16, 16));
        Assert.IsFalse(WinogradConvolution.Takes(grid with { OutputHeight = 1 }, 16, 16));
        Assert.IsFalse(WinogradConvolution.Takes(grid, 1 << 16, 1 << 16));
    }
}
