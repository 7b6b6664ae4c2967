using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

/// <summary>The matrix products of a linear layer, over panels (<see cref="PanelLayout"/>).</summary>
/// <remarks>
/// Every element of a result is ONE chain of fused multiply-adds over the inner index in ascending order, sum = fma(x, y, sum), starting
/// from the bias or +0. Lanes are columns, so neither the vector width nor the cut into panels, rows, blocks or threads changes a bit of
/// any element. Without the instruction (x64 before 2013) the runtime computes the same fused multiply-add in software: slow, same bits.
/// Error of such a chain of n terms, u = 2^-24: |computed - exact| &lt;= n u / (1 - n u) * (|bias| + sum |x| |y|).
/// A result must not overlap its operands.
/// </remarks>
internal static partial class MatrixMultiply
{
    /// <summary>c = bias + a * b for the rows [firstRow, endRow) and the panels [firstPanel, endPanel) of c.</summary>
    /// <remarks>
    /// a is [rows, inner] in panels of aRowCapacity rows; b is [inner, columns] in the weights' layout; c is [rows, columns] in panels of
    /// cRowCapacity rows; bias is empty (then 0) or covers every lane up to endPanel * 16. Nothing outside the ranges is written.
    ///   c[r, n] = bias[n] + sum_k a[r, k] * b[k, n]
    /// Forward: a = activations, b = weights. Gradient of the input: a = gradient of the output, b = transposed weights.
    /// One or two rows have a kernel of their own (scoring): then reading b is all the time there is.
    /// </remarks>
    public static void Multiply(ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel) =>
        Multiply(a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, inner);

    /// <summary>The same with more rows in a panel of b, of which the first ones are read.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel, int bRowCapacity)
    {
        if (Vector512.IsHardwareAccelerated)
            Multiply<Simd512, Vector512<float>>(
                a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, bRowCapacity);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            Multiply<Simd256, Vector256<float>>(
                a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, bRowCapacity);
        else
            Multiply<Simd128, Vector128<float>>(
                a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, bRowCapacity);
    }

    /// <summary>Gradient of the weights, c = transpose(a) * d, for the panels [firstPanel, endPanel) of c.</summary>
    /// <remarks>
    /// a is [rows, inputs] in panels of aRowCapacity rows; d is [rows, outputs] in panels of dRowCapacity rows; c is [inputs, outputs] in
    /// the weights' layout; its panels in the range are overwritten.
    ///   c[i, o] = sum_r a[r, i] * d[r, o]
    /// </remarks>
    public static void WeightGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel) =>
        WeightGradient(a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, inputs);

    /// <summary>The same with more rows in a panel of c, of which the first ones are written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WeightGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int rows,
        Span<float> c, int firstPanel, int endPanel, int cRowCapacity)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            WeightGradient<Simd512, Vector512<float>>(
                a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, cRowCapacity);
        }
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
        {
            WeightGradient<Simd256, Vector256<float>>(
                a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, cRowCapacity);
        }
        else
        {
            WeightGradient<Simd128, Vector128<float>>(
                a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, cRowCapacity);
        }
    }

    /// <summary>The public one on a given vector width.</summary>
    internal static void Multiply<TSimd, V>(
        ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct =>
        Multiply<TSimd, V>(a, aRowCapacity, inner, b, bias, c, cRowCapacity, firstRow, endRow, firstPanel, endPanel, inner);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe void Multiply<TSimd, V>(
        ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel, int bRowCapacity)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        if (firstRow < 0 || endRow < firstRow || endRow > aRowCapacity || endRow > cRowCapacity || firstPanel < 0 || endPanel < firstPanel
            || inner < 0)
        {
            ThrowRange();
        }
        if (bRowCapacity < inner)
            ThrowRange();
        if (a.Length < PanelLayout.Length(aRowCapacity, inner))
            ThrowShort(nameof(a));
        if (b.Length < (long)endPanel * Width * bRowCapacity)
            ThrowShort(nameof(b));
        if (!bias.IsEmpty && bias.Length < (long)endPanel * Width)
            ThrowShort(nameof(bias));
        if (c.Length < (long)endPanel * Width * cRowCapacity)
            ThrowShort(nameof(c));
        if (firstRow == endRow || firstPanel == endPanel)
            return;

        fixed (float* aStart = a, bStart = b, biasStart = bias, cStart = c)
        {
            Product p = default;
            p.A = aStart + (nint)firstRow * Width;
            p.APanel = (nint)aRowCapacity * Width;
            p.Rows = endRow - firstRow;
            p.Inner = inner;
            p.B = bStart;
            p.BPanel = (nint)bRowCapacity * Width;
            p.Bias = biasStart;
            p.C = cStart + (nint)firstRow * Width;
            p.CPanel = (nint)cRowCapacity * Width;
            p.FirstColumn = firstPanel * Width;
            p.EndColumn = endPanel * Width;
            if (p.Rows == 1)
                RunFewRows<TSimd, V, N1>(p);
            else if (p.Rows == 2)
                RunFewRows<TSimd, V, N2>(p);
            else
                Run<TSimd, V, RowsDownPanels>(p);
        }
    }

    /// <summary>The public one on a given vector width.</summary>
    internal static void WeightGradient<TSimd, V>(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity,
        int rows, Span<float> c, int firstPanel, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct =>
        WeightGradient<TSimd, V>(a, aRowCapacity, inputs, d, dRowCapacity, rows, c, firstPanel, endPanel, inputs);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe void WeightGradient<TSimd, V>(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity,
        int rows, Span<float> c, int firstPanel, int endPanel, int cRowCapacity)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        if (firstPanel < 0 || endPanel < firstPanel || inputs < 0 || cRowCapacity < inputs || rows < 0 || rows > aRowCapacity
            || rows > dRowCapacity)
        {
            ThrowRange();
        }
        if (a.Length < PanelLayout.Length(aRowCapacity, inputs))
            ThrowShort(nameof(a));
        if (d.Length < (long)endPanel * Width * dRowCapacity)
            ThrowShort(nameof(d));
        if (c.Length < (long)endPanel * Width * cRowCapacity)
            ThrowShort(nameof(c));
        if (inputs == 0 || firstPanel == endPanel)
            return;

        fixed (float* aStart = a, dStart = d, cStart = c)
        {
            Product p = default;
            p.A = aStart;
            p.APanel = (nint)aRowCapacity * Width;
            p.Rows = inputs;
            p.Inner = rows;
            p.B = dStart;
            p.BPanel = (nint)dRowCapacity * Width;
            p.Bias = null;
            p.C = cStart;
            p.CPanel = (nint)cRowCapacity * Width;
            p.FirstColumn = firstPanel * Width;
            p.EndColumn = endPanel * Width;
            Run<TSimd, V, RowsAcrossPanels>(p);
        }
    }

    [DoesNotReturn]
    private static void ThrowRange() =>
        throw new ArgumentException("A range of rows or panels is negative, ends before it starts, or exceeds the matrix.");

    [DoesNotReturn]
    private static void ThrowShort(string name) => throw new ArgumentException("The span is shorter than the matrix it should hold.", name);
}
