using System.Runtime.Intrinsics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels.Pictures;

/// <summary>Windows that are read where they lie give the bits of the same windows gathered into panels.</summary>
[TestClass]
public sealed class WindowLinesTests
{
    [TestMethod]
    [DataRow(9, 13, 16, 3, 3, 1, 1, 20)]
    [DataRow(6, 5, 32, 5, 3, 1, 2, 64)]
    [DataRow(8, 28, 48, 1, 1, 1, 0, 16)]
    [DataRow(12, 16, 32, 3, 3, 2, 1, 40)]
    [DataRow(1, 40, 16, 1, 5, 1, 0, 10)]
    [DataRow(7, 4, 16, 4, 1, 1, 1, 33)]
    public void Products_WhereTheyLie_SameBitsAsGathered(
        int height, int width, int channels, int kernelHeight, int kernelWidth, int strideY, int padding, int outputs)
    {
        const int Pictures = 3;
        var grid = new WindowGrid(
            height, width, kernelHeight, kernelWidth, strideY, 1, padding, padding,
            WindowGrid.Count(height, kernelHeight, strideY, 2 * padding), WindowGrid.Count(width, kernelWidth, 1, 2 * padding));
        var random = new Random(height * width);
        PanelMatrix map = Random(random, Pictures, grid.Pixels, channels), gradient = Random(random, Pictures, grid.Positions, outputs);
        int inputs = kernelHeight * kernelWidth * channels, lanes = gradient.Panels * 16;
        float[] weights = KernelTesting.Normal(random, inputs * lanes), bias = KernelTesting.Normal(random, lanes);
        float[] turned = KernelTesting.Normal(random, kernelHeight * kernelWidth * outputs * map.Panels * 16);

        float[][] Products(bool gathers)
        {
            var patches = new PatchPanels(grid, channels, Pictures * grid.Positions, gathers);
            PictureSource source = PictureSource.Map(map);
            var output = new PanelMatrix(Pictures * grid.Positions, outputs) { Positions = grid.Positions };
            patches.Multiply(source, grid.Positions, Pictures * grid.Positions, weights, bias, output);
            var sums = new float[inputs * lanes];
            patches.AddWeightGradient(source, 0, Pictures * grid.Positions, gradient, sums);
            var inputGradient = new PanelMatrix(Pictures * grid.Pixels, channels) { Positions = grid.Pixels };
            PatchPanels.ForInputGradient(grid, outputs, Pictures * grid.Pixels, gathers).Multiply(
                PictureSource.Map(gradient), 0, Pictures * grid.Pixels, turned, default, inputGradient);
            return [output.Span.ToArray(), sums, inputGradient.Span.ToArray()];
        }

        float[][] expected = Products(gathers: true), actual = Products(gathers: false);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.IsTrue(expected[i].Any(value => value != 0));
            CollectionAssert.AreEqual(expected[i], actual[i], $"product {i}");
        }
        // Rows in front of the first picture asked for are left alone.
        Assert.IsTrue(actual[0].Take(grid.Positions * 16).All(value => value == 0));
        map.Span[grid.Pixels * 16] += 1;
        CollectionAssert.AreNotEqual(expected[0], Products(gathers: false)[0]);
    }

    /// <summary>Every vector width gives the bits of the others.</summary>
    [TestMethod]
    [DataRow(4, 7, 48)]
    [DataRow(3, 14, 16)]
    [DataRow(2, 29, 32)]
    public void Lines_EveryVectorWidth_SameBits(int lines, int width, int outputs)
    {
        const int Step = 31;
        var random = new Random(width);
        int[] offsets = [0, 16, 32, Step * 16, (Step + 2) * 16];
        float[] picture = KernelTesting.Normal(random, (lines + 2) * Step * 16 + 64);
        float[] weights = KernelTesting.Normal(random, offsets.Length * 16 * outputs), bias = KernelTesting.Normal(random, outputs);
        float[] d = KernelTesting.Normal(random, lines * width * outputs);
        int panels = outputs / 16, rows = lines * width;

        float[] Run<TSimd, V>()
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            float[] c = new float[rows * outputs], sums = new float[offsets.Length * 16 * outputs];
            var windows = new WindowLines(picture, offsets, lines, width, Step);
            MatrixMultiply.MultiplyLines<TSimd, V>(windows, weights, bias, c, rows, 0, panels);
            MatrixMultiply.AddWeightGradientOfLines<TSimd, V>(windows, d, rows, 0, sums, panels);
            return [.. c, .. sums];
        }

        float[] narrow = Run<Simd128, Vector128<float>>();
        CollectionAssert.AreEqual(narrow, Run<Simd256, Vector256<float>>());
        CollectionAssert.AreEqual(narrow, Run<Simd512, Vector512<float>>());
        // The first sum, in double.
        double sum = bias[0];
        for (int k = 0; k < offsets.Length * 16; k++)
            sum += (double)picture[offsets[k / 16] + k % 16] * weights[PanelLayout.WeightIndex(k, 0, offsets.Length * 16)];
        Assert.AreEqual(sum, narrow[0], 1e-4);
    }

    [TestMethod]
    public void Lines_ThatLieOutside_AreRefused()
    {
        float[] picture = new float[5 * 8 * 16], c = new float[4 * 6 * 16], b = new float[2 * 16 * 16];
        void Multiply(int[] offsets, int lines, int width, int step) => MatrixMultiply.MultiplyLines(
            new WindowLines(picture, offsets, lines, width, step), b, default, c, c.Length / 16, 0, 1);
        Multiply([0, 8 * 16], 4, 6, 8);
        Assert.Throws<ArgumentException>(() => Multiply([0, 11 * 16], 4, 6, 8));
        Assert.Throws<ArgumentException>(() => Multiply([-16, 0], 4, 6, 8));
        Assert.Throws<ArgumentException>(() => Multiply([0, 16], 5, 6, 8));
        Assert.Throws<ArgumentException>(() => Multiply([0, 16], 4, 6, 5));
    }

    private static PanelMatrix Random(Random random, int pictures, int pixels, int channels)
    {
        var map = new PanelMatrix(pictures * pixels, channels) { Positions = pixels };
        KernelTesting.Normal(random, map.Span.Length).CopyTo(map.Span);
        // Lanes beyond the channels are 0, as layers leave them.
        for (int row = 0; row < map.RowCapacity; row++)
        {
            for (int lane = channels; lane < map.Panels * 16; lane++)
                map.Span[PanelLayout.Index(row, lane, map.RowCapacity)] = 0;
        }
        return map;
    }
}
