namespace MLNetBatchNorm.Kernels;

/// <summary>Where the elements of activations and weights lie: in panels of 16 columns.</summary>
/// <remarks>
/// Activations [rows, columns]: ceil(columns / 16) panels of [rowCapacity, 16], rowCapacity >= rows;
///   element (r, c) at ((c / 16) * rowCapacity + r) * 16 + c % 16.
/// Weights of a linear map, inputs -> outputs: ceil(outputs / 16) panels of [inputs, 16];
///   element (i, o) at ((o / 16) * inputs + i) * 16 + o % 16: the activations' formula with the input as the row.
/// One row of a panel is 64 bytes: one cache line, one 512-bit register. A kernel that walks down the rows of a panel reads memory in
/// sequence, and two panels never share a cache line, so threads that own different panels do not disturb each other.
/// Padding lanes (columns up to the next multiple of 16) are zero in weights, any finite number in activations.
/// </remarks>
internal static class PanelLayout
{
    /// <summary>Columns of one panel.</summary>
    public const int Width = 16;

    public static int PanelCount(int columns) => (int)(((uint)columns + Width - 1) / Width);

    /// <summary>Floats taken by [rowCapacity, columns] with the padding lanes.</summary>
    public static long Length(int rowCapacity, int columns) => (long)PanelCount(columns) * Width * rowCapacity;

    public static int Index(int row, int column, int rowCapacity) => ((column >> 4) * rowCapacity + row) * Width + (column & 15);

    public static int WeightIndex(int input, int output, int inputs) => Index(input, output, inputs);

    /// <summary>
    /// Row-major [rows, columns] to panels; the padding lanes of these rows become zero, rows from rows to rowCapacity are left alone.
    /// </summary>
    public static void Pack(ReadOnlySpan<float> rowMajor, int rows, int columns, Span<float> panels, int rowCapacity)
    {
        Check(rowMajor.Length, rows, columns, panels.Length, rowCapacity);
        for (int first = 0; first < columns; first += Width)
        {
            int width = Math.Min(Width, columns - first);
            for (int r = 0; r < rows; r++)
            {
                Span<float> row = panels.Slice(Index(r, first, rowCapacity), Width);
                rowMajor.Slice(r * columns + first, width).CopyTo(row);
                row[width..].Clear();
            }
        }
    }

    /// <summary>Panels to row-major [rows, columns].</summary>
    public static void Unpack(ReadOnlySpan<float> panels, int rowCapacity, int rows, int columns, Span<float> rowMajor)
    {
        Check(rowMajor.Length, rows, columns, panels.Length, rowCapacity);
        for (int first = 0; first < columns; first += Width)
        {
            int width = Math.Min(Width, columns - first);
            for (int r = 0; r < rows; r++)
                panels.Slice(Index(r, first, rowCapacity), width).CopyTo(rowMajor.Slice(r * columns + first, width));
        }
    }

    private static void Check(int rowMajorLength, int rows, int columns, int panelsLength, int rowCapacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        ArgumentOutOfRangeException.ThrowIfLessThan(rowCapacity, rows);
        if (rowMajorLength < (long)rows * columns)
            throw new ArgumentException($"A row-major matrix of {rows} x {columns} does not fit in {rowMajorLength} floats.");
        if (panelsLength < Length(rowCapacity, columns))
            throw new ArgumentException($"Panels of {rowCapacity} rows and {columns} columns do not fit in {panelsLength} floats.");
    }
}
