using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>What one core can do at most: single-precision fused multiply-adds that touch nothing but registers.</summary>
internal static class FmaPeak
{
    // Chains that do not wait for each other: two units with a latency of four or five cycles are kept busy by ten, and with its two
    // operands the loop still fits sixteen registers.
    private const int Chains = 12;
    private const int Rounds = 1_000_000;
    private const int Runs = 40;

    /// <summary>Measured once, when first asked for.</summary>
    public static double GigaflopsPerCore { get; } = Measure();

    /// <summary>The best of some short runs: interruptions only ever lower a figure.</summary>
    private static double Measure()
    {
        double best = 0;
        for (int run = 0; run < Runs; run++)
        {
            long start = Stopwatch.GetTimestamp();
            int width = Vector512.IsHardwareAccelerated ? Loop<Simd512, Vector512<float>>()
                : Vector256.IsHardwareAccelerated ? Loop<Simd256, Vector256<float>>()
                : Loop<Simd128, Vector128<float>>();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            best = Math.Max(best, 2.0 * width * Chains * Rounds / seconds / 1e9);
        }
        return best;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static int Loop<TSimd, V>()
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V x = TSimd.Broadcast(0.5f), y = TSimd.Broadcast(0.25f);
        V a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (int round = 0; round < Rounds; round++)
        {
            a = TSimd.FusedMultiplyAdd(a, x, y);
            b = TSimd.FusedMultiplyAdd(b, x, y);
            c = TSimd.FusedMultiplyAdd(c, x, y);
            d = TSimd.FusedMultiplyAdd(d, x, y);
            e = TSimd.FusedMultiplyAdd(e, x, y);
            f = TSimd.FusedMultiplyAdd(f, x, y);
            g = TSimd.FusedMultiplyAdd(g, x, y);
            h = TSimd.FusedMultiplyAdd(h, x, y);
            i = TSimd.FusedMultiplyAdd(i, x, y);
            j = TSimd.FusedMultiplyAdd(j, x, y);
            k = TSimd.FusedMultiplyAdd(k, x, y);
            l = TSimd.FusedMultiplyAdd(l, x, y);
        }
        // One use at the end: chains that had to live across a call would be spilled to the stack in every round.
        Keep(TSimd.Add(
            TSimd.Add(TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)), TSimd.Add(e, f)),
            TSimd.Add(TSimd.Add(TSimd.Add(g, h), TSimd.Add(i, j)), TSimd.Add(k, l))));
        return TSimd.Width;
    }

    /// <summary>A use of the result that the compiler cannot see through.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Keep<V>(V value)
    {
    }
}
