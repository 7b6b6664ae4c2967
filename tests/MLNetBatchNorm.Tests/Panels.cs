using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests;

/// <summary>Between the rows that tests think in and the panels that layers work on.</summary>
internal static class Panels
{
    /// <summary>A matrix of exactly these rows.</summary>
    public static PanelMatrix Of(double[][] rows)
    {
        var matrix = new PanelMatrix(rows.Length, rows[0].Length);
        for (int r = 0; r < rows.Length; r++)
        {
            for (int c = 0; c < matrix.Columns; c++)
                matrix.Span[PanelLayout.Index(r, c, matrix.RowCapacity)] = (float)rows[r][c];
        }
        return matrix;
    }

    /// <summary>All rows of a matrix, or the first ones.</summary>
    public static double[][] Rows(PanelMatrix matrix, int? rows = null)
        => [.. Enumerable.Range(0, rows ?? matrix.RowCapacity).Select(r => Row(matrix, r))];

    /// <summary>The first numbers of a buffer.</summary>
    public static double[] Vector(AlignedBuffer buffer, int length) => [.. buffer.Span[..length].ToArray().Select(v => (double)v)];

    /// <summary>A row-major block as rows.</summary>
    public static double[][] Rows(float[] values, int columns)
        => [.. values.Chunk(columns).Select(row => row.Select(v => (double)v).ToArray())];

    private static double[] Row(PanelMatrix matrix, int row)
        => [.. Enumerable.Range(0, matrix.Columns).Select(c => (double)matrix.Span[PanelLayout.Index(row, c, matrix.RowCapacity)])];
}
