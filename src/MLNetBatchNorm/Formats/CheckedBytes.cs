using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace MLNetBatchNorm.Formats;

/// <summary>
/// Numbers as bytes, little-endian; what is read is held against its range and against the bytes that are left, and refused by name.
/// </summary>
internal static class CheckedBytes
{
    private const byte False = 0;
    private const byte True = 1;

    private static readonly UTF8Encoding s_utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads any number that may be absent.</summary>
    public static double? ReadOptional(this BinaryReader reader, string flag)
    {
        bool present = reader.ReadFlag(flag);
        double value = reader.ReadDouble();
        return present ? value : null;
    }

    /// <summary>Bytes behind the reader's position.</summary>
    public static long Remaining(this BinaryReader reader) => reader.BaseStream.Length - reader.BaseStream.Position;

    /// <summary>
    /// Reads a count and refuses it when it is out of range or when so many items of <paramref name="itemSize"/> bytes cannot follow.
    /// </summary>
    public static int ReadCount(this BinaryReader reader, string what, int minimum, int maximum, int itemSize)
    {
        int count = reader.ReadInt32();
        if (count < minimum || count > maximum)
            throw new NetworkFormatException(Text($"The number of {what} is {count}; it must be in [{minimum}, {maximum}]."));
        reader.RequireBytes(what, count, itemSize);
        return count;
    }

    /// <summary>Refuses a count of which so many bytes each cannot follow.</summary>
    public static void RequireBytes(this BinaryReader reader, string what, int count, int itemSize)
    {
        if ((long)count * itemSize > reader.Remaining())
            throw new NetworkFormatException(Text($"The number of {what} is {count}, but only {reader.Remaining()} bytes are left."));
    }

    /// <summary>Reads a byte that is 0 or 1.</summary>
    public static bool ReadFlag(this BinaryReader reader, string what)
    {
        byte value = reader.ReadByte();
        if (value > True)
            throw new NetworkFormatException(Text($"The {what} is {value}; it must be 0 or 1."));
        return value == True;
    }

    /// <summary>Reads the number of a value of an enumeration.</summary>
    public static T ReadEnumeration<T>(this BinaryReader reader, string what)
        where T : struct, Enum
    {
        byte number = reader.ReadByte();
        var value = (T)Enum.ToObject(typeof(T), number);
        if (!Enum.IsDefined(value))
            throw new NetworkFormatException(Text($"The {what} has number {number}, which is not known."));
        return value;
    }

    /// <summary>Reads a finite number.</summary>
    public static double ReadNumber(this BinaryReader reader, string what, Func<double, bool> allowed, string need)
    {
        double value = reader.ReadDouble();
        if (!double.IsFinite(value) || !allowed(value))
            throw new NetworkFormatException(Text($"The {what} is {value}; it must be {need}."));
        return value;
    }

    /// <summary>Reads finite numbers.</summary>
    public static void ReadSingles(this BinaryReader reader, Span<float> values, string what)
    {
        const int Block = 1024;
        Span<byte> bytes = stackalloc byte[Block * sizeof(float)];
        while (!values.IsEmpty)
        {
            int count = Math.Min(Block, values.Length);
            Span<byte> part = bytes[..(count * sizeof(float))];
            reader.ReadExactly(part);
            for (int i = 0; i < count; i++)
            {
                float value = BinaryPrimitives.ReadSingleLittleEndian(part[(i * sizeof(float))..]);
                if (!float.IsFinite(value))
                    throw new NetworkFormatException(Text($"A {what} is {value}; it must be finite."));
                values[i] = value;
            }

            values = values[count..];
        }
    }

    /// <summary>Reads a text in UTF-8: int32 number of bytes, then the bytes.</summary>
    public static string ReadText(this BinaryReader reader, string what, int maximumBytes)
    {
        byte[] bytes = new byte[reader.ReadCount($"bytes of the {what}", 0, maximumBytes, 1)];
        reader.ReadExactly(bytes);
        if (!Utf8.IsValid(bytes))
            throw new NetworkFormatException($"The {what} is not a text in UTF-8.");
        return s_utf8.GetString(bytes);
    }

    /// <summary>The text of a message, the same in every culture.</summary>
    public static string Text(FormattableString message) => message.ToString(CultureInfo.InvariantCulture);

    /// <summary>Writes a byte that is 0 or 1.</summary>
    public static void WriteFlag(this BinaryWriter writer, bool value) => writer.Write(value ? True : False);

    /// <summary>Writes what <see cref="ReadText"/> reads.</summary>
    public static void WriteText(this BinaryWriter writer, string text)
    {
        byte[] bytes = s_utf8.GetBytes(text);
        writer.Write(bytes.Length);
        writer.Write(bytes);
    }

    /// <summary>Writes a number that may be absent.</summary>
    public static void WriteOptional(this BinaryWriter writer, double? value)
    {
        writer.WriteFlag(value is not null);
        writer.Write(value ?? 0);
    }

    /// <summary>Writes numbers.</summary>
    public static void WriteSingles(this BinaryWriter writer, ReadOnlySpan<float> values)
    {
        const int Block = 1024;
        Span<byte> bytes = stackalloc byte[Block * sizeof(float)];
        while (!values.IsEmpty)
        {
            int count = Math.Min(Block, values.Length);
            for (int i = 0; i < count; i++)
                BinaryPrimitives.WriteSingleLittleEndian(bytes[(i * sizeof(float))..], values[i]);
            writer.Write(bytes[..(count * sizeof(float))]);
            values = values[count..];
        }
    }
}
