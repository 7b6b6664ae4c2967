using System.Runtime.InteropServices;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Distribution;

/// <summary>
/// The bytes in which the rows of a Fit travel: a header, then the blocks of the training rows, then those of validation rows.
/// </summary>
/// <remarks>
/// <code>
/// Header
/// uint32   0x4F524E4D ("MNRO")
/// text     version and build of the library
/// shape    of a row, see RowShape
/// byte     has categories: 0 or 1; if 1: int32 slots of a raw row, and the ranges as in an encoder
/// byte     in a file: 0 or 1;  int64 memory that reading them takes, or that they take
/// int32    training rows, int32 their blocks
/// byte     rows have groups: 0 or 1
/// int32    number of classes, 0: labels are numbers
/// objective, see Objective;  int32 number of targets with a scale, as in TrainingFormat
/// int32    validation rows, int32 their blocks; 0: none were given
///
/// Block
/// int32    number of bytes of the rows, then these, see RowBlockWriter
/// uint32   group of each row, where training rows have groups
/// </code>
/// Labels of rows in memory are scaled already; those of rows in a file are when they are read.
/// </remarks>
internal static class RowsFormat
{
    private const uint Magic = 0x4F524E4D;
    private const int MostClasses = 1 << 20;

    /// <summary>Number of blocks of all rows.</summary>
    public static int Blocks(FitRows rows) => rows.Training.Blocks + (Validation(rows)?.Blocks ?? 0);

    /// <summary>Memory of a machine that holds the rows, or of a training that reads them from a file.</summary>
    public static long MemoryBytes(FitRows rows) =>
        (rows.Training is MemoryRows memory ? memory.Table.MemoryBytes : rows.Training.BytesInMemory)
        + (rows.Validation?.MemoryBytes ?? 0);

