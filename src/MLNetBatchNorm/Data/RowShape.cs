using System.Runtime.InteropServices;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>What every row of a table has.</summary>
/// <param name="Inputs">Number of feature columns.</param>
/// <param name="TargetColumns">Number of targets.</param>
/// <param name="IsWeighted">Whether there are weights.</param>
/// <param name="IsSparse">Whether only the features that are not zero are kept.</param>
/// <param name="Ranges">Which feature columns are numbers of categories; null: none.</param>
internal readonly record struct RowShape(int Inputs, int TargetColumns, bool IsWeighted, bool IsSparse, CategoryRanges? Ranges = null)
{
    // Of rows that another process sends, before anything is allocated for them.
    private const int MostInputs = 1 << 24, MostTargets = 1 << 16;

    /// <summary>Number of slots of a row as it comes, before categories become numbers.</summary>
    public int RawInputs => Ranges?.RawSlots ?? Inputs;

    // What a table keeps for a row beside its features: targets and weights, in arrays that may be twice as
    // long as they need be, and its place in the order.
    private int OtherBytes => sizeof(float) * (2 * TargetColumns + (IsWeighted ? 2 : 0) + 1);

    /// <summary>Memory that a row takes in a table; <paramref name="entries"/> counts for sparse rows only.</summary>
    public long RowBytes(int entries) =>
        OtherBytes + (IsSparse ? 16L + 8L * entries : Kernels.PanelLayout.Length(1, Inputs) * sizeof(float));

    /// <summary>Writes it, but for the ranges.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Inputs);
        writer.Write(TargetColumns);
        writer.Write(IsWeighted);
        writer.Write(IsSparse);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="InvalidDataException">There are no such rows.</exception>
    public static RowShape Read(BinaryReader reader)
    {
        var shape = new RowShape(reader.ReadInt32(), reader.ReadInt32(), reader.ReadByte() == 1, reader.ReadByte() == 1);
        if (shape.Inputs is < 1 or > MostInputs || shape.TargetColumns is < 1 or > MostTargets)
            throw new InvalidDataException($"No rows have {shape.Inputs} columns and {shape.TargetColumns} targets.");
        return shape;
    }

    /// <summary>An empty table of such rows; memory grows in steps of some <paramref name="chunkBytes"/>.</summary>
    public TrainingTable CreateTable(int chunkBytes = TrainingTable.LargestChunkBytes) =>
        IsSparse
            ? TrainingTable.CreateSparse(Inputs, TargetColumns, IsWeighted, chunkBytes, Ranges)
            : new TrainingTable(Inputs, TargetColumns, IsWeighted, chunkBytes) { Ranges = Ranges };
}
