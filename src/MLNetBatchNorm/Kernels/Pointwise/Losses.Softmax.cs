using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Losses over the outputs of a network, with their gradients, and the probabilities that scoring gives.</summary>
internal static unsafe partial class Losses
{
    private const int Width = PanelLayout.Width;

    /// <summary>Rows whose logarithms are taken together.</summary>
    private const int LogBlock = 16;

    /// <summary>Softmax cross-entropy of rows firstRow..endRow against class numbers, and its gradient.</summary>
    /// <remarks>
    /// z and dz are [rowCapacity, outputs] in panels; classes, rowLoss and weights (or empty: all 1) are [rows], indexed by row. classes[r]
    /// is a whole number in 0..outputs-1. With p = softmax(z[r]) and q = (1 - s) onehot + s / outputs, s = labelSmoothing:
    ///   rowLoss[r] = -sum_k q_k ln p_k             (not multiplied by the weight)
    ///   dz[r, k] = weights[r] * gradientScale * (p_k - q_k),   0 in the padding lanes of the last panel
    /// A row of weight 0 gets rowLoss 0 and dz 0 whatever else it holds, an invalid class or NaN included.
    /// The row's largest logit is subtracted first: exp cannot overflow and the sum is at least 1. Sums over classes
    /// run lane by lane over the panels, then over the lanes as a tree of halves, on every vector width alike. dz may
    /// be z itself, but must not overlap it otherwise.
    /// </remarks>
    /// <exception cref="ArgumentException">A row of non-zero weight has a class that is not a whole number in 0..outputs-1.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
            ClassLoss c = new(outputs, rowCapacity, pc, pw, gradientScale, labelSmoothing);