    /// <summary>Writes what is known of all rows.</summary>
    public static byte[] WriteHeader(FitRows rows)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Magic);
        LibraryBuild.Write(writer);
        rows.Training.Shape.Write(writer);
        writer.WriteFlag(rows.Ranges is not null);
        if (rows.Ranges is { } ranges)
        {
            writer.Write(ranges.RawSlots);
            EncoderFormat.WriteRanges(writer, ranges);
        }
        writer.WriteFlag(rows.IsSpilled);
        writer.Write(rows.IsSpilled ? rows.Training.BytesInMemory : MemoryBytes(rows));
        writer.Write(rows.Count);
        writer.Write(rows.Training.Blocks);
        writer.WriteFlag(rows.Training.Groups is not null);
        writer.Write(rows.Classes?.Rows.Length ?? 0);
        rows.Target.Objective.Write(writer);
        TrainingFormat.WriteScales(writer, rows.Target.Scales);
        writer.Write(rows.Validation?.Rows ?? 0);
        writer.Write(Validation(rows)?.Blocks ?? 0);
        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads what is known of all rows.</summary>
    /// <exception cref="InvalidDataException">It is no header, or another library wrote it.</exception>
    public static RowsHeader ReadHeader(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        try
        {
            if (reader.ReadUInt32() != Magic)
                throw new NetworkFormatException("The data does not begin as rows do.");
            LibraryBuild.Check(reader);
            var header = new RowsHeader
            {
                Shape = ReadShape(reader),
                IsSpilled = reader.ReadFlag("flag of rows in a file"),
                MemoryBytes = reader.ReadNumberOfBytes(),
                Rows = reader.ReadCount("training rows", 1, int.MaxValue, 0),
                Blocks = reader.ReadCount("blocks of training rows", 1, int.MaxValue, 0),
                HasGroups = reader.ReadFlag("flag of groups"),
                Classes = reader.ReadCount("classes", 0, MostClasses, 0),
                Objective = Objective.Read(reader),
                Scales = TrainingFormat.ReadScales(reader),
                ValidationRows = reader.ReadCount("validation rows", 0, int.MaxValue, 0),
                ValidationBlocks = reader.ReadCount("blocks of validation rows", 0, int.MaxValue, 0),
            };
            if (reader.Remaining() > 0)
                throw new NetworkFormatException(CheckedBytes.Text($"There are {reader.Remaining()} bytes behind the header."));
            // Rows in a file are scaled as they are read, each target with its own.
            if (header.Scales?.Count is { } scaled && scaled != header.Shape.TargetColumns)
            {
                throw new NetworkFormatException(CheckedBytes.Text(
                    $"The header has scales of {scaled} targets; the rows have {header.Shape.TargetColumns}."));
            }
            if (header.Classes > 0 && header.Shape.TargetColumns > 1)
                throw new NetworkFormatException("Rows of several targets have no classes.");
            return header;
        }
        catch (Exception e) when (e is NetworkFormatException or EndOfStreamException or ArgumentException)
        {
            throw new InvalidDataException($"The header of the rows cannot be used: {e.Message}", e);
        }
    }

    private static RowShape ReadShape(BinaryReader reader)
    {
        RowShape shape = RowShape.Read(reader);
        if (!reader.ReadFlag("flag of categories"))
            return shape;
        int slots = reader.ReadCount("slots of a raw row", 1, InputEncoder.MaximumColumns, 0);
        CategoryRanges ranges = EncoderFormat.ReadRanges(reader, slots);
        return ranges.Slots == shape.Inputs ? shape with { Ranges = ranges } : throw new NetworkFormatException(CheckedBytes.Text(
            $"The header has categories of rows of {ranges.Slots} columns, but the rows have {shape.Inputs}."));
    }

    /// <summary>The bytes of a block.</summary>
    public static byte[] CopyBlock(FitRows rows, int block)
    {
        bool isTraining = block < rows.Training.Blocks;
        byte[] bytes = isTraining ? rows.Training.CopyBlock(block) : Validation(rows)!.CopyBlock(block - rows.Training.Blocks);
        uint[] groups = isTraining && rows.Training.Groups is { } known ? GroupsOf(rows, known, block, bytes) : [];
        byte[] joined = new byte[sizeof(int) + bytes.Length + sizeof(uint) * groups.Length];
        BitConverter.TryWriteBytes(joined, bytes.Length);
        bytes.CopyTo(joined, sizeof(int));
        MemoryMarshal.AsBytes<uint>(groups).CopyTo(joined.AsSpan(sizeof(int) + bytes.Length));
        return joined;
    }

    /// <summary>Takes a block apart.</summary>
    /// <param name="bytes">The block.</param>
    /// <param name="groups">What is behind the rows.</param>
    /// <exception cref="InvalidDataException">It is shorter than it says.</exception>
    public static ReadOnlySpan<byte> RowsOf(ReadOnlySpan<byte> bytes, out ReadOnlySpan<uint> groups)
    {
        int length = bytes.Length < sizeof(int) ? -1 : BitConverter.ToInt32(bytes);
        if (length < 0 || length > bytes.Length - sizeof(int))
            throw new InvalidDataException($"A block of {bytes.Length} bytes is to have rows of {length}.");
        ReadOnlySpan<byte> rest = bytes[(sizeof(int) + length)..];
        if (rest.Length % sizeof(uint) != 0)
            throw new InvalidDataException($"The groups of a block take {rest.Length} bytes, which are no whole numbers.");
        groups = MemoryMarshal.Cast<byte, uint>(rest);
        return bytes.Slice(sizeof(int), length);
    }

    private static MemoryRows? Validation(FitRows rows) => rows.Validation is { } table ? new MemoryRows(table) : null;

    private static uint[] GroupsOf(FitRows rows, RowGroups groups, int block, byte[] bytes)
    {
        int first = rows.Training.FirstRowOf(block);
        uint[] ofBlock = new uint[new RowBlockReader(bytes, rows.Training.Shape, block).Count];
        for (int row = 0; row < ofBlock.Length; row++)
            ofBlock[row] = groups.Of(first + row);
        return ofBlock;
    }

    private static long ReadNumberOfBytes(this BinaryReader reader)
    {
        long bytes = reader.ReadInt64();
        return bytes >= 0 ? bytes : throw new NetworkFormatException("The memory of the rows is negative.");
    }
}
