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

    /// <summary>A map of pictures [picture][channel, row, column].</summary>
    public static PanelMatrix OfMap(double[][] pictures, int channels)
    {
        int pixels = pictures[0].Length / channels;
        var map = new PanelMatrix(pictures.Length * pixels, channels) { Positions = pixels };
        for (int n = 0; n < pictures.Length; n++)
        {
            for (int i = 0; i < pictures[n].Length; i++)
                map.Span[PanelLayout.Index(n * pixels + i % pixels, i / pixels, map.RowCapacity)] = (float)pictures[n][i];
        }
        return map;
    }

    /// <summary>All rows of a matrix, or the first ones; of a map the pictures, channel by channel.</summary>
    public static double[][] Rows(PanelMatrix matrix, int? rows = null)
        => [.. Enumerable.Range(0, rows ?? matrix.RowCapacity / matrix.Positions).Select(r => Row(matrix, r))];

    /// <summary>The first numbers of a buffer.</summary>
    public static double[] Vector(AlignedBuffer buffer, int length) => [.. buffer.Span[..length].ToArray().Select(v => (double)v)];

    /// <summary>A row-major block as rows.</summary>
    public static double[][] Rows(float[] values, int columns)
        => [.. values.Chunk(columns).Select(row => row.Select(v => (double)v).ToArray())];

    private static double[] Row(PanelMatrix matrix, int row)
        => [.. Enumerable.Range(0, matrix.Columns * matrix.Positions).Select(
            i => (double)matrix.Span[PanelLayout.Index(
                row * matrix.Positions + i % matrix.Positions, i / matrix.Positions, matrix.RowCapacity)])];
}
