using System.Text;

namespace MLNetBatchNorm.Formats;

/// <summary>
/// Parts of a block that can be told apart: a tag of four letters, the number of bytes that follow,
/// and those bytes; <see cref="End"/> is the last.
/// </summary>
/// <remarks>
/// A block grows by a section of its own, without moving what is there. A reader that does not know one refuses the block and names it:
/// what is in it may change what the rest means.
/// </remarks>
internal static class Sections
{
    /// <summary>Tag of the empty section behind all others.</summary>
    public const string End = "END ";

    /// <summary>Bytes in front of what is in a section.</summary>
    public const int HeaderBytes = TagLength + sizeof(long);

    private const int TagLength = 4;

    /// <summary>Writes a section.</summary>
    /// <param name="writer">Where; need not be seekable.</param>
    /// <param name="tag">Four letters.</param>
    /// <param name="body">Writes what is in it, the same each time: it is asked twice, first for the length.</param>
    public static void WriteSection(this BinaryWriter writer, string tag, Action<BinaryWriter> body)
    {
        using var counter = new CountingStream();
        using (var counted = new BinaryWriter(counter))
            body(counted);
        WriteHeader(writer, tag, counter.Length);
        body(writer);
    }

    /// <summary>Writes the last section.</summary>
    public static void WriteEnd(this BinaryWriter writer) => WriteHeader(writer, End, 0);

    /// <summary>Reads sections up to the last one, each at most once, in any order.</summary>
    /// <param name="reader">A seekable reader in front of the first.</param>
    /// <param name="what">What they are of, for messages.</param>
    /// <param name="known">How each is read, by tag, with a reader that ends where the section does.</param>
    /// <exception cref="NetworkFormatException">
    /// A section is not known, is there twice, or is longer or shorter than what is in it.
    /// </exception>
    public static void Read(BinaryReader reader, string what, IReadOnlyDictionary<string, Action<BinaryReader>> known)
    {
        var seen = new HashSet<string>();
        while (true)
        {
            string tag = ReadTag(reader);
            long length = reader.ReadInt64();
            if (tag == End)
            {
                if (length != 0)
                {
                    throw new NetworkFormatException(
                        CheckedBytes.Text($"The last section of {what} has {length} bytes; it must be empty."));
                }
                return;
            }

            if (!known.TryGetValue(tag, out Action<BinaryReader>? read))
            {
                throw new NetworkFormatException(
                    $"There is a section '{tag}' in {what} that this version of the library does not know. "
                    + "A later version wrote it: use that one.");
            }
            if (!seen.Add(tag))
                throw new NetworkFormatException($"Section '{tag}' of {what} is there twice.");
            if (length < 0 || length > reader.Remaining())
            {
                throw new NetworkFormatException(
                    CheckedBytes.Text($"Section '{tag}' of {what} has {length} bytes, but {reader.Remaining()} are left."));
            }
            using var section = new BinaryReader(new SectionStream(reader.BaseStream, length));
            read(section);
            if (section.Remaining() > 0)
            {
                throw new NetworkFormatException(
                    CheckedBytes.Text($"Section '{tag}' of {what} is {section.Remaining()} bytes longer than what is in it."));
            }
        }
    }

    private static void WriteHeader(BinaryWriter writer, string tag, long length)
    {
        if (tag.Length != TagLength || !Ascii.IsValid(tag))
            throw new ArgumentException($"A tag is four letters, not '{tag}'.", nameof(tag));
        Span<byte> bytes = stackalloc byte[TagLength];
        Ascii.FromUtf16(tag, bytes, out _);
        writer.Write(bytes);
        writer.Write(length);
    }

    /// <summary>What is no letter becomes a question mark: a tag ends up in a message.</summary>
    private static string ReadTag(BinaryReader reader)
    {
        Span<byte> bytes = stackalloc byte[TagLength];
        reader.ReadExactly(bytes);
        Span<char> letters = stackalloc char[TagLength];
        for (int i = 0; i < TagLength; i++)
            letters[i] = bytes[i] is >= (byte)' ' and <= (byte)'~' and not (byte)'\'' ? (char)bytes[i] : '?';
        return new string(letters);
    }
}
