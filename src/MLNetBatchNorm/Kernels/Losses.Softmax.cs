using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Losses over the outputs of a network, with their gradients, and the probabilities that scoring gives.</summary>
internal static unsafe partial class Losses
{
    private const int Width = KernelArguments.PanelWidth;

    /// <summary>Softmax cross-entropy of rows firstRow..endRow against class numbers, and its gradient.</summary>
    /// <remarks>
    /// z and dz are [rowCapacity, outputs] in panels; classes, rowLoss and weights (or empty: all 1) are [rows], indexed by row. classes[r] is a
    /// whole number in 0..outputs-1. With p = softmax(z[r]) and q = (1 - s) onehot + s / outputs, s = labelSmoothing:
    ///   rowLoss[r] = -sum_k q_k ln p_k             (not multiplied by the weight)
    ///   dz[r, k] = weights[r] * gradientScale * (p_k - q_k),   0 in the padding lanes of the last panel
    /// A row of weight 0 gets rowLoss 0 and dz 0 whatever else it holds, an invalid class or NaN included.
    /// The row's largest logit is subtracted first: exp cannot overflow and the sum is at least 1. Sums over classes run lane by lane over the
    /// panels, then over the lanes as a tree of halves, on every vector width alike. dz may be z itself, but must not overlap it otherwise.
    /// </remarks>
    public static void SoftmaxCrossEntropy(
        ReadOnlySpan<float> z,
        int rowCapacity,
        int outputs,
        ReadOnlySpan<float> classes,
        ReadOnlySpan<float> weights,
        float gradientScale,
        float labelSmoothing,
        Span<float> dz,
        Span<float> rowLoss,
        int firstRow,
        int endRow)
    {
        RequireOutputs(z.Length, rowCapacity, outputs, firstRow, endRow, nameof(z));
        RequireOutputs(dz.Length, rowCapacity, outputs, firstRow, endRow, nameof(dz));
        RequireRowSpans(classes.Length, weights.Length, rowLoss.Length, endRow, nameof(classes));
        fixed (float* pz = z, pc = classes, pw = weights, pd = dz, pl = rowLoss)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                SoftmaxCrossEntropy<Simd512, Vector512<float>>(pz, rowCapacity, outputs, pc, pw, gradientScale, labelSmoothing, pd, pl, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                SoftmaxCrossEntropy<Simd256, Vector256<float>>(pz, rowCapacity, outputs, pc, pw, gradientScale, labelSmoothing, pd, pl, firstRow, endRow);
            }
            else
            {
                SoftmaxCrossEntropy<Simd128, Vector128<float>>(pz, rowCapacity, outputs, pc, pw, gradientScale, labelSmoothing, pd, pl, firstRow, endRow);
            }
        }
    }

    /// <summary>probabilities[r, k] = softmax of row r, for rows firstRow..endRow.</summary>
    /// <remarks>z is [rowCapacity, outputs] in panels; probabilities is [rows, outputs] row-major, row r at r * outputs. They must not overlap.</remarks>
    public static void Softmax(ReadOnlySpan<float> z, int rowCapacity, int outputs, Span<float> probabilities, int firstRow, int endRow)
    {
        RequireOutputs(z.Length, rowCapacity, outputs, firstRow, endRow, nameof(z));
        KernelArguments.RequireLength(probabilities.Length, (long)endRow * outputs, nameof(probabilities));
        fixed (float* pz = z, pp = probabilities)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Softmax<Simd512, Vector512<float>>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Softmax<Simd256, Vector256<float>>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
            else
            {
                Softmax<Simd128, Vector128<float>>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
        }
    }

    /// <summary>Softmax of one row of logits.</summary>
    /// <remarks>z is one row in panels of row capacity 1: its length is probabilities.Length rounded up to a multiple of 16.</remarks>
    public static void Softmax(ReadOnlySpan<float> z, Span<float> probabilities)
        => Softmax(z, 1, probabilities.Length, probabilities, 0, 1);

    internal static void SoftmaxCrossEntropy<TSimd, V>(
        float* z,
        int rowCapacity,
        int outputs,
        float* classes,
        float* weights,
        float gradientScale,
        float labelSmoothing,
        float* dz,
        float* rowLoss,
        int firstRow,
        int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        // The logarithms of a block of rows are taken together.
        const int Block = 16;
        float* sums = stackalloc float[Block];
        float* linear = stackalloc float[Block];
        nint panelStride = (nint)rowCapacity * Width;
        float uniform = labelSmoothing / outputs;
        float certain = 1f - labelSmoothing;

        for (int block = firstRow; block < endRow; block += Block)
        {
            int count = Math.Min(Block, endRow - block);
            for (int i = 0; i < Block; i++)
            {
                sums[i] = 1f;
                linear[i] = 0f;
            }

            for (int i = 0; i < count; i++)
            {
                int r = block + i;
                float* zRow = z + ((nint)r * Width);
                float* dzRow = dz + ((nint)r * Width);
                float weight = weights == null ? 1f : weights[r];
                if (weight == 0f)
                {
                    ClearRow<TSimd, V>(dzRow, panelStride, outputs);
                    continue;
                }

                int target = ClassOf(classes[r], outputs, r);
                float targetLogit = zRow[((target >> 4) * panelStride) + (target & 15)];
                float largest = LargestOfRow<TSimd, V>(zRow, panelStride, outputs);
                linear[i] = certain * (targetLogit - largest);
                if (uniform != 0f)
                {
                    linear[i] += uniform * SumOfRow<TSimd, V>(zRow, panelStride, outputs, largest);
                }

                float sum = ExponentialsOfRow<TSimd, V>(zRow, panelStride, outputs, largest, dzRow, panelStride);
                sums[i] = sum;
                GradientOfRow<TSimd, V>(dzRow, panelStride, outputs, 1f / sum, uniform, certain, target, weight * gradientScale);
            }

            for (int i = 0; i < Block; i += TSimd.Width)
            {
                V logarithm = VectorMath.Log<TSimd, V>(TSimd.Load(sums + i));
                TSimd.Store(sums + i, TSimd.Subtract(logarithm, TSimd.Load(linear + i)));
            }

            for (int i = 0; i < count; i++)
            {
                rowLoss[block + i] = sums[i];
            }
        }
    }

    internal static void Softmax<TSimd, V>(float* z, int rowCapacity, int outputs, float* probabilities, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* line = stackalloc float[Width];
        nint panelStride = (nint)rowCapacity * Width;
        for (int r = firstRow; r < endRow; r++)
        {
            float* zRow = z + ((nint)r * Width);
            float* result = probabilities + ((nint)r * outputs);
            float largest = LargestOfRow<TSimd, V>(zRow, panelStride, outputs);
            float sum = ExponentialsOfRow<TSimd, V>(zRow, panelStride, outputs, largest, line, 0);
            float inverse = 1f / sum;
            for (int first = 0; first < outputs; first += Width)
            {
                int lanes = Math.Min(Width, outputs - first);
                if (outputs > Width)
                {
                    // `line` holds the last panel only: take the exponentials of this one again.
                    ExponentialsOfRow<TSimd, V>(zRow + ((first / Width) * panelStride), panelStride, lanes, largest, line, 0);
                }

                for (int k = 0; k < lanes; k++)
                {
                    result[first + k] = line[k] * inverse;
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float LargestOfRow<TSimd, V>(float* z, nint panelStride, int outputs)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V lowest = TSimd.Broadcast(float.NegativeInfinity);
        V largest = lowest;
        for (int k = 0; k < outputs; k += TSimd.Width)
        {
            V value = TSimd.Load(z + ((k >> 4) * panelStride) + (k & 15));
            largest = TSimd.Max(largest, TSimd.Select(InsideMask<TSimd, V>(k, outputs), value, lowest));
        }

        return TSimd.MaxLanes(largest);
    }

    /// <summary>e[k] = exp(z[k] - largest), 0 in padding lanes, and their sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float ExponentialsOfRow<TSimd, V>(float* z, nint panelStride, int outputs, float largest, float* e, nint eStride)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V zero = TSimd.Broadcast(0f);
        V shift = TSimd.Broadcast(largest);
        float* totals = stackalloc float[Width];
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V total = zero;
            for (int k = c; k - c < outputs; k += Width)
            {
                V value = VectorMath.Exp<TSimd, V>(TSimd.Subtract(TSimd.Load(z + ((k >> 4) * panelStride) + c), shift));
                value = TSimd.Select(InsideMask<TSimd, V>(k, outputs), value, zero);
                total = TSimd.Add(total, value);
                TSimd.Store(e + ((k >> 4) * eStride) + c, value);
            }

            TSimd.Store(totals + c, total);
        }

        return SumLine<TSimd, V>(totals);
    }

    /// <summary>Sum of z[k] - largest over the classes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float SumOfRow<TSimd, V>(float* z, nint panelStride, int outputs, float largest)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V zero = TSimd.Broadcast(0f);
        V shift = TSimd.Broadcast(largest);
        float* totals = stackalloc float[Width];
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V total = zero;
            for (int k = c; k - c < outputs; k += Width)
            {
                V value = TSimd.Subtract(TSimd.Load(z + ((k >> 4) * panelStride) + c), shift);
                total = TSimd.Add(total, TSimd.Select(InsideMask<TSimd, V>(k, outputs), value, zero));
            }

            TSimd.Store(totals + c, total);
        }

        return SumLine<TSimd, V>(totals);
    }

    /// <summary>dz[k] := scale * (dz[k] * inverse - uniform - (k == target ? certain : 0)), 0 in padding lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GradientOfRow<TSimd, V>(
        float* dz, nint panelStride, int outputs, float inverse, float uniform, float certain, int target, float scale)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V zero = TSimd.Broadcast(0f);
        int padded = (outputs + Width - 1) & -Width;
        for (int k = 0; k < padded; k += TSimd.Width)
        {
            float* line = dz + ((k >> 4) * panelStride) + (k & 15);
            V lanes = TSimd.Add(TSimd.LaneNumbers, TSimd.Broadcast(k));
            V q = TSimd.Select(TSimd.AreEqual(lanes, TSimd.Broadcast(target)), TSimd.Broadcast(certain + uniform), TSimd.Broadcast(uniform));
            V gradient = TSimd.Multiply(TSimd.Subtract(TSimd.Multiply(TSimd.Load(line), TSimd.Broadcast(inverse)), q), TSimd.Broadcast(scale));
            TSimd.Store(line, TSimd.Select(InsideMask<TSimd, V>(k, outputs), gradient, zero));
        }
    }

    /// <summary>All ones in the lanes whose class number, counted from <paramref name="first"/>, is below <paramref name="outputs"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V InsideMask<TSimd, V>(int first, int outputs)
        where TSimd : struct, ISimd<V>
        where V : struct
        => TSimd.LessThan(TSimd.LaneNumbers, TSimd.Broadcast(outputs - first));

    /// <summary>Sum of 16 floats as a tree of halves: the order of <see cref="ISimd{V}.SumLanes"/> at width 16, on every width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumLine<TSimd, V>(float* line)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V total = TSimd.Load(line);
        if (TSimd.Width == 8)
        {
            total = TSimd.Add(total, TSimd.Load(line + 8));
        }
        else if (TSimd.Width == 4)
        {
            total = TSimd.Add(TSimd.Add(total, TSimd.Load(line + 8)), TSimd.Add(TSimd.Load(line + 4), TSimd.Load(line + 12)));
        }

        return TSimd.SumLanes(total);
    }

    private static void ClearRow<TSimd, V>(float* dz, nint panelStride, int outputs)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int padded = (outputs + Width - 1) & -Width;
        for (int k = 0; k < padded; k += TSimd.Width)
        {
            TSimd.Store(dz + ((k >> 4) * panelStride) + (k & 15), TSimd.Broadcast(0f));
        }
    }

    private static int ClassOf(float value, int outputs, int row)
    {
        int number = (int)value;
        if ((uint)number >= (uint)outputs || number != value)
        {
            ThrowClass(value, outputs, row);
        }

        return number;
    }

    [DoesNotReturn]
    private static void ThrowClass(float value, int outputs, int row)
        => throw new ArgumentException($"Row {row} has class {value}; a whole number from 0 to {outputs - 1} is needed.", "classes");

    private static void RequireOutputs(int length, int rowCapacity, int outputs, int firstRow, int endRow, string name)
    {
        KernelArguments.RequireAtLeast(outputs, 1, nameof(outputs));
        KernelArguments.RequireRows(firstRow, endRow, rowCapacity);
        long panels = ((long)outputs + Width - 1) / Width;
        KernelArguments.RequireLength(length, (((panels - 1) * rowCapacity) + endRow) * Width, name);
    }

    private static void RequireRowSpans(int targets, int weights, int rowLoss, int endRow, string targetsName)
    {
        KernelArguments.RequireLength(targets, endRow, targetsName);
        KernelArguments.RequireLength(rowLoss, endRow, nameof(rowLoss));
        if (weights != 0)
        {
            KernelArguments.RequireLength(weights, endRow, nameof(weights));
        }
    }
}
