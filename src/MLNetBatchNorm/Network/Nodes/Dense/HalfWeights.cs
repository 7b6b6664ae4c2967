using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Weights of a linear map in 16 bits: a power of two for the whole map times a number of half precision (IEEE 754 binary16).
/// </summary>
/// <remarks>
/// The power of two is that with which the largest weight lies in [2^14, 2^15): all others have 11 significant bits down to 2^-29 of it,
/// and an absolute error of 2^-40 of it below. Weights that are rounded stay as they are if they are rounded again, so that whether a map
/// is rounded is seen from its weights, and what is scored after training is what is scored after it was saved.
/// </remarks>
internal static class HalfWeights
{
    private const int LargestBinade = 14;

    // With these every product of a half and the power of two is a normal float, but for 0.
    private const int SmallestExponent = -100;
    private const int LargestExponent = 112;

    /// <summary>Bytes of a weight.</summary>
    public const int Size = sizeof(ushort);

    /// <summary>Rounds all weights, those of a projection by themselves; what is smaller than all powers of two allow becomes 0.</summary>
    public static void Round(LinearParameters linear)
    {
        int exponent = ExponentOf(linear);
        foreach (ref float weight in linear.Weights.Span)
            weight = FromHalf(ToHalf(weight, exponent), exponent);
        foreach (LinearParameters projection in linear.Projections)
            Round(projection);
    }

    /// <summary>Whether rounding would change nothing.</summary>
    public static bool Holds(LinearParameters linear)
    {
        int exponent = ExponentOf(linear);
        foreach (float weight in linear.Weights.Span)
        {
            if (!float.IsFinite(weight) || FromHalf(ToHalf(weight, exponent), exponent) != weight)
                return false;
        }
        return Array.TrueForAll(linear.Projections, Holds);
    }

    /// <summary>
    /// Writes int32 exponent, then of all weights, row-major [outputs, inputs], the low bytes and then the high ones, which are alike and
    /// pack better side by side.
    /// </summary>
    public static void Write(BinaryWriter writer, LinearParameters linear)
    {
        int exponent = ExponentOf(linear);
        writer.Write(exponent);
        byte[] row = new byte[linear.Inputs];
        for (int shift = 0; shift < 16; shift += 8)
        {
            for (int output = 0; output < linear.Outputs; output++)
            {
                for (int input = 0; input < row.Length; input++)
                    row[input] = (byte)(BitConverter.HalfToUInt16Bits(ToHalf(linear.Weight(output, input), exponent)) >> shift);
                writer.Write(row);
            }
        }
    }

    /// <summary>Reads what <see cref="Write"/> has written.</summary>
    /// <exception cref="NetworkFormatException">A weight is not finite, or the exponent is out of range.</exception>
    public static void Read(BinaryReader reader, LinearParameters linear)
    {
        int exponent = reader.ReadInt32();
        if (exponent is < SmallestExponent or > LargestExponent)
        {
            throw new NetworkFormatException(CheckedBytes.Text(
                $"The exponent of the weights is {exponent}; it must be in [{SmallestExponent}, {LargestExponent}]."));
        }
        Span<byte> part = stackalloc byte[1024];
        for (int plane = 0; plane < 2; plane++)
        {
            for (int output = 0; output < linear.Outputs; output++)
            {
                for (int first = 0; first < linear.Inputs; first += part.Length)
                {
                    Span<byte> bytes = part[..Math.Min(part.Length, linear.Inputs - first)];
                    reader.ReadExactly(bytes);
                    for (int i = 0; i < bytes.Length; i++)
                    {
                        // The low byte rests in the place of the weight until the high one is there.
                        ref float weight = ref linear.Weight(output, first + i);
                        weight = plane == 0 ? bytes[i] : FromBits((bytes[i] << 8) | (int)weight, exponent);
                    }
                }
            }
        }
    }

    private static float FromBits(int bits, int exponent)
    {
        Half half = BitConverter.UInt16BitsToHalf((ushort)bits);
        if (!Half.IsFinite(half))
            throw new NetworkFormatException(CheckedBytes.Text($"A weight is {half}; it must be finite."));
        return FromHalf(half, exponent);
    }

    private static int ExponentOf(LinearParameters linear)
    {
        float largest = 0;
        foreach (float weight in linear.Weights.Span)
            largest = Math.Max(largest, MathF.Abs(weight));
        if (largest == 0)
            return 0;
        if (!float.IsFinite(largest))
            return LargestExponent;
        int exponent = Exponent(largest);
        // The largest may be rounded up to the next power of two.
        return Exponent(FromHalf(ToHalf(largest, exponent), exponent));
    }

    private static int Exponent(float largest) => Math.Clamp(MathF.ILogB(largest) - LargestBinade, SmallestExponent, LargestExponent);

    private static Half ToHalf(float weight, int exponent) => (Half)MathF.ScaleB(weight, -exponent);

    private static float FromHalf(Half half, int exponent) => MathF.ScaleB((float)half, exponent);
}
