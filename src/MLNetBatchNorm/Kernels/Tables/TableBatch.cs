using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// Rows of a table that each row of a batch adds up: an index for each slot, for the first slots also a fraction towards the next row.
/// </summary>
/// <remarks>
/// indices: [rows][slots]; fractions: [rows][lines], lines &lt;= slots. With i and f the entries of a slot and T the table,
///   a slot below lines:     (1 - f) T[i] + f T[i + 1], a straight line between neighbouring rows; for f = +0 T[i] alone, which may be the
///     last row
///   a slot from lines on:   T[i]
/// Fractions lie between 0 and 1. That no index leaves the table is checked wherever the batch is used; fractions are not.
/// </remarks>
internal readonly unsafe ref struct TableBatch
{
    public TableBatch(ReadOnlySpan<int> indices, ReadOnlySpan<float> fractions, int rows, int slots, int lines)
    {
        KernelArguments.RequireAtLeast(rows, 0, nameof(rows));
        KernelArguments.RequireAtLeast(lines, 0, nameof(lines));
        KernelArguments.RequireAtLeast(slots, lines, nameof(slots));
        KernelArguments.RequireLength(indices.Length, (long)rows * slots, nameof(indices));
        KernelArguments.RequireLength(fractions.Length, (long)rows * lines, nameof(fractions));
        Indices = indices;
        Fractions = fractions;
        Rows = rows;
        Slots = slots;
        Lines = lines;
    }

    public ReadOnlySpan<int> Indices { get; }

    public ReadOnlySpan<float> Fractions { get; }

    public int Rows { get; }

    public int Slots { get; }

    /// <summary>Slots that have a fraction: the first ones.</summary>
    public int Lines { get; }

    /// <summary>Refuses rows whose slots name a row outside of 0..<paramref name="tableRows"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void RequireRowsOf(int tableRows, int firstRow, int endRow)
    {
        bool good = true;
        fixed (int* pi = Indices)
        fixed (float* pf = Fractions)
        {
            for (nint r = firstRow; r < endRow; r++)
            {
                int* indices = pi + r * Slots, bits = (int*)pf + r * Lines;
                int outside = 0, s = 0;
                if (Vector256.IsHardwareAccelerated && Lines >= Vector256<int>.Count)
                {
                    Vector256<int> last = Vector256.Create(tableRows - 1), signs = default;
                    for (; s < Lines; s += Vector256<int>.Count)
                    {
                        int at = Math.Min(s, Lines - Vector256<int>.Count);
                        Vector256<int> index = Vector256.Load(indices + at);
                        signs |= index | (last - (index - ~Vector256.Equals(Vector256.Load(bits + at), default)));
                    }
                    s = Lines;
                    outside = signs.ExtractMostSignificantBits() == 0 ? 0 : -1;
                }
                for (; s < Lines; s++)
                    outside |= indices[s] | (tableRows - 1 - (indices[s] + (bits[s] != 0 ? 1 : 0)));
                for (; s < Slots; s++)
                    outside |= indices[s] | (tableRows - 1 - indices[s]);
                good &= outside >= 0;
            }
        }
        if (!good)
            ThrowOutside($"its {tableRows} rows");
    }

    /// <summary>Refuses rows one of whose slots names a row that is not its own.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void RequireRowsOf(TableLayout layout, int firstRow, int endRow)
    {
        if (Slots != layout.Slots)
            throw new ArgumentException($"The batch has {Slots} slots; the layout has {layout.Slots}.", nameof(layout));
        bool good = true;
        fixed (int* pi = Indices, pFirst = layout.FirstRows, pLast = layout.LastRows)
        fixed (float* pf = Fractions)
        {
            for (nint r = firstRow; r < endRow; r++)
            {
                int* indices = pi + r * Slots, bits = (int*)pf + r * Lines;
                int outside = 0, s = 0;
                if (Vector256.IsHardwareAccelerated && Lines >= Vector256<int>.Count)
                {
                    Vector256<int> signs = default;
                    for (; s < Lines; s += Vector256<int>.Count)
                    {
                        int at = Math.Min(s, Lines - Vector256<int>.Count);
                        Vector256<int> index = Vector256.Load(indices + at);
                        Vector256<int> next = index - ~Vector256.Equals(Vector256.Load(bits + at), default);
                        signs |= index | (index - Vector256.Load(pFirst + at)) | (Vector256.Load(pLast + at) - next);
                    }
                    s = Lines;
                    outside = signs.ExtractMostSignificantBits() == 0 ? 0 : -1;
                }
                for (; s < Slots; s++)
                {
                    int next = indices[s] + (s < Lines && bits[s] != 0 ? 1 : 0);
                    outside |= indices[s] | (indices[s] - pFirst[s]) | (pLast[s] - next);
                }
                good &= outside >= 0;
            }
        }
        if (!good)
            ThrowOutside("the rows of its slot");
    }

    [DoesNotReturn]
    private static void ThrowOutside(string what)
        => throw new ArgumentException($"The batch names a row of the table (or, with a fraction, the row behind it) outside of {what}.");
}
