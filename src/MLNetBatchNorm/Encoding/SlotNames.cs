using System.Text.Unicode;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// The names of the slots, as UTF-8 one behind the other: of text there may be hundreds of thousands, of which hardly one is ever read.
/// </summary>
internal sealed class SlotNames
{
    /// <summary>
    /// Bytes of the names of one model at most, with their lengths; of names that take more a model keeps none. FeaturizeText's take 17 to
    /// 19 a slot, so that 16 MiB are enough for some 900,000, whose first layer of 32 units takes seven times as much.
    /// </summary>
    public const int MaximumBytes = 1 << 24;

    /// <summary>Bytes of one name at most; a slot whose name is longer has none.</summary>
    public const int LongestName = ushort.MaxValue;

    private readonly byte[] _text;

    // Where the name of each slot begins in the text; behind the last one its end.
    private readonly int[] _starts;

    private SlotNames(byte[] text, int[] starts)
    {
        _text = text;
        _starts = starts;
    }

    /// <summary>Number of slots.</summary>
    public int Slots => _starts.Length - 1;

    /// <summary>The name of a slot; null where it has none.</summary>
    public string? this[int slot] => _starts[slot] == _starts[slot + 1] ? null : System.Text.Encoding.UTF8.GetString(Bytes(slot));

    /// <summary>The first slot of a name, or null.</summary>
    public int? Find(string name)
    {
        byte[] wanted = System.Text.Encoding.UTF8.GetBytes(name);
        for (int slot = 0; slot < Slots && wanted.Length > 0; slot++)
        {
            if (Bytes(slot).SequenceEqual(wanted))
                return slot;
        }

        return null;
    }

    /// <summary>The first slot that has one name here and another there, of as many slots; null if there is none.</summary>
    public int? FirstDifference(SlotNames other)
    {
        for (int slot = 0; slot < Slots; slot++)
        {
            if (!Bytes(slot).IsEmpty && !other.Bytes(slot).IsEmpty && !Bytes(slot).SequenceEqual(other.Bytes(slot)))
                return slot;
        }

        return null;
    }

    /// <summary>
    /// The first slot whose name there is that of another slot here, and which that is; of as many slots; null if there is none.
    /// </summary>
    public (int Slot, int Here)? FirstMoved(SlotNames other)
    {
        if (FirstDifference(other) is not { } first)
            return null;
        // Of a name that several slots have the first one: any of them is another slot than the one that differs.
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int slot = 0; slot < Slots; slot++)
        {
            if (this[slot] is { } name)
                places.TryAdd(name, slot);
        }

        for (int slot = first; slot < Slots; slot++)
        {
            if (this[slot] is { } here && other[slot] is { } there && here != there && places.TryGetValue(there, out int place))
                return (slot, place);
        }

        return null;
    }

    /// <summary>Keeps names that are not too many.</summary>
    /// <param name="slots">Number of slots.</param>
    /// <param name="names">Their names, as many; an empty one stands for none.</param>
    /// <param name="bytes">What they take.</param>
    /// <returns>The names; null if no slot has one, or all take more than <see cref="MaximumBytes"/>.</returns>
    public static SlotNames? Create(int slots, IEnumerable<ReadOnlyMemory<char>> names, out long bytes)
    {
        int[] starts = new int[slots + 1];
        bytes = (long)slots * sizeof(ushort);
        var text = new MemoryStream();
        int slot = 0;
        foreach (ReadOnlyMemory<char> name in names)
        {
            // What is half a character becomes the sign for that.
            int length = System.Text.Encoding.UTF8.GetByteCount(name.Span);
            if (length is > 0 and <= LongestName)
            {
                bytes += length;
                if (bytes <= MaximumBytes)
                    text.Write(System.Text.Encoding.UTF8.GetBytes(name.ToArray()));
            }

            starts[++slot] = (int)text.Length;
        }

        return text.Length == 0 || bytes > MaximumBytes ? null : new SlotNames(text.ToArray(), starts);
    }

    /// <summary>Writes the uint16 number of bytes of each slot's name, then the names in UTF-8.</summary>
    public void Write(BinaryWriter writer)
    {
        for (int slot = 0; slot < Slots; slot++)
            writer.Write((ushort)(_starts[slot + 1] - _starts[slot]));
        writer.Write(_text);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="reader">Where.</param>
    /// <param name="slots">Number of slots.</param>
    /// <param name="what">What a slot is, for messages.</param>
    /// <param name="several">What several are.</param>
    /// <exception cref="NetworkFormatException">The names are too many or no text.</exception>
    public static SlotNames Read(BinaryReader reader, int slots, string what = "feature slot", string several = "feature slots")
    {
        reader.RequireBytes($"names of {several}", slots, sizeof(ushort));
        if (reader.Remaining() > MaximumBytes)
        {
            throw new NetworkFormatException(
                CheckedBytes.Text($"The names of the {several} take {reader.Remaining()} bytes; at most {MaximumBytes} are allowed."));
        }
        int[] starts = new int[slots + 1];
        for (int slot = 0; slot < slots; slot++)
            starts[slot + 1] = starts[slot] + reader.ReadUInt16();
        reader.RequireBytes($"bytes in the names of {several}", starts[slots], 1);
        byte[] text = new byte[starts[slots]];
        reader.BaseStream.ReadExactly(text);
        var names = new SlotNames(text, starts);
        for (int slot = 0; slot < slots; slot++)
        {
            if (!Utf8.IsValid(names.Bytes(slot)))
                throw new NetworkFormatException(CheckedBytes.Text($"The name of {what} {slot} is not a text in UTF-8."));
        }

        return names;
    }

    private ReadOnlySpan<byte> Bytes(int slot) => _text.AsSpan(_starts[slot].._starts[slot + 1]);
}
