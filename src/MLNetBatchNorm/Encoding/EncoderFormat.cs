using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>The bytes of an encoder.</summary>
/// <remarks>
/// <code>
/// *** Layout, from version 3 on ***
/// int32    number of feature slots S
/// then, where there are categories, section "CATR":
///          int32 number of ranges; for each int32 first slot, int32 number of slots, byte slots have values of their own: 0 or 1,
///          and if 1 float32 value of each slot where it is not set, and float32 value of each where it is
/// then a section for each part, in the order of their columns; what is in it says the part's Write. Slots of a part are those that
/// are in no range, counted anew.
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
    private const string RangesTag = "CATR";

    // Bits of the byte that describes a feature slot in versions 1 and 2.
    private const byte ClippedFlag = 1;
    private const byte MissingFlag = 2;

    /// <summary>Writes an encoder.</summary>
    public static void Write(BinaryWriter writer, InputEncoder encoder)
    {
        writer.Write(encoder.RawInputs);
        if (encoder.Ranges is { } ranges)
            writer.WriteSection(RangesTag, section => WriteRanges(section, ranges));
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
        CategoryRanges? ranges = null;
        int numbers = slots;
        Sections.Read(reader, "the encoding of the features", new Dictionary<string, Action<BinaryReader>>
        {
            [RangesTag] = section =>
            {
                if (parts.Count > 0)
                    throw new NetworkFormatException($"Section '{RangesTag}' stands behind a part of the encoding.");
                ranges = ReadRanges(section, slots);
                numbers = ranges.Numbers;
            },
            [UntouchedSlots.SectionTag] = _ => parts.Add(UntouchedSlots.Read(numbers)),
            [ScaleAndClip.SectionTag] = section => parts.Add(ScaleAndClip.Read(section, numbers)),
            [ScaleAndClip.SomeSlotsTag] = section => parts.Add(ScaleAndClip.Read(section, numbers, isOfSome: true)),
            [SparseSlots.SectionTag] = section => parts.Add(SparseSlots.Read(section, numbers)),
            [MissingColumns.SectionTag] = section => parts.Add(MissingColumns.Read(section, numbers)),
            [Categories.SectionTag] = section => parts.Add(
                ranges is null
                    ? throw new NetworkFormatException($"Section '{Categories.SectionTag}' needs section '{RangesTag}' before it.")
                    : Categories.Read(section, ranges, isNarrow: false)),
            [Categories.NarrowSectionTag] = section => parts.Add(
                ranges is null
                    ? throw new NetworkFormatException($"Section '{Categories.NarrowSectionTag}' needs section '{RangesTag}' before it.")
                    : Categories.Read(section, ranges, isNarrow: true)),
            [Pieces.SectionTag] = section => parts.Add(Pieces.Read(section, numbers)),
        });
        if (ranges is not null && !parts.Exists(part => part is Categories))
            throw new NetworkFormatException($"Section '{RangesTag}' needs section '{Categories.SectionTag}' behind it.");
        if (ranges is not null && parts.Exists(part => part is UntouchedSlots))
            throw new NetworkFormatException($"Section '{UntouchedSlots.SectionTag}' does not go with categories.");
        try
        {
            return new InputEncoder(slots, parts, ranges);
        }
        catch (ArgumentException e)
        {
            // Not as an inner exception, which would be the innermost and of another kind than all that damaged bytes come to.
            throw new NetworkFormatException(e.Message);
        }
    }

    /// <summary>Writes ranges of categories as in an encoder.</summary>
    public static void WriteRanges(BinaryWriter writer, CategoryRanges ranges)
    {
        writer.Write(ranges.Count);
        for (int i = 0; i < ranges.Count; i++)
        {
            CategoryRange range = ranges[i];
            writer.Write(range.First);
            writer.Write(range.Count);
            writer.WriteFlag(range.On is not null);
            if (range.On is not null)
            {
                writer.WriteSingles(range.Off);
                writer.WriteSingles(range.On);
            }
        }
    }

    /// <summary>Reads what <see cref="WriteRanges"/> wrote.</summary>
    /// <exception cref="NetworkFormatException">There are no such ranges.</exception>
    public static CategoryRanges ReadRanges(BinaryReader reader, int slots)
    {
        var ranges = new CategoryRange[reader.ReadCount("ranges of categories", 1, slots, 2 * sizeof(int) + 1)];
        int end = 0;
        for (int i = 0; i < ranges.Length; i++)
        {
            int first = reader.ReadInt32(), count = reader.ReadInt32();
            if (first < end || count < 1 || count > slots - first)
            {
                throw new NetworkFormatException(CheckedBytes.Text(
                    $"Range {i} of categories begins at slot {first} of {slots} and has {count} slots; ranges must rise."));
            }
            end = first + count;
            float[]? off = null, on = null;
            if (reader.ReadFlag("flag of a range whose slots have values of their own"))
            {
                reader.RequireBytes("values of categories", count, 2 * sizeof(float));
                off = new float[count];
                on = new float[count];
                reader.ReadSingles(off, "value of a slot of a category that is not set");
                reader.ReadSingles(on, "value of a slot of a category that is set");
                for (int place = 0; place < count; place++)
                {
                    if (off[place] == on[place])
                    {
                        throw new NetworkFormatException(
                            CheckedBytes.Text($"Slot {place} of range {i} of categories is {on[place]}, set or not."));
                    }
                }
            }
            ranges[i] = new CategoryRange(first, count, off, on);
        }
        return new CategoryRanges(slots, ranges);
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
