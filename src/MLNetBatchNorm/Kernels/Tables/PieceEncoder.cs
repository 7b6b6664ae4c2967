using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>Raw values to rows of a table and fractions between them.</summary>
/// <remarks>
/// With the borders a_0 to a_K, piece j from a_(j-1) to a_j and scale_j = 1 / (a_j - a_(j-1)), rounded once, a value x has
///   index    FirstRow + j - 1, where j is the last piece with a_(j-1) &lt;= x, or 1 if there is none
///   fraction p_j = (x - a_(j-1)) scale_j, held between 0 and 1
/// so that the pieces before j are full and those behind it empty. Below a_0 and at -infinity: the first row and 0. From a_K on and at
/// +infinity: the last piece and 1 (at a_K itself up to rounding). On another border: the border's row and 0. NaN: the missing row and 0.
/// <para>A piece narrower than 2^-128 has the largest float as its scale. Scales that are given are taken as they are; a value between two
/// pieces that do not touch has the first of them full.</para>
/// </remarks>
internal sealed unsafe class PieceEncoder
{
    /// <summary>Borders that are compared with a value one and all; of more the right part is searched.</summary>
    private const int Counted = 32;

    private static readonly int s_padding = Vector512<float>.Count - 1;

    private readonly Slot[] _slots;
    private readonly float[] _starts;
    private readonly float[] _scales;

    public PieceEncoder(ReadOnlySpan<PieceSlot> slots)
    {
        _slots = new Slot[slots.Length];
        int pieces = 0;
        foreach (PieceSlot slot in slots)
        {
            if (slot.Pieces < 1 || slot.Borders.Length < slot.Pieces)
                throw new ArgumentException($"A slot has {slot.Borders?.Length ?? 0} borders; a piece needs two.", nameof(slots));
            pieces = checked(pieces + slot.Pieces + s_padding);
        }

        _starts = new float[pieces];
        Array.Fill(_starts, float.NaN);
        _scales = new float[pieces];
        int first = 0;
        for (int s = 0; s < slots.Length; s++)
        {
            PieceSlot slot = slots[s];
            if (slot.Source < 0 || slot.FirstRow < 0 || slot.MissingRow < 0)
                throw new ArgumentException($"Slot {s} is {slot}; no place or row is below 0.", nameof(slots));
            float[] borders = slot.Borders;
            for (int k = 0; slot.Scales is { } scales && k < scales.Length; k++)
            {
                if (!float.IsFinite(borders[k]) || !(k == 0 || borders[k - 1] < borders[k]) || !float.IsFinite(scales[k])
                    || !(scales[k] > 0))
                {
                    throw new ArgumentException($"Piece {k} of slot {s} starts at {borders[k]} with scale {scales[k]}.", nameof(slots));
                }
                _starts[first + k] = borders[k];
                _scales[first + k] = scales[k];
            }
            for (int k = 0; slot.Scales is null && k < slot.Pieces; k++)
            {
                if (!float.IsFinite(borders[k]) || !float.IsFinite(borders[k + 1]) || !(borders[k] < borders[k + 1]))
                {
                    throw new ArgumentException(
                        $"Borders {k} and {k + 1} of slot {s} are {borders[k]} and {borders[k + 1]}; they must be finite and rise.",
                        nameof(slots));
                }
                _starts[first + k] = borders[k];
                _scales[first + k] = (float)Math.Min(1 / ((double)borders[k + 1] - borders[k]), float.MaxValue);
            }
            _slots[s] = new Slot(slot.Source, first, slot.Pieces, slot.FirstRow, slot.MissingRow);
            RawSlots = Math.Max(RawSlots, checked(slot.Source + 1));
            first += slot.Pieces + s_padding;
        }
    }

    public int Slots => _slots.Length;

    /// <summary>Values that a raw row has at least.</summary>
    public int RawSlots { get; }

    /// <summary>Encodes a row: an index and a fraction for each slot, in the slots' order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Encode(ReadOnlySpan<float> raw, Span<int> indices, Span<float> fractions)
    {
        KernelArguments.RequireLength(raw.Length, RawSlots, nameof(raw));
        KernelArguments.RequireLength(indices.Length, Slots, nameof(indices));
        KernelArguments.RequireLength(fractions.Length, Slots, nameof(fractions));
        fixed (float* values = raw, allStarts = _starts, allScales = _scales, f = fractions)
        fixed (int* index = indices)
        fixed (Slot* slots = _slots)
        {
            for (int s = 0; s < _slots.Length; s++)
            {
                Slot* slot = slots + s;
                float x = values[slot->Source];
                float* starts = allStarts + slot->First;

                // The number of starts that are not above x. Halving, without a branch to mispredict, leaves at most Counted; those are
                // compared all. What is compared beyond them is above x, or it is padding, a NaN.
                nint piece = 0, n = slot->Pieces;
                while (n > Counted)
                {
                    nint half = n >> 1;
                    piece += half & -(nint)(starts[piece + half] <= x ? 1 : 0);
                    n -= half;
                }
                int count = 0;
                if (Vector512.IsHardwareAccelerated)
                {
                    Vector512<float> value = Vector512.Create(x);
                    for (nint k = piece, end = piece + n; k < end; k += Vector512<float>.Count)
                    {
                        Vector512<float> notAbove = Vector512.LessThanOrEqual(Vector512.Load(starts + k), value);
                        count += BitOperations.PopCount(notAbove.ExtractMostSignificantBits());
                    }
                }
                else
                {
                    Vector256<float> value = Vector256.Create(x);
                    for (nint k = piece, end = piece + n; k < end; k += Vector256<float>.Count)
                    {
                        Vector256<float> notAbove = Vector256.LessThanOrEqual(Vector256.Load(starts + k), value);
                        count += BitOperations.PopCount(notAbove.ExtractMostSignificantBits());
                    }
                }
                piece += Math.Max(count, 1) - 1;
                float position = (x - starts[piece]) * allScales[slot->First + piece];
                f[s] = position > 0 ? (position < 1 ? position : 1) : 0;        // a NaN is not above 0
                index[s] = float.IsNaN(x) ? slot->MissingRow : slot->FirstRow + (int)piece;
            }
        }
    }

    private readonly record struct Slot(int Source, int First, int Pieces, int FirstRow, int MissingRow);
}
