using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <content>Softmax cross-entropy where a row's target is not a class but a distribution over all of them.</content>
internal static unsafe partial class Losses
{
    /// <summary>Softmax cross-entropy of rows firstRow..endRow against distributions over the classes, and its gradient.</summary>
    /// <remarks>
    /// z and dz are [rowCapacity, outputs] in panels; distributions is [rows, outputs] row-major, row r at r * outputs, of each row numbers
    /// from 0 up whose sum is 1; rowLoss and weights (or empty: all 1) are [rows], indexed by row. With p = softmax(z[r]):
    ///   rowLoss[r] = -sum_k q_k ln p_k             (not multiplied by the weight; the sum in double, k ascending)
    ///   dz[r, k] = weights[r] * gradientScale * (p_k - q_k),   0 in the padding lanes of the last panel
    /// A row of weight 0 gets rowLoss 0 and dz 0 whatever else it holds. Sums over exponentials run as in
    /// <see cref="SoftmaxCrossEntropy"/>, on every vector width alike. dz may be z itself, but must not overlap it otherwise.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void DistributionCrossEntropy(
        ReadOnlySpan<float> z,
        int rowCapacity,
        int outputs,
        ReadOnlySpan<float> distributions,
        ReadOnlySpan<float> weights,
        float gradientScale,
        Span<float> dz,
        Span<float> rowLoss,
        int firstRow,
        int endRow)
    {
        RequireOutputs(z.Length, rowCapacity, outputs, firstRow, endRow, nameof(z));
        RequireOutputs(dz.Length, rowCapacity, outputs, firstRow, endRow, nameof(dz));
        KernelArguments.RequireLength(distributions.Length, (long)endRow * outputs, nameof(distributions));
        RequireRowSpans(endRow, weights.Length, rowLoss.Length, endRow, nameof(distributions));
        fixed (float* pz = z, pq = distributions, pw = weights, pd = dz, pl = rowLoss)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                DistributionCrossEntropy<Simd512, Vector512<float>>(
                    pz, rowCapacity, outputs, pq, pw, gradientScale, pd, pl, firstRow, endRow);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                DistributionCrossEntropy<Simd256, Vector256<float>>(
                    pz, rowCapacity, outputs, pq, pw, gradientScale, pd, pl, firstRow, endRow);
            }
            else
            {
                DistributionCrossEntropy<Simd128, Vector128<float>>(
                    pz, rowCapacity, outputs, pq, pw, gradientScale, pd, pl, firstRow, endRow);
            }
        }
    }

    /// <summary>dz holds the exponentials between the passes over a row.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void DistributionCrossEntropy<TSimd, V>(
        float* z,
        int rowCapacity,
        int outputs,
        float* distributions,
        float* weights,
        float gradientScale,
        float* dz,
        float* rowLoss,
        int firstRow,
        int endRow)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float* sums = stackalloc float[2 * LogBlock];
        float* linear = sums + LogBlock;
        nint panelStride = (nint)rowCapacity * Width;
        for (int block = firstRow; block < endRow; block += LogBlock)
        {
            int count = Math.Min(LogBlock, endRow - block);
            FillUnused(sums, linear, count);
            for (int i = 0; i < count; i++)
            {
                int r = block + i;
                float* zRow = z + ((nint)r * Width);
                float* dzRow = dz + ((nint)r * Width);
                float* q = distributions + ((nint)r * outputs);
                float weight = weights == null ? 1f : weights[r];
                if (weight == 0f)
                {
                    sums[i] = 1f;
                    linear[i] = 0f;
                    ClearRow<TSimd, V>(dzRow, panelStride, outputs);
                    continue;
                }

                float largest = LargestOfRow<TSimd, V>(zRow, panelStride, outputs);
                double expected = 0;
                for (int k = 0; k < outputs; k++)
                {
                    expected += (double)q[k] * (zRow[((k >> 4) * panelStride) + (k & 15)] - largest);
                }

                float sum = ExponentialsOfRow<TSimd, V>(zRow, panelStride, outputs, largest, dzRow, panelStride);
                sums[i] = sum;
                linear[i] = (float)expected;
                float inverse = 1f / sum, scale = weight * gradientScale;
                for (int k = 0; k < outputs; k++)
                {
                    float* at = dzRow + ((k >> 4) * panelStride) + (k & 15);
                    *at = scale * ((*at * inverse) - q[k]);
                }
            }

            StoreLosses<TSimd, V>(sums, linear, rowLoss + block, count);
        }
    }
}
