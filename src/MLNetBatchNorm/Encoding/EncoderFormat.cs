using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>The bytes of an encoder.</summary>
/// <remarks>
/// <code>
/// *** Layout, from version 3 on ***
/// int32    number of feature slots S
/// then a section for each part, in the order of their columns; what is in it says the part's Write
///
/// *** Layout, versions 1 and 2 ***
/// int32    number of feature slots S
/// byte     values pass untouched, NaN included: 0 or 1; the rest of this part only if 0
/// float32  centre                                          S times
/// float32  scale                                           S times
/// byte     1: smoothly clipped, 2: has a missing effect, or the sum   S times; the k-th slot with an effect owns encoded column S + k
/// int32    number of pieces P; the k-th owns encoded column S + number of missing effects + k
///          int32 slot, float32 start, float32 scale        P times
/// </code>
/// </remarks>
internal static class EncoderFormat
{
    // Bits of the byte that describes a feature slot in versions 1 and 2.
    private const byte ClippedFlag = 1;
    private const byte MissingFlag = 2;

    /// <summary>Writes an encoder.</summary>
    public static void Write(BinaryWriter writer, InputEncoder encoder)
    {
        writer.Write(encoder.RawInputs);
        foreach (EncodingPart part in encoder.Parts)
            writer.WriteSection(part.Tag, part.Write);
        writer.WriteEnd();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="NetworkFormatException">A value is not allowed, or a part is not known.</exception>
    public static InputEncoder Read(BinaryReader reader)
    {
        int slots = reader.ReadCount("feature slots", 1, InputEncoder.MaximumColumns, 0);
        var parts = new List<EncodingPart>();
        Sections.Read(reader, "the encoding of the features", new Dictionary<string, Action<BinaryReader>>
        {
            [UntouchedSlots.SectionTag] = _ => parts.Add(UntouchedSlots.Read(slots)),
            [ScaleAndClip.SectionTag] = section => parts.Add(ScaleAndClip.Read(section, slots)),
            [MissingColumns.SectionTag] = section => parts.Add(MissingColumns.Read(section, slots)),
            [Pieces.SectionTag] = section => parts.Add(Pieces.Read(section, slots)),
        });
        try
        {
            return new InputEncoder(slots, parts);
        }
        catch (ArgumentException e)
        {
            throw new NetworkFormatException(e.Message, e);
        }
    }

    /// <summary>Reads an encoder of versions 1 and 2.</summary>
    /// <exception cref="NetworkFormatException">A value is not allowed.</exception>
    public static InputEncoder ReadVersion2(BinaryReader reader)
    {
        int slots = reader.ReadCount("feature slots", 1, InputEncoder.MaximumColumns, 0);
        // Untouched slots take no memory; as inputs of the first linear map they are held against its weights.
        if (reader.ReadFlag("flag of untouched features"))
            return InputEncoder.Identity(slots);

        reader.RequireBytes("feature slots", slots, 2 * sizeof(float) + 1);
        float[] center = new float[slots];
        float[] scale = new float[slots];
        bool[] clipped = new bool[slots];
        var missing = new List<int>();
        reader.ReadSingles(center, "centre of a feature slot");
        reader.ReadSingles(scale, "scale of a feature slot");
        for (int slot = 0; slot < slots; slot++)
        {
            byte flags = reader.ReadByte();
            if ((flags & ~(ClippedFlag | MissingFlag)) != 0)
            {
                throw new NetworkFormatException(
                    $"The flags of feature slot {slot} are 0x{flags:X2}; only the lowest two bits may be set.");
            }
            clipped[slot] = (flags & ClippedFlag) != 0;
            if ((flags & MissingFlag) != 0)
                missing.Add(slot);
        }

        List<EncodingPart> parts = [new ScaleAndClip(center, scale, clipped)];
        if (missing.Count > 0)
            parts.Add(new MissingColumns([.. missing]));
        if (Pieces.ReadVersion2(reader, slots) is { } pieces)
            parts.Add(pieces);
        return new InputEncoder(slots, parts);
    }
}
