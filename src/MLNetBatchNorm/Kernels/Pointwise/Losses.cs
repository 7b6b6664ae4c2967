using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <content>
/// The losses that treat every output by itself. Shapes, shared by all of them: z and dz are [rowCapacity, outputs] in panels; targets is
/// [rows, outputs] row-major, row r at r * outputs; rowLoss and weights (or empty: all 1) are [rows], indexed by row.
///   rowLoss[r] = (1/outputs) sum_k loss(z[r,k], targets[r,k]) (not multiplied by the weight; summed in double, k ascending)
///   dz[r,k] = weights[r] * gradientScale / outputs * loss'(z[r,k], targets[r,k]),   0 in the padding lanes of the last panel
/// A row of weight 0 gets rowLoss 0 and dz 0 whatever else it holds, NaN included. dz may be z itself, but must not overlap it otherwise.
/// </content>
internal static unsafe partial class Losses
{
    /// <summary>Outputs handled at a time: gathered from the panels, evaluated as one vector loop, scattered back.</summary>
    private const int Chunk = 256;

    /// <summary>Binary cross-entropy with logits: max(z, 0) - z y + ln(1 + e^-|z|), for targets y in 0..1.</summary>
    public static void BinaryCrossEntropy(
        ReadOnlySpan<float> z,
        int rowCapacity,
        int outputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> weights,
        float gradientScale,
        Span<float> dz,
        Span<float> rowLoss,
        int firstRow,
        int endRow)
        => Pointwise<BinaryCrossEntropyLoss>(z, rowCapacity, outputs, targets, weights, gradientScale, 0f, dz, rowLoss, firstRow, endRow);

    /// <summary>Squared error (z - y)^2, without a factor 1/2.</summary>
    public static void SquaredError(
        ReadOnlySpan<float> z,
        int rowCapacity,
        int outputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> weights,
        float gradientScale,
        Span<float> dz,
        Span<float> rowLoss,
        int firstRow,
        int endRow)
        => Pointwise<SquaredErrorLoss>(z, rowCapacity, outputs, targets, weights, gradientScale, 0f, dz, rowLoss, firstRow, endRow);

    /// <summary>Huber's loss: with d = z - y, d^2/2 if |d| &lt;= delta, else delta (|d| - delta/2). delta &gt; 0.</summary>
    public static void Huber(
        ReadOnlySpan<float> z,
        int rowCapacity,
        int outputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> weights,
        float gradientScale,
        float delta,
        Span<float> dz,
        Span<float> rowLoss,
        int firstRow,
        int endRow)
        => Pointwise<HuberErrorLoss>(z, rowCapacity, outputs, targets, weights, gradientScale, delta, dz, rowLoss, firstRow, endRow);

