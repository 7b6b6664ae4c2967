using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>e^x of numbers that stand for logarithms of means.</summary>
internal static unsafe class Exponential
{
    /// <summary>
    /// Arguments are held at most at this: e^80 is 5.5e34, far beyond any mean in its own unit, and can be multiplied by a label.
    /// </summary>
    public const float Largest = 80f;

    /// <summary>e^min(x, 80); 0 below -87.33. NaN gives NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Bounded<TSimd, V>(V x)
        where TSimd : struct, ISimd<V>
        where V : struct
        => VectorMath.ExpUpTo88<TSimd, V>(TSimd.Min(TSimd.Broadcast(Largest), x));

    /// <summary>The same of every value, in place. The number of values is a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(Span<float> values)
    {
        if (values.Length % PanelLayout.Width != 0)
            throw new ArgumentException($"There are {values.Length} values, not a multiple of {PanelLayout.Width}.", nameof(values));
        fixed (float* start = values)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Apply<Simd512, Vector512<float>>(start, values.Length);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Apply<Simd256, Vector256<float>>(start, values.Length);
            }
            else
            {
                Apply<Simd128, Vector128<float>>(start, values.Length);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply<TSimd, V>(float* values, int count)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        for (int i = 0; i < count; i += TSimd.Width)
        {
            TSimd.Store(values + i, Bounded<TSimd, V>(TSimd.Load(values + i)));
        }
    }
}
