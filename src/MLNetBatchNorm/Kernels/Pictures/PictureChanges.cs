namespace MLNetBatchNorm.Kernels;

/// <summary>What may happen to a picture each time that it is trained on.</summary>
/// <param name="Shift">Pixels by which it is moved at most, down or up and to either side.</param>
/// <param name="Flips">Whether left and right may change places.</param>
internal readonly record struct PictureChanges(int Shift, bool Flips)
{
    /// <summary>Whether pictures stay as they are.</summary>
    public bool AreNone => Shift == 0 && !Flips;

    /// <summary>
    /// Draws a change and copies a picture with it; what comes in at an edge repeats the pixels of the edge.
    /// </summary>
    /// <remarks>
    /// A move along a side is the difference of two numbers up to the shift, each as likely as the others: none is the most likely one, so
    /// that of two classes that differ by a place the right one stays more likely where it is.
    /// </remarks>
    /// <param name="random">Where the change is drawn from.</param>
    /// <param name="from">The picture.</param>
    /// <param name="height">Rows of pixels; a picture of one row is not moved down or up.</param>
    /// <param name="width">Columns of pixels.</param>
    /// <param name="channels">Numbers of a pixel.</param>
    /// <param name="order">The order of the numbers.</param>
    /// <param name="to">Room for it.</param>
    public void Apply(
        RandomStream random, ReadOnlySpan<float> from, int height, int width, int channels, PixelOrder order, Span<float> to)
    {
        int down = height == 1 ? 0 : random.Next(Shift + 1) - random.Next(Shift + 1);
        int right = width == 1 ? 0 : random.Next(Shift + 1) - random.Next(Shift + 1);
        bool flips = Flips && random.Next(2) == 1;
        (int planes, int pixel) = order == PixelOrder.Planar ? (channels, 1) : (1, channels);
        int line = width * pixel;
        for (int plane = 0; plane < planes; plane++)
        {
            for (int y = 0; y < height; y++)
            {
                ReadOnlySpan<float> source = from.Slice((plane * height + Math.Clamp(y - down, 0, height - 1)) * line, line);
                Copy(source, width, pixel, right, flips, to.Slice((plane * height + y) * line, line));
            }
        }
    }

    private static void Copy(ReadOnlySpan<float> from, int width, int pixel, int right, bool flips, Span<float> to)
    {
        if (!flips)
        {
            int first = Math.Max(0, right), end = Math.Min(width, width + right);
            from[((first - right) * pixel)..((end - right) * pixel)].CopyTo(to[(first * pixel)..]);
            for (int x = 0; x < first; x++)
                from[..pixel].CopyTo(to[(x * pixel)..]);
            for (int x = end; x < width; x++)
                from[^pixel..].CopyTo(to[(x * pixel)..]);
            return;
        }
        for (int x = 0; x < width; x++)
        {
            int at = width - 1 - Math.Clamp(x - right, 0, width - 1);
            from.Slice(at * pixel, pixel).CopyTo(to[(x * pixel)..]);
        }
    }
}
