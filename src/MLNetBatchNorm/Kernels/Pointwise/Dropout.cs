using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// Inverted dropout whose mask is a function of a counter: nothing is stored, and the backward pass makes the same mask again.
/// </summary>
internal static unsafe class Dropout
{
    private const int Width = PanelLayout.Width;

    /// <summary>x[r, c] := x[r, c] * mask / (1 - rate), where mask is 0 with probability rate and 1 otherwise.</summary>
    /// <remarks>
    /// x is panel number <paramref name="panel"/> of an activation, [rows][16]. 0 &lt;= rate &lt; 1; rate 0 changes nothing. The mask
    /// depends on (key, panel, row, lane) only: give every layer and step its own key, and call again with the same key on the gradient in
    /// the backward pass. The rate is rounded to a multiple of 2^-16, at most 1 - 2^-16, and the kept values are divided by one minus the
    /// rounded rate, so that the expectation is x. A dropped value is multiplied by 0: NaN stays NaN and an infinity becomes NaN.
    /// </remarks>
    public static void Apply(Span<float> x, int rows, ulong key, int panel, float rate) => Apply(x, x, rows, key, panel, rate);

    /// <summary>The same from one panel to another, which may be the same one: y[r, c] := x[r, c] * mask / (1 - rate).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(ReadOnlySpan<float> x, Span<float> y, int rows, ulong key, int panel, float rate)
    {
        KernelArguments.RequireAtLeast(rows, 0, nameof(rows));
        KernelArguments.RequireLength(x.Length, (long)rows * Width, nameof(x));
        KernelArguments.RequireLength(y.Length, (long)rows * Width, nameof(y));
        if (!(rate >= 0f && rate < 1f))
        {
            throw new ArgumentOutOfRangeException(nameof(rate), rate, "A dropout rate is at least 0 and below 1.");
        }

        if (rate == 0f)
        {
            x[..(rows * Width)].CopyTo(y);
            return;
        }

        fixed (float* px = x, py = y)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Apply<Simd512, Vector512<float>>(px, py, rows, key, panel, rate);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Apply<Simd256, Vector256<float>>(px, py, rows, key, panel, rate);
            }
            else
            {
                Apply<Simd128, Vector128<float>>(px, py, rows, key, panel, rate);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply<TSimd, V>(float* x, float* y, int rows, ulong key, int panel, float rate)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const float TwoTo16 = 65536f;
        const int LowHalf = 0xFFFF;
        int dropped = Math.Min((int)MathF.Round(rate * TwoTo16), LowHalf);
        V threshold = TSimd.BroadcastBits(dropped - 1);
        V keep = TSimd.Broadcast(TwoTo16 / (TwoTo16 - dropped));
        V zero = TSimd.Broadcast(0f);
        V lowHalf = TSimd.BroadcastBits(LowHalf);

        ulong panelKey = Mix(key + (Increment * ((ulong)(uint)panel + 1)));
        V start = TSimd.BroadcastBits((int)panelKey);
        V second = TSimd.BroadcastBits((int)(panelKey >> 32));
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            // One hash serves two rows: its upper half row 2i, its lower half row 2i + 1.
            V counter = TSimd.AddBits(start, TSimd.AddBits(TSimd.LaneNumberBits, TSimd.BroadcastBits(c)));
            float* from = x + c, to = y + c;
            int left = rows;
            for (; left >= 2; left -= 2)
            {
                V hash = HashBits<TSimd, V>(counter, second);
                V upper = TSimd.GreaterThanBits(TSimd.ShiftRightLogicalBits(hash, 16), threshold);
                V lower = TSimd.GreaterThanBits(TSimd.And(hash, lowHalf), threshold);
                TSimd.Store(to, TSimd.Multiply(TSimd.Load(from), TSimd.Select(upper, keep, zero)));
                TSimd.Store(to + Width, TSimd.Multiply(TSimd.Load(from + Width), TSimd.Select(lower, keep, zero)));
                counter = TSimd.AddBits(counter, TSimd.BroadcastBits(Width));
                from += 2 * Width;
                to += 2 * Width;
            }

            if (left > 0)
            {
                V upper = TSimd.GreaterThanBits(TSimd.ShiftRightLogicalBits(HashBits<TSimd, V>(counter, second), 16), threshold);
                TSimd.Store(to, TSimd.Multiply(TSimd.Load(from), TSimd.Select(upper, keep, zero)));
            }
        }
    }

    /// <summary>2^64 divided by the golden ratio, odd: the Weyl increment of Steele, Lea and Flood 2014 (SplitMix).</summary>
    private const ulong Increment = 0x9E3779B97F4A7C15;

    /// <summary>The 64-bit finalizer of SplitMix (Stafford's variant 13).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>
    /// Two rounds of xor-shift and multiplication with the constants of the "lowbias32" integer hash (Wellons 2018), and the second half of
    /// the key added between them: two panels whose counters overlap still get unrelated masks.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V HashBits<TSimd, V>(V counter, V second)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V h = TSimd.Xor(counter, TSimd.ShiftRightLogicalBits(counter, 16));
        h = TSimd.MultiplyBits(h, TSimd.BroadcastBits(0x7FEB352D));
        h = TSimd.Xor(h, TSimd.ShiftRightLogicalBits(h, 15));
        h = TSimd.AddBits(h, second);
        h = TSimd.MultiplyBits(h, TSimd.BroadcastBits(unchecked((int)0x846CA68B)));
        return TSimd.Xor(h, TSimd.ShiftRightLogicalBits(h, 16));
    }
}
