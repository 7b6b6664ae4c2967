using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MLNetBatchNorm.Kernels;

// Scoring one row reads every weight for a single multiply-add: the weights' way into the core is the time. About half of what a rectified
// layer hands on is zero, and so are most columns of one-hot features and of piecewise-linear ones; their weights need not be read.
internal static partial class MatrixMultiply
{
    private const int OneRowChunk = 1024;              // column numbers listed at a time, on the stack

    /// <inheritdoc cref="MultiplyRow(ReadOnlySpan{float}, int, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, int, int)"/>
    public static void MultiplyRow(
        ReadOnlySpan<float> x, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, int endPanel) =>
        MultiplyRow(x, inner, b, bias, c, endPanel, inner);

    /// <summary>c = bias + x * b for a single row, without the terms whose x is zero.</summary>
    /// <remarks>
    /// x: <paramref name="inner"/> values; b: [inner, columns] in the weights' layout, with <paramref name="bRowCapacity"/> rows in a panel
    /// of which the first are read; bias: empty (then 0) or all lanes; c:
    /// endPanel * 16 lanes, not overlapping the others.
    ///   c[n] = bias[n] + sum_k x[k] * b[k, n]
    /// Where b is finite the bits are those of
    /// <see cref="Multiply(
    ///     ReadOnlySpan{float}, int, int, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, int, int, int, int, int)"/>,
    /// since fma(0, b, sum) is sum, but for the sign of a sum that is itself zero.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyRow(
        ReadOnlySpan<float> x, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, int endPanel, int bRowCapacity)
    {
        if (Vector512.IsHardwareAccelerated)
            MultiplyRow<Simd512, Vector512<float>>(x, inner, b, bias, c, endPanel, bRowCapacity);
        else if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            MultiplyRow<Simd256, Vector256<float>>(x, inner, b, bias, c, endPanel, bRowCapacity);
        else
            MultiplyRow<Simd128, Vector128<float>>(x, inner, b, bias, c, endPanel, bRowCapacity);
    }

    /// <summary>
    /// <see cref="MultiplyRow(ReadOnlySpan{float}, int, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, int)"/>
    /// on a given vector width.
    /// </summary>
    internal static void MultiplyRow<TSimd, V>(
        ReadOnlySpan<float> x, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct =>
        MultiplyRow<TSimd, V>(x, inner, b, bias, c, endPanel, inner);

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static unsafe void MultiplyRow<TSimd, V>(
        ReadOnlySpan<float> x, int inner, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, Span<float> c, int endPanel, int bRowCapacity)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        if (inner < 0 || endPanel < 0 || bRowCapacity < inner)
            ThrowRange();
        if (x.Length < inner)
            ThrowShort(nameof(x));
        if (b.Length < (long)endPanel * Width * bRowCapacity)
            ThrowShort(nameof(b));
        if (!bias.IsEmpty && bias.Length < (long)endPanel * Width)
            ThrowShort(nameof(bias));
        if (c.Length < (long)endPanel * Width)
            ThrowShort(nameof(c));

        int* list = stackalloc int[OneRowChunk + Width];
        fixed (float* px = x, pb = b, pBias = bias, pc = c)
        {
            OneRow row;
            row.List = list;
            row.Panel = (nint)bRowCapacity * Width;
            row.C = pc;
            row.Start = pBias;
            int first = 0;
            do
            {
                row.Count = ListNonzero(px + first, Math.Min(OneRowChunk, inner - first), list);
                row.X = px + first;
                row.B = pb + (nint)first * Width;
                RunOneRow<TSimd, V>(row, endPanel * Width);
                row.Start = pc;                        // the chains go on where they were left
                first += OneRowChunk;
            }
            while (first < inner);
        }
    }

    /// <summary>A row, its non-zero places, and where the sums start and go.</summary>
    private unsafe struct OneRow
    {
        public int* List;
        public int Count;
        public float* X;
        public float* B;
        public nint Panel;
        public float* Start;
        public float* C;
    }

    /// <summary>
    /// Where x is neither +0 nor -0, without a branch that could be mispredicted.
    /// <paramref name="list"/> has room for a vector beyond its last entry.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe int ListNonzero(float* x, int length, int* list)
    {
        int* bits = (int*)x;
        int count = 0, k = 0;
        if (Avx512F.IsSupported)
        {
            for (; k + Vector512<int>.Count <= length; k += Vector512<int>.Count)
            {
                Vector512<int> nonzero = ~Vector512.Equals(Vector512.Load(bits + k) << 1, Vector512<int>.Zero);
                Vector512<int> places = Vector512<int>.Indices + Vector512.Create(k);
                Vector512.Store(Avx512F.Compress(Vector512<int>.Zero, nonzero, places), list + count);
                count += BitOperations.PopCount(nonzero.ExtractMostSignificantBits());
            }
        }

        for (; k < length; k++)
        {
            list[count] = k;
            count += bits[k] << 1 != 0 ? 1 : 0;
        }
        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunOneRow<TSimd, V>(in OneRow row, int endColumn)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int n = 0; n < endColumn; n += 8 * TSimd.Width)
        {
            switch (Math.Min(8, (endColumn - n) / TSimd.Width))
            {
                case 1: OneRowColumns<TSimd, V, N1>(row, n); break;
                case 2: OneRowColumns<TSimd, V, N2>(row, n); break;
                case 3: OneRowColumns<TSimd, V, N3>(row, n); break;
                case 4: OneRowColumns<TSimd, V, N4>(row, n); break;
                case 5: OneRowColumns<TSimd, V, N5>(row, n); break;
                case 6: OneRowColumns<TSimd, V, N6>(row, n); break;
                case 7: OneRowColumns<TSimd, V, N7>(row, n); break;
                case 8: OneRowColumns<TSimd, V, N8>(row, n); break;
            }
        }
    }

    /// <summary>The columns n to n + TVectors * TSimd.Width: up to eight chains side by side hide the latency of the additions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static unsafe void OneRowColumns<TSimd, V, TVectors>(in OneRow row, int n)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TVectors : struct, ICount
    {
        V c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
        int width = TSimd.Width;
        if (row.Start != null)
        {
            float* start = row.Start + n;
            if (TVectors.Value > 0) c0 = TSimd.Load(start + 0 * width);
            if (TVectors.Value > 1) c1 = TSimd.Load(start + 1 * width);
            if (TVectors.Value > 2) c2 = TSimd.Load(start + 2 * width);
            if (TVectors.Value > 3) c3 = TSimd.Load(start + 3 * width);
            if (TVectors.Value > 4) c4 = TSimd.Load(start + 4 * width);
            if (TVectors.Value > 5) c5 = TSimd.Load(start + 5 * width);
            if (TVectors.Value > 6) c6 = TSimd.Load(start + 6 * width);
            if (TVectors.Value > 7) c7 = TSimd.Load(start + 7 * width);
        }

        nint panel = row.Panel;
        float* b0 = row.B + (nint)(n / Width) * panel;
        float* b1 = b0 + Offset<TSimd, V>(1, panel);
        float* b2 = b0 + Offset<TSimd, V>(2, panel);
        float* b3 = b0 + Offset<TSimd, V>(3, panel);
        float* b4 = b0 + Offset<TSimd, V>(4, panel);
        float* b5 = b0 + Offset<TSimd, V>(5, panel);
        float* b6 = b0 + Offset<TSimd, V>(6, panel);
        float* b7 = b0 + Offset<TSimd, V>(7, panel);
        float* x = row.X;
        int* end = row.List + row.Count;
        for (int* at = row.List; at < end; at++)
        {
            nint k = *at;
            V value = TSimd.Broadcast(x[k]);
            k *= Width;
            if (TVectors.Value > 0) c0 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b0 + k), c0);
            if (TVectors.Value > 1) c1 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b1 + k), c1);
            if (TVectors.Value > 2) c2 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b2 + k), c2);
            if (TVectors.Value > 3) c3 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b3 + k), c3);
            if (TVectors.Value > 4) c4 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b4 + k), c4);
            if (TVectors.Value > 5) c5 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b5 + k), c5);
            if (TVectors.Value > 6) c6 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b6 + k), c6);
            if (TVectors.Value > 7) c7 = TSimd.FusedMultiplyAdd(value, TSimd.Load(b7 + k), c7);
        }

        float* c = row.C + n;
        if (TVectors.Value > 0) TSimd.Store(c + 0 * width, c0);
        if (TVectors.Value > 1) TSimd.Store(c + 1 * width, c1);
        if (TVectors.Value > 2) TSimd.Store(c + 2 * width, c2);
        if (TVectors.Value > 3) TSimd.Store(c + 3 * width, c3);
        if (TVectors.Value > 4) TSimd.Store(c + 4 * width, c4);
        if (TVectors.Value > 5) TSimd.Store(c + 5 * width, c5);
        if (TVectors.Value > 6) TSimd.Store(c + 6 * width, c6);
        if (TVectors.Value > 7) TSimd.Store(c + 7 * width, c7);
    }
}
