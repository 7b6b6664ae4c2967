using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// Products with a weight vector: the linear map of a single output whose weights lie one behind the other,
/// without the fifteen padding lanes of a panel.
/// </summary>
/// <remarks>
/// For maps of very many inputs, where the padding is the memory. The chains are those of <see cref="MatrixMultiply"/> and
/// <see cref="SparseMultiply"/>: one fused multiply-add after the other over the inputs, beginning with the bias, so the
/// bits are the same (but for the sign of a zero).
/// </remarks>
internal static unsafe class OneOutputMultiply
{
    private const int Width = PanelLayout.Width;

    /// <summary>c[r, 0] = bias + sum_k a[r, k] * w[k] for rows [0, rows); the other lanes of the panel c become 0.</summary>
    /// <remarks>
    /// a: panels of <paramref name="aRowCapacity"/> rows and <paramref name="inner"/> columns; w: inner
    /// weights; c: one panel, not overlapping the others.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(
        ReadOnlySpan<float> a, int aRowCapacity, int inner, ReadOnlySpan<float> w, float bias, Span<float> c, int rows)
    {
        KernelArguments.RequireRows(0, rows, aRowCapacity);
        KernelArguments.RequireLength(a.Length, PanelLayout.Length(aRowCapacity, inner), nameof(a));
        KernelArguments.RequireLength(w.Length, inner, nameof(w));
        KernelArguments.RequireLength(c.Length, (long)rows * Width, nameof(c));
        c[..(rows * Width)].Clear();
        fixed (float* pa = a, pw = w, pc = c)
        {
            nint panel = (nint)aRowCapacity * Width;
            int row = 0;
            for (; row + 4 <= rows; row += 4)
                FourRows(pa + row * Width, panel, inner, pw, bias, pc + row * Width);
            for (; row < rows; row++)
                pc[row * Width] = OneRow(pa + row * Width, panel, inner, pw, bias);
        }
    }

    /// <summary>bias + sum_k values[k] * w[indices[k]] of one sparse row, its column numbers rising.</summary>
    public static float Multiply(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> w, float bias)
    {
        KernelArguments.RequireEqualLength(values.Length, indices.Length, nameof(values));
        float sum = bias;
        for (int k = 0; k < indices.Length; k++)
            sum = MathF.FusedMultiplyAdd(values[k], w[indices[k]], sum);
        return sum;
    }

    /// <summary>Four chains side by side hide the latency of the additions.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FourRows(float* a, nint panel, int inner, float* w, float bias, float* c)
    {
        float sum0 = bias, sum1 = bias, sum2 = bias, sum3 = bias;
        for (int first = 0; first < inner; first += Width, a += panel)
        {
            int lanes = Math.Min(Width, inner - first);
            for (int lane = 0; lane < lanes; lane++)
            {
                float weight = w[first + lane];
                sum0 = MathF.FusedMultiplyAdd(a[lane], weight, sum0);
                sum1 = MathF.FusedMultiplyAdd(a[lane + Width], weight, sum1);
                sum2 = MathF.FusedMultiplyAdd(a[lane + 2 * Width], weight, sum2);
                sum3 = MathF.FusedMultiplyAdd(a[lane + 3 * Width], weight, sum3);
            }
        }

        c[0] = sum0;
        c[Width] = sum1;
        c[2 * Width] = sum2;
        c[3 * Width] = sum3;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float OneRow(float* a, nint panel, int inner, float* w, float bias)
    {
        float sum = bias;
        for (int first = 0; first < inner; first += Width, a += panel)
        {
            int lanes = Math.Min(Width, inner - first);
            for (int lane = 0; lane < lanes; lane++)
                sum = MathF.FusedMultiplyAdd(a[lane], w[first + lane], sum);
        }

        return sum;
    }
}