    /// <summary>probabilities[r, k] = sigmoid(z[r, k]) for rows firstRow..endRow.</summary>
    /// <remarks>
    /// z is [rowCapacity, outputs] in panels; probabilities is [rows, outputs] row-major, row r at r * outputs. They must not overlap.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sigmoid(ReadOnlySpan<float> z, int rowCapacity, int outputs, Span<float> probabilities, int firstRow, int endRow)
    {
        RequireOutputs(z.Length, rowCapacity, outputs, firstRow, endRow, nameof(z));
        KernelArguments.RequireLength(probabilities.Length, (long)endRow * outputs, nameof(probabilities));
        fixed (float* pz = z, pp = probabilities)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Sigmoid<Simd512, Vector512<float>>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Sigmoid<Simd256, Vector256<float>>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
            else
            {
                Sigmoid<Simd128, Vector128<float>>(pz, rowCapacity, outputs, pp, firstRow, endRow);
            }
        }
    }

    /// <summary>Sigmoid of one row of logits.</summary>
    /// <remarks>
    /// z is one row in panels of row capacity 1: its length is at least probabilities.Length rounded up to a multiple of 16.
    /// </remarks>
    public static void Sigmoid(ReadOnlySpan<float> z, Span<float> probabilities)
        => Sigmoid(z, 1, probabilities.Length, probabilities, 0, 1);

    /// <summary>A loss that takes every output by itself, with a number of its own as <paramref name="parameter"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Pointwise<TLoss>(
        ReadOnlySpan<float> z,
        int rowCapacity,
        int outputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> weights,
        float gradientScale,
        float parameter,
        Span<float> dz,
        Span<float> rowLoss,
        int firstRow,
        int endRow)
        where TLoss : struct, IPointwiseLoss
    {
        RequireOutputs(z.Length, rowCapacity, outputs, firstRow, endRow, nameof(z));
        RequireOutputs(dz.Length, rowCapacity, outputs, firstRow, endRow, nameof(dz));
        KernelArguments.RequireLength(targets.Length, (long)endRow * outputs, nameof(targets));
        RequireRowSpans(endRow, weights.Length, rowLoss.Length, endRow, nameof(targets));
        fixed (float* pz = z, pt = targets, pw = weights, pd = dz, pl = rowLoss)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Pointwise<Simd512, Vector512<float>, TLoss>(
                    pz, rowCapacity, outputs, pt, pw, gradientScale, parameter, pd, pl, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Pointwise<Simd256, Vector256<float>, TLoss>(
                    pz, rowCapacity, outputs, pt, pw, gradientScale, parameter, pd, pl, firstRow, endRow);
            }
            else
            {
                Pointwise<Simd128, Vector128<float>, TLoss>(
                    pz, rowCapacity, outputs, pt, pw, gradientScale, parameter, pd, pl, firstRow, endRow);
            }
        }
    }

    /// <summary>
    /// Works on tiles of rows x columns with at most <see cref="Chunk"/> outputs, gathered into one contiguous run: a network with one
    /// output fills its vectors as well as one with sixteen. More outputs than that are cut along the row, one row at a time.
    /// </summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Pointwise<TSimd, V, TLoss>(
        float* z,
        int rowCapacity,
        int outputs,
        float* targets,
        float* weights,
        float gradientScale,
        float parameter,
        float* dz,
        float* rowLoss,
        int firstRow,
        int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TLoss : struct, IPointwiseLoss
    {
        float* values = stackalloc float[2 * Chunk];
        float* expected = values + Chunk;
        nint panelStride = (nint)rowCapacity * Width;
        float share = gradientScale / outputs;
        double inverseOutputs = 1.0 / outputs;
        int columnsOfTile = Math.Min(outputs, Chunk);
        int rowsOfTile = Chunk / columnsOfTile;
        for (int row = firstRow; row < endRow; row += rowsOfTile)
        {
            int rows = Math.Min(rowsOfTile, endRow - row);
            double sum = 0;
            for (int column = 0; column < outputs; column += columnsOfTile)
            {
                int columns = Math.Min(columnsOfTile, outputs - column);
                int count = Gather(z, panelStride, row, rows, column, columns, values);
                Copy<TSimd, V>(targets + ((nint)row * outputs) + column, expected, count);
                EvaluateChunk<TSimd, V, TLoss>(values, expected, count, parameter);

                float* tileWeights = weights == null ? null : weights + row;
                float* tile = dz + ((column >> 4) * panelStride) + ((nint)row * Width);
                ScatterGradients<TSimd, V>(expected, rows, columns, tileWeights, share, tile, panelStride);
                sum = SumLosses(values, rows, columns, tileWeights, inverseOutputs, column == 0 ? 0 : sum, rowLoss + row);
            }
        }
    }

    /// <summary>dz[r, k] = weights[r] * share * gradients[r, k], and zeros in the padding lanes of the panels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScatterGradients<TSimd, V>(
        float* gradients, int rows, int columns, float* weights, float share, float* dz, nint panelStride)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int r = 0; r < rows; r++)
        {
            ClearRow<TSimd, V>(dz, panelStride, columns);
            float weight = weights == null ? 1f : weights[r];
            if (weight != 0f)
            {
                float scale = weight * share;
                for (int k = 0; k < columns; k++)
                {
                    dz[((k >> 4) * panelStride) + (k & 15)] = scale * gradients[k];
                }
            }

            gradients += columns;
            dz += Width;
        }
    }

    /// <summary>
    /// rowLoss[r] = inverseOutputs * sum_k losses[r, k]. `sum` is what tiles to the left of this one brought (then the tile has one row);
    /// the sum of the last row is returned for the tile to the right, which overwrites rowLoss.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumLosses(float* losses, int rows, int columns, float* weights, double inverseOutputs, double sum, float* rowLoss)
    {
        for (int r = 0; r < rows; r++)
        {
            if (weights == null || weights[r] != 0f)
            {
                for (int k = 0; k < columns; k++)
                {
                    sum += losses[k];
                }
            }

            rowLoss[r] = (float)(sum * inverseOutputs);
            losses += columns;
            if (r < rows - 1)
            {
                sum = 0;
            }
        }

        return sum;
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Sigmoid<TSimd, V>(float* z, int rowCapacity, int outputs, float* probabilities, int firstRow, int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* values = stackalloc float[Chunk];
        nint panelStride = (nint)rowCapacity * Width;
        int columnsOfTile = Math.Min(outputs, Chunk);
        int rowsOfTile = Chunk / columnsOfTile;
        for (int row = firstRow; row < endRow; row += rowsOfTile)
        {
            int rows = Math.Min(rowsOfTile, endRow - row);
            for (int column = 0; column < outputs; column += columnsOfTile)
            {
                int columns = Math.Min(columnsOfTile, outputs - column);
                int count = Gather(z, panelStride, row, rows, column, columns, values);
                for (int i = 0; i < count; i += TSimd.Width)
                {
                    TSimd.Store(values + i, VectorMath.Sigmoid<TSimd, V>(TSimd.Load(values + i)));
                }

                Copy<TSimd, V>(values, probabilities + ((nint)row * outputs) + column, count);
            }
        }
    }

    /// <summary>
    /// Copies a tile of outputs out of the panels, row after row, and returns their number; zeros up to the next multiple of 16. `column`
    /// is a multiple of 16.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Gather(float* z, nint panelStride, int row, int rows, int column, int columns, float* values)
    {
        float* line = z + ((column >> 4) * panelStride) + ((nint)row * Width);
        float* target = values;
        for (int r = 0; r < rows; r++)
        {
            for (int k = 0; k < columns; k++)
            {
                target[k] = line[((k >> 4) * panelStride) + (k & 15)];
            }

            target += columns;
            line += Width;
        }

        int count = rows * columns;
        for (int i = count; (i & (Width - 1)) != 0; i++)
        {
            values[i] = 0f;
        }

        return count;
    }

    /// <summary>Copies count floats, vector by vector and the rest one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy<TSimd, V>(float* source, float* target, int count)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int i = 0;
        for (; i <= count - TSimd.Width; i += TSimd.Width)
        {
            TSimd.Store(target + i, TSimd.Load(source + i));
        }

        for (; i < count; i++)
        {
            target[i] = source[i];
        }
    }

    /// <summary>
    /// values: in outputs, out losses; expected: in targets, out derivatives. Works in whole vectors; both have room for them.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EvaluateChunk<TSimd, V, TLoss>(float* values, float* expected, int count, float parameter)
        where TSimd : struct, ISimd<V>
        where V : struct
        where TLoss : struct, IPointwiseLoss
    {
        V delta = TSimd.Broadcast(parameter);
        for (int i = 0; i < count; i += TSimd.Width)
        {
            V loss = TLoss.Evaluate<TSimd, V>(TSimd.Load(values + i), TSimd.Load(expected + i), delta, out V gradient);
            TSimd.Store(values + i, loss);
            TSimd.Store(expected + i, gradient);
        }
    }
}
