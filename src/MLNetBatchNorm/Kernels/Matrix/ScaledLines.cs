using System.Numerics;
using System.Runtime.CompilerServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// Weights that are multiplied by a number of their output, or added up so, in double precision and rounded once: what folding makes of a
/// panel.
/// </summary>
/// <remarks>
/// Weights are lines of 16, one for each input; scales has a number for each lane. Lanes never mix and nothing is fused, so that the bits
/// are those of one number after the other, on every vector width.
/// </remarks>
internal static unsafe class ScaledLines
{
    private const int Width = PanelLayout.Width;

    /// <summary>scaled[i] = weights[i] scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(ReadOnlySpan<float> weights, ReadOnlySpan<double> scales, Span<float> scaled)
    {
        Require(weights, scales, scaled.Length, weights.Length);
        fixed (float* pw = weights, to = scaled)
        fixed (double* ps = scales)
        {
            for (int lane = 0; lane < Width; lane += Vector<float>.Count)
            {
                Vector<double> low = Vector.Load(ps + lane), high = Vector.Load(ps + lane + Vector<double>.Count);
                for (nint i = lane; i < weights.Length; i += Width)
                {
                    Vector.Widen(Vector.Load(pw + i), out Vector<double> first, out Vector<double> second);
                    Vector.Store(Vector.Narrow(first * low, second * high), to + i);
                }
            }
        }
    }

    /// <summary>sums[i] = weights[0] scale + ... + weights[i] scale, added from the first on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RunningSums(ReadOnlySpan<float> weights, ReadOnlySpan<double> scales, Span<float> sums)
    {
        Require(weights, scales, sums.Length, weights.Length);
        fixed (float* pw = weights, to = sums)
        fixed (double* ps = scales)
        {
            for (int lane = 0; lane < Width; lane += Vector<float>.Count)
            {
                Vector<double> low = Vector.Load(ps + lane), high = Vector.Load(ps + lane + Vector<double>.Count);
                Vector<double> sumLow = default, sumHigh = default;
                for (nint i = lane; i < weights.Length; i += Width)
                {
                    Vector.Widen(Vector.Load(pw + i), out Vector<double> first, out Vector<double> second);
                    sumLow += first * low;
                    sumHigh += second * high;
                    Vector.Store(Vector.Narrow(sumLow, sumHigh), to + i);
                }
            }
        }
    }

    /// <summary>sum = weights[0] scale factors[0] + weights[1] scale factors[1] + ..., one line.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WeightedSum(
        ReadOnlySpan<float> weights, ReadOnlySpan<double> scales, ReadOnlySpan<float> factors, Span<float> sum)
    {
        Require(weights, scales, sum.Length, Width);
        KernelArguments.RequireLength(factors.Length, weights.Length / Width, nameof(factors));
        fixed (float* pw = weights, pf = factors, to = sum)
        fixed (double* ps = scales)
        {
            for (int lane = 0; lane < Width; lane += Vector<float>.Count)
            {
                Vector<double> low = Vector.Load(ps + lane), high = Vector.Load(ps + lane + Vector<double>.Count);
                Vector<double> sumLow = default, sumHigh = default;
                float* factor = pf;
                for (nint i = lane; i < weights.Length; i += Width, factor++)
                {
                    Vector.Widen(Vector.Load(pw + i), out Vector<double> first, out Vector<double> second);
                    var each = new Vector<double>(*factor);
                    sumLow += first * low * each;
                    sumHigh += second * high * each;
                }
                Vector.Store(Vector.Narrow(sumLow, sumHigh), to + lane);
            }
        }
    }

    private static void Require(ReadOnlySpan<float> weights, ReadOnlySpan<double> scales, int length, int required)
    {
        KernelArguments.RequireWholeLines(weights.Length, nameof(weights));
        KernelArguments.RequireLength(scales.Length, Width, nameof(scales));
        KernelArguments.RequireLength(length, required, "result");
    }
}
