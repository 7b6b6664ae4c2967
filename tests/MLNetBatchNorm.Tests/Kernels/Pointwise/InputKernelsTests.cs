using System.Runtime.Intrinsics;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Scaling and clipping of raw inputs against the formula in double, and the same bits on every path.</summary>
[TestClass]
public sealed class InputKernelsTests
{
    [TestMethod]
    public void ScaleAndClip_IsTheFormula_ForLengthsOfWholeLines()
    {
        for (int length = 0; length <= 96; length += 16)
        {
            (float[] x, float[] center, float[] scale, float[] clip) = Inputs(length);
            var y = new float[length];
            InputKernels.ScaleAndClip(x, center, scale, clip, new float[x.Length], y);
            for (int i = 0; i < length; i++)
            {
                if (float.IsNaN(x[i]))
                {
                    Assert.AreEqual(0f, y[i]);
                    continue;
                }
                double t = ((double)x[i] - center[i]) * scale[i];
                double expected = clip[i] > 0 ? t / Math.Sqrt(1 + clip[i] * t * t) : t;
                // Subtraction, product, square, root and quotient: five roundings, of which the root halves its operand's.
                Assert.AreEqual(
                    expected, y[i], 8 * Math.Pow(2, -24) * Math.Max(Math.Abs(expected), Math.Abs(x[i] * scale[i])), $"Element {i}.");
            }
        }
    }

    [TestMethod]
    public void ScaleAndClip_OfSpecialValues_IsTheirLimit()
    {
        float[] x = new float[16], y = new float[16], center = new float[16], scale = new float[16], clip = new float[16];
        scale.AsSpan().Fill(1);
        clip.AsSpan(0, 4).Fill(1f / 9);
        (x[0], x[1], x[2], x[3]) = (float.PositiveInfinity, float.NegativeInfinity, float.NaN, 1e30f);
        (x[4], x[5]) = (float.NaN, float.PositiveInfinity);
        InputKernels.ScaleAndClip(x, center, scale, clip, new float[x.Length], y);
        Assert.AreEqual(3f, y[0], 1e-6f);
        Assert.AreEqual(-3f, y[1], 1e-6f);
        Assert.AreEqual(0f, y[2]);
        Assert.AreEqual(3f, y[3], 1e-6f);
        Assert.AreEqual(0f, y[4]);
        Assert.AreEqual(float.PositiveInfinity, y[5]);
    }

    /// <summary>
    /// A slot that was constant has scale 0, and no value of it says anything: nor does infinity, or what is that far from the centre.
    /// </summary>
    [TestMethod]
    public unsafe void ScaleAndClip_OfConstantSlots_IsZero_OnEveryPath()
    {
        float[] values = [float.PositiveInfinity, float.NegativeInfinity, 3e38f, -3e38f, 7, 0, 1e30f, float.NaN];
        float[] x = new float[16], center = new float[16], scale = new float[16], clip = new float[16], missing = new float[16];
        for (int i = 0; i < 16; i++)
            (x[i], center[i], clip[i]) = (values[i % 8], (i % 8) switch { 2 => -3e38f, 3 => 3e38f, _ => 7 }, i < 8 ? 0 : 1f / 9);
        // As it is where the slot is not constant.
        (scale[4], scale[12]) = (2, 2);
        x[4] = x[12] = float.PositiveInfinity;
        float[] y = new float[16], narrow = new float[16], middle = new float[16], wide = new float[16];
        InputKernels.ScaleAndClip(x, center, scale, clip, missing, y);
        for (int i = 0; i < 16; i++)
        {
            Assert.AreEqual(i == 4 ? float.PositiveInfinity : i == 12 ? 3f : 0f, y[i], 1e-6f, $"Element {i}.");
            Assert.AreEqual(y[i], InputKernels.ScaleAndClip(x[i], center[i], scale[i], clip[i], missing[i]));
        }
        fixed (float* px = x, pCenter = center, pScale = scale, pClip = clip, pMissing = missing, pn = narrow, pm = middle, pw = wide)
        {
            InputKernels.ScaleAndClip<Simd128, Vector128<float>>(px, pCenter, pScale, pClip, pMissing, pn, 16);
            InputKernels.ScaleAndClip<Simd256, Vector256<float>>(px, pCenter, pScale, pClip, pMissing, pm, 16);
            InputKernels.ScaleAndClip<Simd512, Vector512<float>>(px, pCenter, pScale, pClip, pMissing, pw, 16);
        }
        foreach (float[] other in new[] { narrow, middle, wide })
            KernelTesting.AssertSameBits(y, other, "width");
    }

    [TestMethod]
    public void EncodeToPanels_GivesTheBitsOfEncode_ForEveryWidth()
    {
        for (int columns = 1; columns <= 67; columns++)
        {
            (float[] x, float[] center, float[] scale, _) = Inputs(columns);
            bool[] clipped = [.. Enumerable.Range(0, columns).Select(i => i % 3 != 0)];
            InputPiece[] pieces = [new(0, -1, 2), new(columns - 1, 0.5f, 0.25f)];
            var learned = new InputEncoder(
                columns, [new ScaleAndClip(center, scale, clipped), new MissingColumns([columns / 2]), new Pieces(pieces)]);
            foreach (InputEncoder encoder in new[] { learned, InputEncoder.Identity(columns) })
            {
                int encoded = encoder.EncodedInputs;
                var expected = new float[encoded];
                encoder.Encode(x, expected);

                const int capacity = 3, row = 1;
                var padded = new float[PanelLayout.PanelCount(columns) * PanelLayout.Width];
                x.CopyTo(padded, 0);
                var panels = new float[PanelLayout.Length(capacity, encoded)];
                encoder.EncodeToPanels(padded, panels, capacity, row);
                for (int c = 0; c < encoded; c++)
                {
                    Assert.AreEqual(
                        BitConverter.SingleToInt32Bits(expected[c]),
                        BitConverter.SingleToInt32Bits(panels[PanelLayout.Index(row, c, capacity)]), $"{columns} columns, column {c}.");
                }
                for (int c = 0; c < encoded; c++)
                    Assert.AreEqual(0f, panels[PanelLayout.Index(0, c, capacity)], "Another row was written.");
            }
        }
    }

    [TestMethod]
    public void CopyToPanels_RefusesWhatDoesNotFit()
    {
        Assert.ThrowsExactly<ArgumentException>(() => InputKernels.CopyToPanels(new float[32], new float[31], 1, 0));
        Assert.ThrowsExactly<ArgumentException>(() => InputKernels.CopyToPanels(new float[17], new float[64], 1, 0));
    }

    private static (float[] X, float[] Center, float[] Scale, float[] Clip) Inputs(int length)
    {
        var random = new Random(length);
        float[] Draw(double size) => [.. Enumerable.Range(0, length).Select(_ => (float)((random.NextDouble() - 0.5) * size))];
        float[] x = Draw(200), center = Draw(10), scale = Draw(2);
        float[] clip = [.. Enumerable.Range(0, length).Select(i => i % 4 == 0 ? 0 : 1f / 9)];
        if (length > 3)
            x[3] = float.NaN;
        return (x, center, scale, clip);
    }
}
