namespace MLNetBatchNorm.Kernels;

/// <summary>
/// The windows of a convolution over one picture whose pixels are whole lines of 16 channels, where they lie: neighbouring windows of a
/// line begin at neighbouring pixels.
/// </summary>
/// <param name="picture">The picture, with its padding.</param>
/// <param name="offsets">Where the numbers of a window lie, 16 at a time, from its first one on.</param>
/// <param name="lines">Lines of windows.</param>
/// <param name="width">Windows of a line.</param>
/// <param name="lineStep">Pixels from one line of windows to the next.</param>
internal readonly ref struct WindowLines(ReadOnlySpan<float> picture, ReadOnlySpan<int> offsets, int lines, int width, int lineStep)
{
    public ReadOnlySpan<float> Picture { get; } = picture;

    public ReadOnlySpan<int> Offsets { get; } = offsets;

    public int Lines { get; } = lines;

    public int Width { get; } = width;

    public int LineStep { get; } = lineStep;
}