            // The result does not depend on the width, so few classes take a narrow vector: fewer steps to its largest lane and its sum.
            if (outputs <= Simd128.Width)
            {
                CrossEntropyOfPanel<Simd128, Vector128<float>, OneVector>(pz, c, pd, pl, firstRow, endRow);
            }
            else if (outputs <= Simd256.Width && Vector256.IsHardwareAccelerated)
            {
                CrossEntropyOfPanel<Simd256, Vector256<float>, OneVector>(pz, c, pd, pl, firstRow, endRow);
            }
            else if (Vector512.IsHardwareAccelerated)
            {
                CrossEntropy<Simd512, Vector512<float>, OneVector>(pz, c, pd, pl, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                CrossEntropy<Simd256, Vector256<float>, TwoVectors>(pz, c, pd, pl, firstRow, endRow);
            }
            else
            {
                CrossEntropy<Simd128, Vector128<float>, FourVectors>(pz, c, pd, pl, firstRow, endRow);
            }
        }
    }

    /// <summary>probabilities[r, k] = softmax of row r, for rows firstRow..endRow.</summary>
    /// <remarks>
    /// z is [rowCapacity, outputs] in panels; probabilities is [rows, outputs] row-major, row r at r * outputs. They must not overlap.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Softmax(ReadOnlySpan<float> z, int rowCapacity, int outputs, Span<float> probabilities, int firstRow, int endRow)
    {
        RequireOutputs(z.Length, rowCapacity, outputs, firstRow, endRow, nameof(z));
        KernelArguments.RequireLength(probabilities.Length, (long)endRow * outputs, nameof(probabilities));
        fixed (float* pz = z, pp = probabilities)
        {
            if (outputs <= Simd128.Width)
            {
                SoftmaxOfPanel<Simd128, Vector128<float>, OneVector>(pz, outputs, pp, firstRow, endRow);
            }
            else if (outputs <= Simd256.Width && Vector256.IsHardwareAccelerated)
            {
                SoftmaxOfPanel<Simd256, Vector256<float>, OneVector>(pz, outputs, pp, firstRow, endRow);
            }
            else if (Vector512.IsHardwareAccelerated)
            {
                Softmax<Simd512, Vector512<float>, OneVector>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Softmax<Simd256, Vector256<float>, TwoVectors>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
            else
            {
                Softmax<Simd128, Vector128<float>, FourVectors>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
        }
    }

    /// <summary>Softmax of one row of logits.</summary>
    /// <remarks>
    /// z is one row in panels of row capacity 1: its length is at least probabilities.Length rounded up to a multiple of 16.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Softmax(ReadOnlySpan<float> z, Span<float> probabilities)
        => Softmax(z, 1, probabilities.Length, probabilities, 0, 1);

    /// <summary>What a cross-entropy kernel is told besides the logits.</summary>
    internal readonly struct ClassLoss(
        int outputs, int rowCapacity, float* classes, float* weights, float gradientScale, float labelSmoothing)
    {
        public readonly int Outputs = outputs;
        public readonly nint PanelStride = (nint)rowCapacity * Width;
        public readonly float* Classes = classes;
        public readonly float* Weights = weights;
        public readonly float GradientScale = gradientScale;

        /// <summary>Share of every class in the target distribution, the true one included.</summary>
        public readonly float Uniform = labelSmoothing / outputs;

        /// <summary>Share that only the true class has.</summary>
        public readonly float Certain = 1f - labelSmoothing;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public float WeightOf(int row) => Weights == null ? 1f : Weights[row];

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public int ClassOf(int row)
        {
            float value = Classes[row];
            int number = (int)value;
            if ((uint)number >= (uint)Outputs || number != value)
            {
                ThrowClass(value, Outputs, row);
            }

            return number;
        }
    }

    /// <summary>How many vectors of a panel row hold outputs, as a type.</summary>
    internal interface IVectorCount
    {
        static abstract int Value { get; }
    }

    internal readonly struct OneVector : IVectorCount
    {
        public static int Value => 1;
    }

    internal readonly struct TwoVectors : IVectorCount
    {
        public static int Value => 2;
    }

    internal readonly struct FourVectors : IVectorCount
    {
        public static int Value => 4;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void CrossEntropy<TSimd, V, TVectors>(float* z, in ClassLoss c, float* dz, float* rowLoss, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TVectors : struct, IVectorCount
    {
        if (c.Outputs <= Width)
        {
            CrossEntropyOfPanel<TSimd, V, TVectors>(z, c, dz, rowLoss, firstRow, endRow);
        }
        else
        {
            CrossEntropyOfPanels<TSimd, V>(z, c, dz, rowLoss, firstRow, endRow);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Softmax<TSimd, V, TVectors>(float* z, int rowCapacity, int outputs, float* probabilities, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TVectors : struct, IVectorCount
    {
        if (outputs <= Width)
        {
            SoftmaxOfPanel<TSimd, V, TVectors>(z, outputs, probabilities, firstRow, endRow);
        }
        else
        {
            SoftmaxOfPanels<TSimd, V>(z, (nint)rowCapacity * Width, outputs, probabilities, firstRow, endRow);
        }
    }

    /// <summary>Up to 16 classes: a row stays in registers.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void CrossEntropyOfPanel<TSimd, V, TVectors>(
        float* z, in ClassLoss c, float* dz, float* rowLoss, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TVectors : struct, IVectorCount
    {
        float* sums = stackalloc float[2 * LogBlock];
        float* linear = sums + LogBlock;
        Row<TSimd, V, TVectors> inside = Row<TSimd, V, TVectors>.Inside(c.Outputs);
        for (int block = firstRow; block < endRow; block += LogBlock)
        {
            int count = Math.Min(LogBlock, endRow - block);
            FillUnused(sums, linear, count);
            for (int i = 0; i < count; i++)
            {
                int r = block + i;
                float* zRow = z + ((nint)r * Width);
                float* dzRow = dz + ((nint)r * Width);
                float weight = c.WeightOf(r);
                if (weight == 0f)
                {
                    sums[i] = 1f;
                    linear[i] = 0f;
                    ClearRow<TSimd, V>(dzRow, 0, 1);
                    continue;
                }

                int target = c.ClassOf(r);
                float targetLogit = zRow[target];
                Row<TSimd, V, TVectors> row = Row<TSimd, V, TVectors>.Load(zRow, inside);
                float largest = row.Largest();
                row = row.Shifted(largest);
                float expected = c.Certain * (targetLogit - largest);
                if (c.Uniform != 0f)
                {
                    expected += c.Uniform * row.SumInside(inside);
                }

                row = row.Exponentials();
                float sum = row.Sum();
                sums[i] = sum;
                linear[i] = expected;
                row.StoreGradient(dzRow, inside, 1f / sum, c.Uniform, c.Certain, target, weight * c.GradientScale);
            }

            StoreLosses<TSimd, V>(sums, linear, rowLoss + block, count);
        }
    }

    /// <summary>Any number of classes: dz holds the exponentials between the passes over a row.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CrossEntropyOfPanels<TSimd, V>(float* z, in ClassLoss c, float* dz, float* rowLoss, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* sums = stackalloc float[2 * LogBlock];
        float* linear = sums + LogBlock;
        for (int block = firstRow; block < endRow; block += LogBlock)
        {
            int count = Math.Min(LogBlock, endRow - block);
            FillUnused(sums, linear, count);
            for (int i = 0; i < count; i++)
            {
                int r = block + i;
                float* zRow = z + ((nint)r * Width);
                float* dzRow = dz + ((nint)r * Width);
                float weight = c.WeightOf(r);
                if (weight == 0f)
                {
                    sums[i] = 1f;
                    linear[i] = 0f;
                    ClearRow<TSimd, V>(dzRow, c.PanelStride, c.Outputs);
                    continue;
                }

                int target = c.ClassOf(r);
                float targetLogit = zRow[((target >> 4) * c.PanelStride) + (target & 15)];
                float largest = LargestOfRow<TSimd, V>(zRow, c.PanelStride, c.Outputs);
                float expected = c.Certain * (targetLogit - largest);
                if (c.Uniform != 0f)
                {
                    expected += c.Uniform * SumOfRow<TSimd, V>(zRow, c.PanelStride, c.Outputs, largest);
                }

                float sum = ExponentialsOfRow<TSimd, V>(zRow, c.PanelStride, c.Outputs, largest, dzRow, c.PanelStride);
                sums[i] = sum;
                linear[i] = expected;
                GradientOfRow<TSimd, V>(dzRow, c, 1f / sum, target, weight * c.GradientScale);
            }

            StoreLosses<TSimd, V>(sums, linear, rowLoss + block, count);
        }
    }

    /// <summary>Up to 16 classes: a row stays in registers.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void SoftmaxOfPanel<TSimd, V, TVectors>(float* z, int outputs, float* probabilities, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TVectors : struct, IVectorCount
    {
        float* line = stackalloc float[Width];
        Row<TSimd, V, TVectors> inside = Row<TSimd, V, TVectors>.Inside(outputs);
        float* end = probabilities + ((nint)endRow * outputs);
        for (int r = firstRow; r < endRow; r++)
        {
            Row<TSimd, V, TVectors> row = Row<TSimd, V, TVectors>.Load(z + ((nint)r * Width), inside);
            row = row.Shifted(row.Largest()).Exponentials();
            float inverse = 1f / row.Sum();

            // Whole vectors as long as they end before `end`: what they spill over belongs to rows of this range that are written later.
            float* result = probabilities + ((nint)r * outputs);
            bool room = result + (TVectors.Value * TSimd.Width) <= end;
            float* target = room ? result : line;
            row.StoreScaled(target, inverse);
            if (!room)
            {
                for (int k = 0; k < outputs; k++)
                {
                    result[k] = line[k];
                }
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SoftmaxOfPanels<TSimd, V>(float* z, nint panelStride, int outputs, float* probabilities, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* last = stackalloc float[Width];
        int whole = outputs & -Width;
        for (int r = firstRow; r < endRow; r++)
        {
            // The exponentials of whole panels go straight to the result; those of the last one by way of `last`, with its padding lanes.
            float* zRow = z + ((nint)r * Width);
            float* result = probabilities + ((nint)r * outputs);
            float largest = LargestOfRow<TSimd, V>(zRow, panelStride, outputs);
            float sum = ExponentialsOfRow<TSimd, V>(zRow, panelStride, outputs, largest, result, Width, whole, last);
            float inverse = 1f / sum;
            V factor = TSimd.Broadcast(inverse);
            for (int k = 0; k < whole; k += TSimd.Width)
            {
                TSimd.Store(result + k, TSimd.Multiply(TSimd.Load(result + k), factor));
            }

            for (int k = whole; k < outputs; k++)
            {
                result[k] = last[k - whole] * inverse;
            }
        }
    }

    [DoesNotReturn]
    private static void ThrowClass(float value, int outputs, int row)
        => throw new ArgumentException($"Row {row} has class {value}; a whole number from 0 to {outputs - 1} is needed.", "classes");

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RequireOutputs(int length, int rowCapacity, int outputs, int firstRow, int endRow, string name)
    {
        KernelArguments.RequireAtLeast(outputs, 1, nameof(outputs));
        KernelArguments.RequireRows(firstRow, endRow, rowCapacity);
        long panels = ((long)outputs + Width - 1) / Width;
        KernelArguments.RequireLength(length, (((panels - 1) * rowCapacity) + endRow) * Width, name);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
