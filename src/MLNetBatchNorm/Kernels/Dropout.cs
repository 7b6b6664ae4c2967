using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Inverted dropout whose mask is a function of a counter: nothing is stored, and the backward pass makes the same mask again.</summary>
internal static unsafe class Dropout
{
    private const int Width = KernelArguments.PanelWidth;

    /// <summary>x[r, c] := x[r, c] * mask / (1 - rate), where mask is 0 with probability rate and 1 otherwise.</summary>
    /// <remarks>
    /// x is panel number <paramref name="panel"/> of an activation, [rows][16]. 0 &lt;= rate &lt; 1; rate 0 changes nothing. The mask depends on
    /// (key, panel, row, lane) only: give every layer and step its own key, and call again with the same key on the gradient in the backward pass.
    /// The rate is rounded to a multiple of 2^-31 and the kept values are divided by one minus the rounded rate. A dropped value is
    /// multiplied by 0, so that NaN and infinity do not vanish.
    /// </remarks>
    public static void Apply(Span<float> x, int rows, ulong key, int panel, float rate)
    {
        KernelArguments.RequireAtLeast(rows, 0, nameof(rows));
        KernelArguments.RequireLength(x.Length, (long)rows * Width, nameof(x));
        if (!(rate >= 0f && rate < 1f))
        {
            throw new ArgumentOutOfRangeException(nameof(rate), rate, "A dropout rate is at least 0 and below 1.");
        }

        if (rate == 0f)
        {
            return;
        }

        fixed (float* px = x)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Apply<Simd512, Vector512<float>>(px, rows, key, panel, rate);
            }
            else if (Vector256.IsHardwareAccelerated)
            {
                Apply<Simd256, Vector256<float>>(px, rows, key, panel, rate);
            }
            else
            {
                Apply<Simd128, Vector128<float>>(px, rows, key, panel, rate);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Apply<TSimd, V>(float* x, int rows, ulong key, int panel, float rate)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        const double TwoTo31 = 2147483648.0;
        double dropped = Math.Round(rate * TwoTo31);
        V threshold = TSimd.BroadcastBits((int)Math.Min(dropped, TwoTo31 - 1) - 1);
        V keep = TSimd.Broadcast((float)(TwoTo31 / (TwoTo31 - dropped)));
        V zero = TSimd.Broadcast(0f);

        ulong panelKey = Mix(key + (Increment * ((ulong)(uint)panel + 1)));
        V start = TSimd.BroadcastBits((int)panelKey);
        V second = TSimd.BroadcastBits((int)(panelKey >> 32));
        for (int c = 0; c < Width; c += TSimd.Width)
        {
            V counter = TSimd.AddBits(start, TSimd.AddBits(TSimd.LaneNumberBits, TSimd.BroadcastBits(c)));
            float* line = x + c;
            for (int r = 0; r < rows; r++)
            {
                V hash = HashBits<TSimd, V>(counter, second);
                V kept = TSimd.GreaterThanBits(TSimd.ShiftRightLogicalBits(hash, 1), threshold);
                TSimd.Store(line, TSimd.Multiply(TSimd.Load(line), TSimd.Select(kept, keep, zero)));
                counter = TSimd.AddBits(counter, TSimd.BroadcastBits(Width));
                line += Width;
            }
        }
    }

    /// <summary>2^64 divided by the golden ratio, odd: the Weyl increment of Steele, Lea and Flood 2014 (SplitMix).</summary>
    private const ulong Increment = 0x9E3779B97F4A7C15;

    /// <summary>The 64-bit finalizer of SplitMix (Stafford's variant 13).</summary>
    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>
    /// Two rounds of xor-shift and multiplication with the constants of the "lowbias32" integer hash (Wellons 2018), and the second half of the key
    /// added between them: two panels whose counters overlap still get unrelated masks.
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
