using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

// Products of a block of rows by itself, such as patches gathered into cache, with rows of a larger matrix that begin elsewhere. The chains
// are those of all other products: how rows are cut into blocks changes no bit.
internal static partial class MatrixMultiply
{
    /// <summary>c[cFirstRow + r, n] = bias[n] + sum_k a[r, k] * b[k, n] for r in [0, rows) and all panels of b.</summary>
    /// <remarks>
    /// a is [rows, inner] in panels of aRowCapacity rows; b is [inner, 16 * panels] in the weights' layout; bias is empty (then 0) or
    /// covers every lane; c is in panels of cRowCapacity rows, and must not overlap the others.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyBlock(
        ReadOnlySpan<float> a, int aRowCapacity, int rows, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
        int cRowCapacity, int cFirstRow, int panels)
    {
        if (Vector512.IsHardwareAccelerated)
            MultiplyBlock<Simd512, Vector512<float>>(a, aRowCapacity, rows, inner, b, bias, c, cRowCapacity, cFirstRow, panels);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            MultiplyBlock<Simd256, Vector256<float>>(a, aRowCapacity, rows, inner, b, bias, c, cRowCapacity, cFirstRow, panels);
        else
            MultiplyBlock<Simd128, Vector128<float>>(a, aRowCapacity, rows, inner, b, bias, c, cRowCapacity, cFirstRow, panels);
    }

    /// <summary>c[i, o] += sum_r a[r, i] * d[dFirstRow + r, o] for r in [0, rows) and all panels of c.</summary>
    /// <remarks>
    /// a is [rows, inputs] in panels of aRowCapacity rows; d is in panels of dRowCapacity rows; c is [inputs, 16 * panels] in the weights'
    /// layout, and must not overlap the others. A chain goes on from what c holds, so that blocks one after the other give the bits of one
    /// block of all rows.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddWeightGradient(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int dFirstRow, int rows,
        Span<float> c, int panels)
    {
        if (Vector512.IsHardwareAccelerated)
            AddWeightGradient<Simd512, Vector512<float>>(a, aRowCapacity, inputs, d, dRowCapacity, dFirstRow, rows, c, panels);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            AddWeightGradient<Simd256, Vector256<float>>(a, aRowCapacity, inputs, d, dRowCapacity, dFirstRow, rows, c, panels);
        else
            AddWeightGradient<Simd128, Vector128<float>>(a, aRowCapacity, inputs, d, dRowCapacity, dFirstRow, rows, c, panels);
    }

    /// <summary>The public one on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe void MultiplyBlock<TSimd, V>(
        ReadOnlySpan<float> a, int aRowCapacity, int rows, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c,
        int cRowCapacity, int cFirstRow, int panels)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        if (rows < 0 || rows > aRowCapacity || cFirstRow < 0 || rows > cRowCapacity - cFirstRow || panels < 0 || inner < 0)
            ThrowRange();
        if (a.Length < PanelLayout.Length(aRowCapacity, inner))
            ThrowShort(nameof(a));
        if (b.Length < (long)panels * Width * inner)
            ThrowShort(nameof(b));
        if (!bias.IsEmpty && bias.Length < (long)panels * Width)
            ThrowShort(nameof(bias));
        if (c.Length < (long)panels * Width * cRowCapacity)
            ThrowShort(nameof(c));
        if (rows == 0 || panels == 0)
            return;

        fixed (float* aStart = a, bStart = b, biasStart = bias, cStart = c)
        {
            Product p = default;
            p.A = aStart;
            p.APanel = (nint)aRowCapacity * Width;
            p.Rows = rows;
            p.Inner = inner;
            p.B = bStart;
            p.BPanel = (nint)inner * Width;
            p.Bias = biasStart;
            p.C = cStart + (nint)cFirstRow * Width;
            p.CPanel = (nint)cRowCapacity * Width;
            p.EndColumn = panels * Width;
            if (rows == 1)
                RunFewRows<TSimd, V, N1>(p);
            else if (rows == 2)
                RunFewRows<TSimd, V, N2>(p);
            else
                Run<TSimd, V, RowsDownPanels>(p);
        }
    }

    /// <summary>The public one on a given vector width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static unsafe void AddWeightGradient<TSimd, V>(
        ReadOnlySpan<float> a, int aRowCapacity, int inputs, ReadOnlySpan<float> d, int dRowCapacity, int dFirstRow, int rows,
        Span<float> c, int panels)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        if (rows < 0 || rows > aRowCapacity || dFirstRow < 0 || rows > dRowCapacity - dFirstRow || panels < 0 || inputs < 0)
            ThrowRange();
        if (a.Length < PanelLayout.Length(aRowCapacity, inputs))
            ThrowShort(nameof(a));
        if (d.Length < (long)panels * Width * dRowCapacity)
            ThrowShort(nameof(d));
        if (c.Length < (long)panels * Width * inputs)
            ThrowShort(nameof(c));
        if (inputs == 0 || panels == 0 || rows == 0)
            return;

        fixed (float* aStart = a, dStart = d, cStart = c)
        {
            Product p = default;
            p.A = aStart;
            p.APanel = (nint)aRowCapacity * Width;
            p.Rows = inputs;
            p.Inner = rows;
            p.B = dStart + (nint)dFirstRow * Width;
            p.BPanel = (nint)dRowCapacity * Width;
            p.C = cStart;
            p.CPanel = (nint)inputs * Width;
            p.EndColumn = panels * Width;
            p.GoesOn = true;
            Run<TSimd, V, RowsAcrossPanels>(p);
        }
    }
}
