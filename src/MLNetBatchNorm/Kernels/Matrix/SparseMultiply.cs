using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Products of sparse rows with dense weights, for inputs of many columns of which a row has few.</summary>
/// <remarks>
/// A row is its column numbers, rising, and its values. Weights and gradients are [panels][inputs][16], so that what one column touches in
/// a panel is one cache line. The chains are those of <see cref="MatrixMultiply"/> without the terms whose factor is zero, and such a term
/// leaves a sum as it is: a sparse row and the same row written out give the same bits (but for the sign of a zero).
/// </remarks>
internal static unsafe class SparseMultiply
{
    private const int Width = PanelLayout.Width;

    /// <summary>c[row, n] = bias[n] + sum_k values[k] * b[indices[k], n] for n in panels [firstPanel, endPanel).</summary>
    /// <remarks>
    /// b: weights of <paramref name="inputs"/> inputs; bias: empty for 0; c: panels of
    /// <paramref name="cRowCapacity"/> rows, not overlapping b.
    /// </remarks>
    public static void Multiply(
        ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> b, int inputs, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int row, int firstPanel, int endPanel)
    {
        CheckRow(indices, values, inputs);
        KernelArguments.RequireRows(row, row + 1, cRowCapacity);
        KernelArguments.RequireLength(b.Length, (long)endPanel * inputs * Width, nameof(b));
        KernelArguments.RequireLength(c.Length, (long)endPanel * cRowCapacity * Width, nameof(c));
        if (!bias.IsEmpty)
            KernelArguments.RequireLength(bias.Length, endPanel * Width, nameof(bias));
        fixed (int* pi = indices)
        fixed (float* pv = values, pb = b, pBias = bias, pc = c)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Multiply<Simd512, Vector512<float>>(
                    pi, pv, indices.Length, pb, inputs, pBias, Width, pc, cRowCapacity, row, firstPanel, endPanel);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Multiply<Simd256, Vector256<float>>(
                    pi, pv, indices.Length, pb, inputs, pBias, Width, pc, cRowCapacity, row, firstPanel, endPanel);
            }
            else
            {
                Multiply<Simd128, Vector128<float>>(
                    pi, pv, indices.Length, pb, inputs, pBias, Width, pc, cRowCapacity, row, firstPanel, endPanel);
            }
        }
    }

    /// <summary>The same going on from what is in c.</summary>
    public static void Add(
        ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> b, int inputs,
        Span<float> c, int cRowCapacity, int row, int firstPanel, int endPanel)
    {
        CheckRow(indices, values, inputs);
        KernelArguments.RequireRows(row, row + 1, cRowCapacity);
        KernelArguments.RequireLength(b.Length, (long)endPanel * inputs * Width, nameof(b));
        KernelArguments.RequireLength(c.Length, (long)endPanel * cRowCapacity * Width, nameof(c));
        nint start = (nint)row * Width, panel = (nint)cRowCapacity * Width;
        fixed (int* pi = indices)
        fixed (float* pv = values, pb = b, pc = c)
        {
            int count = indices.Length;
            if (Vector512.IsHardwareAccelerated)
            {
                Multiply<Simd512, Vector512<float>>(
                    pi, pv, count, pb, inputs, pc + start, panel, pc, cRowCapacity, row, firstPanel, endPanel);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Multiply<Simd256, Vector256<float>>(
                    pi, pv, count, pb, inputs, pc + start, panel, pc, cRowCapacity, row, firstPanel, endPanel);
            }
            else
            {
                Multiply<Simd128, Vector128<float>>(
                    pi, pv, count, pb, inputs, pc + start, panel, pc, cRowCapacity, row, firstPanel, endPanel);
            }
        }
    }

    /// <summary>
    /// gradient[indices[k], n] += values[k] * d[row, n] for n in panels [firstPanel, endPanel); called for the rows of a batch in order.
    /// </summary>
    /// <remarks>
    /// d: panels of <paramref name="dRowCapacity"/> rows; gradient: weights of <paramref name="inputs"/> inputs, not overlapping d.
    /// </remarks>
    public static void AddWeightGradient(
        ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> d, int dRowCapacity, int row, Span<float> gradient,
        int inputs, int firstPanel, int endPanel)
    {
        CheckRow(indices, values, inputs);
        KernelArguments.RequireRows(row, row + 1, dRowCapacity);
        KernelArguments.RequireLength(d.Length, (long)endPanel * dRowCapacity * Width, nameof(d));
        KernelArguments.RequireLength(gradient.Length, (long)endPanel * inputs * Width, nameof(gradient));
        fixed (int* pi = indices)
        fixed (float* pv = values, pd = d, pg = gradient)
        {
            for (int panel = firstPanel; panel < endPanel; panel++)
            {
                float* line = pd + (((nint)panel * dRowCapacity + row) * Width);
                float* weights = pg + ((nint)panel * inputs * Width);
                if (Vector512.IsHardwareAccelerated)
                    Scatter<Simd512, Vector512<float>>(pi, pv, indices.Length, line, weights);
                else if (Vector256.IsHardwareAccelerated)
                    Scatter<Simd256, Vector256<float>>(pi, pv, indices.Length, line, weights);
                else
                    Scatter<Simd128, Vector128<float>>(pi, pv, indices.Length, line, weights);
            }
        }
    }

    /// <summary>
    /// Chains start at bias, from one panel to the next <c>biasPanel</c> further. Four panels at a time: four independent chains hide the
    /// latency of the additions, and four cache misses are under way at once.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Multiply<TSimd, V>(
        int* indices, float* values, int count, float* b, int inputs, float* bias, nint biasPanel, float* c, int cRowCapacity,
        int row, int firstPanel, int endPanel)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        nint bPanel = (nint)inputs * Width;
        nint cPanel = (nint)cRowCapacity * Width;
        int panel = firstPanel;
        for (; panel + 4 <= endPanel; panel += 4)
        {
            for (int lane = 0; lane < Width; lane += TSimd.Width)
            {
                float* weights = b + panel * bPanel + lane;
                float* start = bias == null ? null : bias + panel * biasPanel + lane;
                float* target = c + panel * cPanel + (nint)row * Width + lane;
                V sum0 = start == null ? TSimd.Broadcast(0f) : TSimd.Load(start);
                V sum1 = start == null ? TSimd.Broadcast(0f) : TSimd.Load(start + biasPanel);
                V sum2 = start == null ? TSimd.Broadcast(0f) : TSimd.Load(start + 2 * biasPanel);
                V sum3 = start == null ? TSimd.Broadcast(0f) : TSimd.Load(start + 3 * biasPanel);
                for (int k = 0; k < count; k++)
                {
                    V value = TSimd.Broadcast(values[k]);
                    float* line = weights + (nint)indices[k] * Width;
                    sum0 = TSimd.FusedMultiplyAdd(value, TSimd.Load(line), sum0);
                    sum1 = TSimd.FusedMultiplyAdd(value, TSimd.Load(line + bPanel), sum1);
                    sum2 = TSimd.FusedMultiplyAdd(value, TSimd.Load(line + 2 * bPanel), sum2);
                    sum3 = TSimd.FusedMultiplyAdd(value, TSimd.Load(line + 3 * bPanel), sum3);
                }
                TSimd.Store(target, sum0);
                TSimd.Store(target + cPanel, sum1);
                TSimd.Store(target + 2 * cPanel, sum2);
                TSimd.Store(target + 3 * cPanel, sum3);
            }
        }
        for (; panel < endPanel; panel++)
        {
            for (int lane = 0; lane < Width; lane += TSimd.Width)
            {
                float* weights = b + panel * bPanel + lane;
                V sum = bias == null ? TSimd.Broadcast(0f) : TSimd.Load(bias + panel * biasPanel + lane);
                for (int k = 0; k < count; k++)
                    sum = TSimd.FusedMultiplyAdd(TSimd.Broadcast(values[k]), TSimd.Load(weights + (nint)indices[k] * Width), sum);
                TSimd.Store(c + panel * cPanel + (nint)row * Width + lane, sum);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Scatter<TSimd, V>(int* indices, float* values, int count, float* d, float* gradient)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int lane = 0; lane < Width; lane += TSimd.Width)
        {
            V line = TSimd.Load(d + lane);
            for (int k = 0; k < count; k++)
            {
                float* target = gradient + ((nint)indices[k] * Width) + lane;
                TSimd.Store(target, TSimd.FusedMultiplyAdd(TSimd.Broadcast(values[k]), line, TSimd.Load(target)));
            }
        }
    }

    private static void CheckRow(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, int inputs)
    {
        KernelArguments.RequireEqualLength(values.Length, indices.Length, nameof(values));
        foreach (int index in indices)
        {
            if ((uint)index >= (uint)inputs)
                throw new ArgumentException($"A column number is {index}; the weights have {inputs} inputs.", nameof(indices));
        }
    }
}
