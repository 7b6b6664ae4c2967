using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Where a raw value comes from and which rows of a table stand for it.</summary>
/// <param name="Source">Place in the raw row.</param>
/// <param name="FirstRow">Row of the table for the first border; the others follow.</param>
/// <param name="MissingRow">Row of the table for NaN.</param>
/// <param name="Borders">Rising, finite, at least two; with scales only those at which pieces start.</param>
/// <param name="Scales">1 / width of each piece, positive and finite; null: from the borders.</param>
internal readonly record struct PieceSlot(int Source, int FirstRow, int MissingRow, float[] Borders, float[]? Scales = null)
{
    /// <summary>Number of pieces.</summary>
    public int Pieces => Scales?.Length ?? (Borders?.Length ?? 0) - 1;
}
