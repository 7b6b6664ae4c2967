using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Scaling of raw inputs.</summary>
internal static unsafe class InputKernels
{
    /// <summary>
    /// Squares of numbers beyond 2^64 overflow; t is cut at ±2^60 first, far outside the range in which the clip still moves.
    /// </summary>
    public const float LargestClipped = 1.152921504606847e18f;

    /// <summary>
    /// Centres, scales and smoothly clips whole lines of 16 values: <c>t = (x - center) scale; y = t / sqrt(1 + clip t²)</c>.
    /// </summary>
    /// <remarks>
    /// x, y: equal lengths, a multiple of 16; center, scale, clip, missing: at least as long. clip 0 leaves t as it is, exactly; NaN
    /// becomes what missing has. An infinity becomes ±1/sqrt(clip), the limit, where clip is above 0, and 0 where scale is 0: of what was
    /// constant nothing is learned, and infinity times nothing is nothing. y may be x.
    /// </remarks>
    public static void ScaleAndClip(
        ReadOnlySpan<float> x, ReadOnlySpan<float> center, ReadOnlySpan<float> scale, ReadOnlySpan<float> clip,
        ReadOnlySpan<float> missing, Span<float> y)
    {
        KernelArguments.RequireWholeLines(x.Length, nameof(x));
        KernelArguments.RequireLength(center.Length, x.Length, nameof(center));
        KernelArguments.RequireLength(scale.Length, x.Length, nameof(scale));
        KernelArguments.RequireLength(clip.Length, x.Length, nameof(clip));
        KernelArguments.RequireLength(missing.Length, x.Length, nameof(missing));
        KernelArguments.RequireLength(y.Length, x.Length, nameof(y));
        fixed (float* px = x, pCenter = center, pScale = scale, pClip = clip, pMissing = missing, py = y)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                ScaleAndClip<Simd512, Vector512<float>>(px, pCenter, pScale, pClip, pMissing, py, x.Length);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                ScaleAndClip<Simd256, Vector256<float>>(px, pCenter, pScale, pClip, pMissing, py, x.Length);
            }
            else
            {
                ScaleAndClip<Simd128, Vector128<float>>(px, pCenter, pScale, pClip, pMissing, py, x.Length);
            }
        }
    }

    /// <summary>One value, with the bits that it gets among others.</summary>
    public static float ScaleAndClip(float x, float center, float scale, float clip, float missing)
    {
        if (float.IsNaN(x))
            return missing;
        float t = (x - center) * scale;
        if (float.IsNaN(t))
            return 0;
        if (!(clip > 0))
            return t;
        float cut = MathF.Max(MathF.Min(t, LargestClipped), -LargestClipped);
        return cut / MathF.Sqrt(MathF.FusedMultiplyAdd(cut * cut, clip, 1f));
    }

    /// <summary>Copies one padded row into row <paramref name="row"/> of a matrix in panels.</summary>
    /// <remarks>x: whole lines; panels: a matrix of at least as many panels as x has lines, not overlapping x.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void CopyToPanels(ReadOnlySpan<float> x, Span<float> panels, int rowCapacity, int row)
    {
        KernelArguments.RequireWholeLines(x.Length, nameof(x));
        KernelArguments.RequireRows(row, row + 1, rowCapacity);
        KernelArguments.RequireLength(panels.Length, (long)x.Length * rowCapacity, nameof(panels));
        fixed (float* px = x, pPanels = panels)
        {
            float* target = pPanels + ((nint)row * PanelLayout.Width);
            nint stride = (nint)rowCapacity * PanelLayout.Width;
            for (nint i = 0; i < x.Length; i += PanelLayout.Width, target += stride)
                Vector512.Store(Vector512.Load(px + i), target);
        }
    }

    /// <summary>
    /// <see cref="ScaleAndClip(
    ///     ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float})"/>
    /// of one padded row, written as row <paramref name="row"/> of a matrix in panels.
    /// </summary>
    /// <remarks>x: whole lines; panels: a matrix of at least as many panels as x has lines.</remarks>
    public static void ScaleAndClipToPanels(
        ReadOnlySpan<float> x, ReadOnlySpan<float> center, ReadOnlySpan<float> scale, ReadOnlySpan<float> clip, ReadOnlySpan<float> missing,
        Span<float> panels, int rowCapacity, int row)
    {
        KernelArguments.RequireWholeLines(x.Length, nameof(x));
        KernelArguments.RequireLength(center.Length, x.Length, nameof(center));
        KernelArguments.RequireLength(scale.Length, x.Length, nameof(scale));
        KernelArguments.RequireLength(clip.Length, x.Length, nameof(clip));
        KernelArguments.RequireLength(missing.Length, x.Length, nameof(missing));
        KernelArguments.RequireRows(row, row + 1, rowCapacity);
        KernelArguments.RequireLength(panels.Length, (long)x.Length * rowCapacity, nameof(panels));
        fixed (float* px = x, pCenter = center, pScale = scale, pClip = clip, pMissing = missing, pPanels = panels)
        {
            float* target = pPanels + ((nint)row * PanelLayout.Width);
            nint stride = (nint)rowCapacity * PanelLayout.Width;
            for (int i = 0; i < x.Length; i += PanelLayout.Width, target += stride)
            {
                if (Vector512.IsHardwareAccelerated)
                {
                    ScaleAndClip<Simd512, Vector512<float>>(
                        px + i, pCenter + i, pScale + i, pClip + i, pMissing + i, target, PanelLayout.Width);
                }
                else if (Vector256.IsHardwareAccelerated)
                {
                    ScaleAndClip<Simd256, Vector256<float>>(
                        px + i, pCenter + i, pScale + i, pClip + i, pMissing + i, target, PanelLayout.Width);
                }
                else
                {
                    ScaleAndClip<Simd128, Vector128<float>>(
                        px + i, pCenter + i, pScale + i, pClip + i, pMissing + i, target, PanelLayout.Width);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void ScaleAndClip<TSimd, V>(float* x, float* center, float* scale, float* clip, float* missing, float* y, int length)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V limit = TSimd.Broadcast(LargestClipped);
        V one = TSimd.Broadcast(1f);
        for (int i = 0; i < length; i += TSimd.Width)
        {
            V value = TSimd.Load(x + i);
            V coefficient = TSimd.Load(clip + i);
            V t = TSimd.Multiply(TSimd.Subtract(value, TSimd.Load(center + i)), TSimd.Load(scale + i));
            // What is infinitely far from the centre of a slot of scale 0.
            t = TSimd.Select(TSimd.AreEqual(t, t), t, TSimd.Broadcast(0f));
            V cut = TSimd.Max(TSimd.Min(t, limit), TSimd.Negate(limit));
            V clipped = TSimd.Divide(cut, TSimd.Sqrt(TSimd.FusedMultiplyAdd(TSimd.Multiply(cut, cut), coefficient, one)));
            V result = TSimd.Select(TSimd.GreaterThan(coefficient, TSimd.Broadcast(0f)), clipped, t);
            TSimd.Store(y + i, TSimd.Select(TSimd.AreEqual(value, value), result, TSimd.Load(missing + i)));
        }
    }
}
