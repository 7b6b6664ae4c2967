using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>The product without padding has the bits of the products with padding.</summary>
[TestClass]
public sealed class OneOutputMultiplyTests
{
    [TestMethod]
    [DataRow(1, 1)]
    [DataRow(3, 16)]
    [DataRow(4, 17)]
    [DataRow(7, 100)]
    [DataRow(13, 1000)]
    public void Multiply_HasTheBitsOfThePaddedProduct(int rows, int inner)
    {
        const float bias = 0.3f;
        int capacity = rows + 2;
        var random = new Random(rows * 1000 + inner);
        float[] rowMajor = [.. Enumerable.Range(0, rows * inner).Select(_ => random.Next(4) == 0 ? 0 : random.NextSingle() - 0.5f)];
        float[] w = [.. Enumerable.Range(0, inner).Select(_ => random.NextSingle() - 0.5f)];
        float[] a = new float[PanelLayout.Length(capacity, inner)], padded = new float[inner * 16], biases = new float[16];
        PanelLayout.Pack(rowMajor, rows, inner, a, capacity);
        for (int k = 0; k < inner; k++)
            padded[k * 16] = w[k];
        biases[0] = bias;
        float[] expected = new float[capacity * 16], actual = [.. Enumerable.Repeat(7f, capacity * 16)];

        MatrixMultiply.Multiply(a, capacity, inner, padded, biases, expected, capacity, 0, rows, 0, 1);
        OneOutputMultiply.Multiply(a, capacity, inner, w, bias, actual, rows);

        CollectionAssert.AreEqual(expected[..(rows * 16)], actual[..(rows * 16)]);
        Assert.IsTrue(actual[(rows * 16)..].All(v => v == 7), "rows behind the last are left alone");
        for (int row = 0; row < rows; row++)
        {
            int[] indices = [.. Enumerable.Range(0, inner).Where(k => rowMajor[row * inner + k] != 0)];
            Assert.AreEqual(
                expected[row * 16], OneOutputMultiply.Multiply(indices, [.. indices.Select(k => rowMajor[row * inner + k])], w, bias));
        }

        // It can fail: another order of the sum has other bits.
        if (inner == 1000)
        {
            Array.Reverse(w);
            Array.Reverse(rowMajor);
            PanelLayout.Pack(rowMajor, rows, inner, a, capacity);
            OneOutputMultiply.Multiply(a, capacity, inner, w, bias, actual, rows);
            float[] reversed = [.. Enumerable.Range(0, rows).Select(r => actual[(rows - 1 - r) * 16])];
            CollectionAssert.AreNotEqual(Enumerable.Range(0, rows).Select(r => expected[r * 16]).ToArray(), reversed);
            CollectionAssert.AreEqual(
                Enumerable.Range(0, rows).Select(r => MathF.Round(expected[r * 16], 3)).ToArray(),
                reversed.Select(v => MathF.Round(v, 3)).ToArray());
        }
    }

    [TestMethod]
    public void Multiply_ArraysThatAreTooShort_AreRefused()
    {
        float[] a = new float[2 * 32], w = new float[20], c = new float[32];
        OneOutputMultiply.Multiply(a, 2, 20, w, 0, c, 2);
        Assert.ThrowsExactly<ArgumentException>(() => OneOutputMultiply.Multiply(a.AsSpan(1), 2, 20, w, 0, c, 2));
        Assert.ThrowsExactly<ArgumentException>(() => OneOutputMultiply.Multiply(a, 2, 20, w.AsSpan(1), 0, c, 2));
        Assert.ThrowsExactly<ArgumentException>(() => OneOutputMultiply.Multiply(a, 2, 20, w, 0, c.AsSpan(1), 2));
        Assert.Throws<ArgumentException>(() => OneOutputMultiply.Multiply(a, 2, 20, w, 0, c, 3));
        Assert.Throws<ArgumentException>(() => OneOutputMultiply.Multiply([1, 2], [1f], w, 0));
        Assert.Throws<IndexOutOfRangeException>(() => OneOutputMultiply.Multiply([20], [1f], w, 0));
    }
}
