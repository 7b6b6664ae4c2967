using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Stress;

/// <summary>
/// Changes bytes in the ways that find mistakes in readers of binary formats: bits, counts, numbers
/// that are none, lengths, parts of other inputs.
/// </summary>
internal static class Mutator
{
    private static readonly int[] s_integers =
    [
        0, 1, 2, -1, 3, 15, 16, 17, 127, 128, 255, 256, 1024, 1025, 65535, 65536, 1 << 20, (1 << 20) + 1, 1 << 24, (1 << 24) + 1,
        int.MaxValue, int.MinValue, int.MaxValue / 4,
    ];
    private static readonly float[] s_singles =
        [0, 1, -1, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.Epsilon, 1e-30f, 1e30f];
    private static readonly double[] s_doubles =
        [0, 1, -1, double.NaN, double.PositiveInfinity, double.MaxValue, double.Epsilon, 1e-300, 1e300, -1e-9];

    /// <summary>A changed copy of <paramref name="input"/>: one change, or up to eight.</summary>
    /// <param name="random">Decides on everything.</param>
    /// <param name="input">At least one byte.</param>
    /// <param name="other">Where parts may come from.</param>
    public static byte[] Mutate(ref RandomStream random, byte[] input, byte[] other)
    {
        byte[] bytes = (byte[])input.Clone();
        int changes = random.Next(3) > 0 ? 1 : 2 + random.Next(6);
        for (int i = 0; i < changes && bytes.Length > 0; i++)
            bytes = Change(ref random, bytes, other);
        return bytes;
    }

    private static byte[] Change(ref RandomStream random, byte[] bytes, byte[] other)
    {
        // Most counts and flags stand at the beginning; a third of the changes go there.
        int at = random.Next(random.Next(3) > 0 ? bytes.Length : Math.Min(bytes.Length, 256));
        switch (random.Next(12))
        {
            case 0:
            case 1:
                bytes[at] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 2:
                bytes[at] = (byte)random.Next(256);
                return bytes;
            case 3:
                bytes[at] += (byte)(random.Next(2) == 0 ? 1 : 255);
                return bytes;
            case 4:
            case 5:
                return Put(bytes, at, BitConverter.GetBytes(s_integers[random.Next(s_integers.Length)]));
            case 6:
                return Put(bytes, at, BitConverter.GetBytes(s_singles[random.Next(s_singles.Length)]));
            case 7:
                return Put(bytes, at, BitConverter.GetBytes(s_doubles[random.Next(s_doubles.Length)]));
            case 8:
                return bytes[..at];
            case 9:
                int gap = Math.Min(bytes.Length - at, 1 + random.Next(16));
                return [.. bytes[..at], .. bytes[(at + gap)..]];
            case 10:
                int repeated = Math.Min(bytes.Length - at, 1 + random.Next(64));
                return [.. bytes[..(at + repeated)], .. bytes[at..]];
            default:
                int from = random.Next(other.Length);
                return Put(bytes, at, other.AsSpan(from, Math.Min(other.Length - from, 1 + random.Next(64))));
        }
    }

    private static byte[] Put(byte[] bytes, int at, ReadOnlySpan<byte> value)
    {
        value[..Math.Min(value.Length, bytes.Length - at)].CopyTo(bytes.AsSpan(at));
        return bytes;
    }
}
