using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <content>
/// The same losses where outputs are several targets of a row, each of which counts for something of its own, and some of which may be
/// missing. Shapes as in the losses that treat every output by itself; targetWeights is [outputs], none negative; a target of NaN is
/// missing: m[r,k] = 0, else 1. One of weight 0 counts as missing, whatever its output is.
///   rowLoss[r] = sum_k v[k] m[r,k] loss(z[r,k], targets[r,k]) / sum_k v[k] m[r,k]      (summed in double, k ascending)
///   dz[r,k] = weights[r] * gradientScale * v[k] m[r,k] / sum_j v[j] m[r,j] * loss'(z[r,k], targets[r,k])
/// A row of weight 0, and one without any target, gets rowLoss 0 and dz 0.
/// </content>
internal static unsafe partial class Losses
{
    /// <summary>A loss of several targets of a row, with a number of its own as <paramref name="parameter"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void OfTargets<TLoss>(
        ReadOnlySpan<float> z,
        int rowCapacity,
        int outputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> targetWeights,
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
        KernelArguments.RequireLength(targetWeights.Length, outputs, nameof(targetWeights));
        RequireRowSpans(endRow, weights.Length, rowLoss.Length, endRow, nameof(targets));
        fixed (float* pz = z, pt = targets, pv = targetWeights, pw = weights, pd = dz, pl = rowLoss)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                OfTargets<Simd512, Vector512<float>, TLoss>(
                    pz, rowCapacity, outputs, pt, pv, pw, gradientScale, parameter, pd, pl, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                OfTargets<Simd256, Vector256<float>, TLoss>(
                    pz, rowCapacity, outputs, pt, pv, pw, gradientScale, parameter, pd, pl, firstRow, endRow);
            }
            else
            {
                OfTargets<Simd128, Vector128<float>, TLoss>(
                    pz, rowCapacity, outputs, pt, pv, pw, gradientScale, parameter, pd, pl, firstRow, endRow);
            }
        }
    }

    /// <summary>
    /// In tiles, as the losses that treat every output by itself. What is evaluated of a missing target is NaN or nonsense, and left where
    /// it is.
    /// </summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void OfTargets<TSimd, V, TLoss>(
        float* z,
        int rowCapacity,
        int outputs,
        float* targets,
        float* targetWeights,
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
                for (int r = 0; r < rows; r++)
                {
                    nint at = row + r;
                    float* ofRow = targets + (at * outputs);
                    double present = PresentWeight(ofRow, targetWeights, outputs);
                    float weight = weights == null ? 1f : weights[at];
                    bool counts = weight != 0f && present > 0;
                    double scale = counts ? weight * (double)gradientScale / present : 0;
                    double loss = AddTargets<TSimd, V>(
                        values + (r * columns), expected + (r * columns), ofRow + column, targetWeights + column, columns, counts, scale,
                        dz + ((column >> 4) * panelStride) + (at * Width), panelStride);
                    sum = (column == 0 ? 0 : sum) + loss;
                    rowLoss[at] = counts ? (float)(sum / present) : 0f;
                }
            }
        }
    }

    /// <summary>Sum of the weights of the targets that are there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double PresentWeight(float* targets, float* targetWeights, int outputs)
    {
        double present = 0;
        for (int k = 0; k < outputs; k++)
        {
            if (!float.IsNaN(targets[k]))
            {
                present += targetWeights[k];
            }
        }

        return present;
    }

    /// <summary>Writes the gradients of a part of a row, zeros in the padding lanes, and returns the weighted sum of its losses.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double AddTargets<TSimd, V>(
        float* losses, float* gradients, float* targets, float* targetWeights, int columns, bool counts, double scale, float* dz,
        nint panelStride)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        ClearRow<TSimd, V>(dz, panelStride, columns);
        double sum = 0;
        for (int k = 0; k < columns && counts; k++)
        {
            // 0 times the loss of an output that has run away would be NaN.
            if (float.IsNaN(targets[k]) || targetWeights[k] == 0f)
            {
                continue;
            }

            sum += (double)targetWeights[k] * losses[k];
            dz[((k >> 4) * panelStride) + (k & 15)] = (float)(scale * targetWeights[k]) * gradients[k];
        }

        return sum;
    }
}
