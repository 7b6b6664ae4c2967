using System.Diagnostics.CodeAnalysis;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>The matrix products of a linear layer, over panels (<see cref="PanelLayout"/>).</summary>
/// <remarks>
/// Every element of a result is ONE chain of fused multiply-adds over the inner index in ascending order, acc = fma(x, y, acc), starting from the
/// bias or +0. Lanes are columns, so neither the vector width nor the cut into panels, rows or threads changes a bit of any element.
/// Error of such a chain of n terms, u = 2^-24: |computed - exact| &lt;= n u / (1 - n u) * (|bias| + sum |x||y|).
/// The result must not overlap the operands.
/// </remarks>
internal static partial class MatrixMultiply
{
    /// <summary>c = bias + a * b for the rows [firstRow, endRow) and the panels [firstPanel, endPanel) of c.</summary>
    /// <remarks>
    /// a is [rows, inner] in panels of aRowCapacity rows; b is [inner, columns] in the weights' layout; c is [rows, columns] in panels of
    /// cRowCapacity rows; bias is empty (then 0) or covers every lane up to endPanel * 16. Rows and panels outside the ranges are not written.
    ///   c[r, n] = bias[n] + sum_k a[r, k] * b[k, n]
    /// Forward: a = activations, b = weights. Gradient of the input: a = gradient of the output, b = transposed weights.
    /// </remarks>
    public static unsafe void Multiply(ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel)
    {
        if (firstRow < 0 || endRow < firstRow || firstPanel < 0 || endPanel < firstPanel || inner < 0)
            ThrowRange();
        if (endRow > aRowCapacity || endRow > cRowCapacity)
            ThrowRange();
        if (a.Length < PanelLayout.Length(aRowCapacity, inner))
            ThrowShort(nameof(a));
        if (b.Length < (long)endPanel * PanelLayout.Width * inner)
            ThrowShort(nameof(b));
        if (!bias.IsEmpty && bias.Length < (long)endPanel * PanelLayout.Width)
            ThrowShort(nameof(bias));
        if (c.Length < (long)endPanel * PanelLayout.Width * cRowCapacity)
            ThrowShort(nameof(c));

        fixed (float* pa = a, pb = b, pBias = bias, pc = c)
        {
            for (int p = firstPanel; p < endPanel; p++)
                for (int r = firstRow; r < endRow; r++)
                {
                    Vector512<float> sum = pBias == null ? Vector512<float>.Zero : Vector512.Load(pBias + p * 16);
                    float* column = pb + (long)p * inner * 16;
                    for (int k = 0; k < inner; k++)
                        sum = Vector512.FusedMultiplyAdd(Vector512.Create(pa[PanelLayout.Index(r, k, aRowCapacity)]), Vector512.Load(column + k * 16), sum);
                    sum.Store(pc + ((long)p * cRowCapacity + r) * 16);
                }
        }
    }

    /// <summary>Gradient of the weights, c = transpose(a) * d, for the panels [firstPanel, endPanel) of c.</summary>
    /// <remarks>
    /// a is [rows, inputs] in panels of aRowCapacity rows; d is [rows, outputs] in panels of dRowCapacity rows; c is [inputs, outputs] in the weights'
    /// layout and is overwritten.
    ///   c[i, o] = sum_r a[r, i] * d[r, o]
    /// </remarks>
    public static unsafe void WeightGradient(ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel)
    {
        if (firstPanel < 0 || endPanel < firstPanel || inputs < 0 || rows < 0 || rows > aRowCapacity || rows > dRowCapacity)
            ThrowRange();
        if (a.Length < PanelLayout.Length(aRowCapacity, inputs))
            ThrowShort(nameof(a));
        if (d.Length < (long)endPanel * PanelLayout.Width * dRowCapacity)
            ThrowShort(nameof(d));
        if (c.Length < (long)endPanel * PanelLayout.Width * inputs)
            ThrowShort(nameof(c));

        fixed (float* pa = a, pd = d, pc = c)
        {
            for (int p = firstPanel; p < endPanel; p++)
                for (int i = 0; i < inputs; i++)
                {
                    Vector512<float> sum = Vector512<float>.Zero;
                    for (int r = 0; r < rows; r++)
                        sum = Vector512.FusedMultiplyAdd(Vector512.Create(pa[PanelLayout.Index(r, i, aRowCapacity)]),
                            Vector512.Load(pd + ((long)p * dRowCapacity + r) * 16), sum);
                    sum.Store(pc + ((long)p * inputs + i) * 16);
                }
        }
    }

    /// <summary>Transposes weights for the outputs of the panels [firstPanel, endPanel) of w.</summary>
    /// <remarks>
    /// w is [inputs, outputs], wt is [outputs, inputs], both in the weights' layout.
    ///   wt[o, i] = w[i, o]; 0 in the padding lanes i >= inputs
    /// Only the rows o of wt that belong to these panels are written, in every panel of wt.
    /// </remarks>
    public static void TransposeWeights(ReadOnlySpan<float> w, int inputs, int outputs, Span<float> wt, int firstPanel, int endPanel)
    {
        if (firstPanel < 0 || endPanel < firstPanel || inputs < 0 || outputs < 0 || endPanel > PanelLayout.PanelCount(outputs))
            ThrowRange();
        if (w.Length < (long)endPanel * PanelLayout.Width * inputs)
            ThrowShort(nameof(w));
        if (wt.Length < PanelLayout.Length(outputs, inputs))
            ThrowShort(nameof(wt));

        int endOutput = Math.Min(outputs, endPanel * PanelLayout.Width);
        for (int o = firstPanel * PanelLayout.Width; o < endOutput; o++)
            for (int i = 0; i < PanelLayout.PanelCount(inputs) * PanelLayout.Width; i++)
                wt[PanelLayout.WeightIndex(o, i, outputs)] = i < inputs ? w[PanelLayout.WeightIndex(i, o, inputs)] : 0f;
    }

    [DoesNotReturn]
    private static void ThrowRange() =>
        throw new ArgumentException("A range of rows or panels is empty the wrong way round, negative, or larger than the matrix.");

    [DoesNotReturn]
    private static void ThrowShort(string name) => throw new ArgumentException("The span is shorter than the matrix it should hold.", name);
}
