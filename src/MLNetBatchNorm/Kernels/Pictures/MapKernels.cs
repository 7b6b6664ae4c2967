namespace MLNetBatchNorm.Kernels;

/// <summary>What turns maps of pictures into rows of numbers, forward and backward, for one panel of channels.</summary>
/// <remarks>
/// A map is [pictures x pixels, channels], a matrix of rows [pictures, columns], both in panels; pixel p of picture n is row
/// <c>n * pixels + p</c> of the map.
/// </remarks>
internal static class MapKernels
{
    private const int Width = PanelLayout.Width;

    /// <summary>rows[n, channel * pixels + p] = map[n * pixels + p, channel] for the channels of a panel.</summary>
    /// <param name="map">The map.</param>
    /// <param name="pixels">Pixels of a picture.</param>
    /// <param name="pictures">Number of pictures.</param>
    /// <param name="panel">Panel of the map; the columns it becomes are whole panels of <paramref name="rows"/>, or the last ones.</param>
    /// <param name="rows">The matrix of rows.</param>
    public static void Flatten(PanelMatrix map, int pixels, int pictures, int panel, PanelMatrix rows)
    {
        ReadOnlySpan<float> from = map.Rows(panel, 0, pictures * pixels);
        Span<float> to = rows.Span;
        int channels = Math.Min(Width, map.Columns - panel * Width);
        for (int channel = 0; channel < channels; channel++)
        {
            for (int p = 0; p < pixels; p++)
            {
                int target = PanelLayout.Index(0, (panel * Width + channel) * pixels + p, rows.RowCapacity);
                int source = p * Width + channel;
                for (int n = 0; n < pictures; n++, target += Width, source += pixels * Width)
                    to[target] = from[source];
            }
        }
    }

    /// <summary>The other way round: map[n * pixels + p, channel] = rows[n, channel * pixels + p].</summary>
    /// <param name="rows">The matrix of rows.</param>
    /// <param name="pixels">Pixels of a picture.</param>
    /// <param name="pictures">Number of pictures.</param>
    /// <param name="panel">Panel of the map; its padding lanes become 0.</param>
    /// <param name="map">The map.</param>
    public static void Unflatten(PanelMatrix rows, int pixels, int pictures, int panel, PanelMatrix map)
    {
        ReadOnlySpan<float> from = rows.Span;
        Span<float> to = map.Rows(panel, 0, pictures * pixels);
        int channels = Math.Min(Width, map.Columns - panel * Width);
        if (channels < Width)
            to.Clear();
        for (int channel = 0; channel < channels; channel++)
        {
            for (int p = 0; p < pixels; p++)
            {
                int source = PanelLayout.Index(0, (panel * Width + channel) * pixels + p, rows.RowCapacity);
                int target = p * Width + channel;
                for (int n = 0; n < pictures; n++, source += Width, target += pixels * Width)
                    to[target] = from[source];
            }
        }
    }

    /// <summary>rows[n, channel] = mean over the pixels of picture n, for the channels of a panel.</summary>
    public static void Mean(PanelMatrix map, int pixels, int pictures, int panel, PanelMatrix rows)
    {
        float part = 1f / pixels;
        for (int n = 0; n < pictures; n++)
        {
            Span<float> means = rows.Rows(panel, n, 1);
            ColumnStatistics.ColumnSums(map.Rows(panel, n * pixels, pixels), pixels, means);
            for (int lane = 0; lane < Width; lane++)
                means[lane] *= part;
        }
    }

    /// <summary>map[n * pixels + p, channel] = rows[n, channel] / pixels: the gradient of <see cref="Mean"/>.</summary>
    public static void MeanBackward(PanelMatrix rows, int pixels, int pictures, int panel, PanelMatrix map)
    {
        float part = 1f / pixels;
        Span<float> share = stackalloc float[Width];
        for (int n = 0; n < pictures; n++)
        {
            ReadOnlySpan<float> gradient = rows.Rows(panel, n, 1);
            for (int lane = 0; lane < Width; lane++)
                share[lane] = gradient[lane] * part;
            Span<float> to = map.Rows(panel, n * pixels, pixels);
            for (int p = 0; p < pixels; p++)
                share.CopyTo(to.Slice(p * Width, Width));
        }
    }
}
