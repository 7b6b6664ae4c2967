using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// What the windows of a convolution see, its patches, as rows of a matrix, and their products; the memory of one worker.
/// </summary>
/// <remarks>
/// <para>Where pixels are whole lines of 16 channels and windows lie side by side, the products read them where they are
/// (<see cref="WindowLines"/>). Others are gathered into the rows of a matrix in panels, block by block. The bits are the same.</para>
/// <para>Number <c>(u * kernelWidth + v) * channels + c</c> of a row is channel c of the window's pixel (u, v), 0 in the padding. With 16
/// channels or a multiple of it these are whole lines of 16 of the map, and neighbouring windows read neighbouring lines.</para>
/// <para>A picture is copied first, with its padding around it, into memory of its own: what is gathered from there needs no edge to be
/// asked for. Fewer than 16 channels stand side by side there without gaps, so that a row of a window is one run of numbers.</para>
/// <para>The same serves the gradient of a convolution's input: that is a convolution of the gradient of its output, whose pixels are set
/// apart by the stride, with the kernel turned round (<see cref="ForInputGradient"/>).</para>
/// </remarks>
internal sealed unsafe class PatchPanels
{
    private const int Width = PanelLayout.Width;

    /// <summary>Numbers of a block of patches: 256 KiB, so that it is still in the second-level cache when it is multiplied.</summary>
    private const int BlockLength = 64 * 1024;

    /// <summary>The matrix kernel takes 12 rows at a time; four of those at least, and no more than pay.</summary>
    private const int FewestRows = 48;
    private const int MostRows = 768;

    /// <summary>Windows of a line from which on their products keep enough sums going at once.</summary>
    private const int FewestWindowsOfLine = 4;

    private readonly int _channels;
    private readonly int _outputWidth;
    private readonly int _positions;
    private readonly int _strideY;
    private readonly int _strideX;

    // The picture that is copied: its size, how far apart its pixels are set, and where the first one goes.
    private readonly int _height;
    private readonly int _width;
    private readonly int _spreadY;
    private readonly int _spreadX;
    private readonly int _top;
    private readonly int _left;
    private readonly int _paddedHeight;
    private readonly int _paddedWidth;

    // Numbers that a pixel takes in one block of channels, and from one block to the next.
    private readonly int _pixel;
    private readonly int _block;
    private readonly AlignedBuffer _picture;
    private readonly AlignedBuffer _values;

    // Runs of up to 16 numbers of a patch: where they go and where they come from, relative to row and window.
    private readonly int[] _targets;
    private readonly int[] _sources;
    private readonly bool _readsLines;
    private int _loaded = -1;

    /// <summary>Patches of pictures of <paramref name="channels"/> channels.</summary>
    /// <param name="grid">The windows.</param>
    /// <param name="channels">Channels of the pictures.</param>
    /// <param name="mostRows">No more rows than this will be asked for at once.</param>
    /// <param name="gathers">Whether they are gathered in any case, for comparison.</param>
    public PatchPanels(WindowGrid grid, int channels, int mostRows, bool gathers = false)
        : this(grid, channels, mostRows, gathers, spreadY: 1, spreadX: 1, (grid.OutputHeight - 1) * grid.StrideY + grid.KernelHeight,
            (grid.OutputWidth - 1) * grid.StrideX + grid.KernelWidth)
    {
    }

    private PatchPanels(
        WindowGrid grid, int channels, int mostRows, bool gathers, int spreadY, int spreadX, int paddedHeight, int paddedWidth)
    {
        _channels = channels;
        _outputWidth = grid.OutputWidth;
        _positions = grid.Positions;
        (_strideY, _strideX) = (grid.StrideY, grid.StrideX);
        (_height, _width, _top, _left) = (grid.Height, grid.Width, grid.Top, grid.Left);
        (_spreadY, _spreadX) = (spreadY, spreadX);
        (_paddedHeight, _paddedWidth) = (paddedHeight, paddedWidth);
        _pixel = Math.Min(channels, Width);
        _block = paddedHeight * paddedWidth * _pixel;
        int blocks = PanelLayout.PanelCount(channels);
        // A run is copied as 16 numbers wherever it ends: one line more than there is.
        _picture = new AlignedBuffer((long)blocks * _block + Width);
        Columns = grid.KernelHeight * grid.KernelWidth * channels;
        int columns = PanelLayout.PanelCount(Columns) * Width;
        int wanted = Math.Clamp(BlockLength / columns / 12 * 12, FewestRows, MostRows);
        MostRowsAtOnce = Math.Min(wanted, mostRows);
        RowCapacity = MostRowsAtOnce + 1;              // and here, at the end of each panel
        (_targets, _sources) = Runs(grid, blocks);
        IsWholeLines = channels % Width == 0;
        _readsLines = !gathers && IsWholeLines && grid.StrideX == 1 && grid.OutputWidth >= FewestWindowsOfLine;
        _values = new AlignedBuffer(_readsLines ? 0 : (long)columns * RowCapacity);
    }

    /// <summary>Patches of the gradient of a convolution's output, for the gradient of its input.</summary>
    /// <param name="grid">The windows of the convolution.</param>
    /// <param name="outputs">Channels of its output.</param>
    /// <param name="mostRows">No more rows than this will be asked for at once.</param>
    /// <param name="gathers">Whether they are gathered in any case, for comparison.</param>
    public static PatchPanels ForInputGradient(WindowGrid grid, int outputs, int mostRows, bool gathers = false) => new(
        new WindowGrid(
            grid.OutputHeight, grid.OutputWidth, grid.KernelHeight, grid.KernelWidth, StrideY: 1, StrideX: 1,
            grid.KernelHeight - 1 - grid.Top, grid.KernelWidth - 1 - grid.Left, grid.Height, grid.Width),
        outputs, mostRows, gathers, grid.StrideY, grid.StrideX, grid.Height + grid.KernelHeight - 1, grid.Width + grid.KernelWidth - 1);

    /// <summary>Numbers of a patch: kernel height x kernel width x channels.</summary>
    public int Columns { get; }

    /// <summary>Stride between the panels of <see cref="Values"/>, in rows.</summary>
    private int RowCapacity { get; }

    /// <summary>Rows that are gathered at once.</summary>
    private int MostRowsAtOnce { get; }

    /// <summary>The patches of the last block, [rows, <see cref="Columns"/>] in panels; padding lanes hold any finite number.</summary>
    private ReadOnlySpan<float> Values => _values.Span;

    private bool IsWholeLines { get; }

    /// <summary>c[w, n] = bias[n] + sum_k patch(w, k) * b[k, n] for the windows w of [first, end), counted through all pictures.</summary>
    /// <param name="source">The pictures.</param>
    /// <param name="first">First window of a picture.</param>
    /// <param name="end">End of a picture's windows.</param>
    /// <param name="b">[<see cref="Columns"/>, columns of c] in the weights' layout.</param>
    /// <param name="bias">One number for each lane; empty: 0.</param>
    /// <param name="c">Where they go.</param>
    public void Multiply(in PictureSource source, int first, int end, ReadOnlySpan<float> b, ReadOnlySpan<float> bias, PanelMatrix c)
    {
        _loaded = -1;                                  // other pictures stand in its place now
        for (int row = first, rows; row < end; row += rows)
        {
            rows = _readsLines ? _positions : Math.Min(MostRowsAtOnce, end - row);
            if (_readsLines)
            {
                Load(source, row / _positions);
                MatrixMultiply.MultiplyLines(Lines, b, bias, c.Span, c.RowCapacity, row, c.Panels);
                continue;
            }
            Gather(source, row, rows);
            MatrixMultiply.MultiplyBlock(Values, RowCapacity, rows, Columns, b, bias, c.Span, c.RowCapacity, row, c.Panels);
        }
    }

    /// <summary>c[k, o] += sum_w patch(w, k) * d[w, o] over the windows w of [first, end), counted through all pictures.</summary>
    /// <param name="source">The pictures.</param>
    /// <param name="first">First window of a picture.</param>
    /// <param name="end">End of a picture's windows.</param>
    /// <param name="d">The gradient of what the windows became.</param>
    /// <param name="c">[<see cref="Columns"/>, columns of d] in the weights' layout.</param>
    public void AddWeightGradient(in PictureSource source, int first, int end, PanelMatrix d, Span<float> c)
    {
        _loaded = -1;
        for (int row = first, rows; row < end; row += rows)
        {
            rows = _readsLines ? _positions : Math.Min(MostRowsAtOnce, end - row);
            if (_readsLines)
            {
                Load(source, row / _positions);
                MatrixMultiply.AddWeightGradientOfLines(Lines, d.Span, d.RowCapacity, row, c, d.Panels);
                continue;
            }
            Gather(source, row, rows);
            MatrixMultiply.AddWeightGradient(Values, RowCapacity, Columns, d.Span, d.RowCapacity, row, rows, c, d.Panels);
        }
    }

    private WindowLines Lines => new(
        _picture.Span, _sources, _positions / _outputWidth, _outputWidth, _strideY * _paddedWidth);

    /// <summary>Gathers the patches of windows [first, first + rows), counted through all pictures.</summary>
    private void Gather(in PictureSource source, int first, int rows)
    {
        for (int done = 0; done < rows;)
        {
            (int picture, int position) = Math.DivRem(first + done, _positions);
            if (_loaded != picture)
            {
                Load(source, picture);
                _loaded = picture;
            }
            int count = Math.Min(rows - done, _positions - position);
            if (IsWholeLines)
                GatherLines(position, count, done);
            else
                GatherRuns(position, count, done);
            done += count;
        }
    }

    private (int[] Targets, int[] Sources) Runs(WindowGrid grid, int blocks)
    {
        var targets = new List<int>();
        var sources = new List<int>();
        int column = 0;
        void Add(int source, int length)
        {
            while (length > 0)
            {
                int lane = column % Width, run = Math.Min(length, Width - lane);
                targets.Add(column / Width * RowCapacity * Width + lane);
                sources.Add(source);
                column += run;
                source += run;
                length -= run;
            }
        }

        for (int u = 0; u < grid.KernelHeight; u++)
        {
            if (blocks == 1 && _pixel < Width)
            {
                Add(u * _paddedWidth * _pixel, grid.KernelWidth * _pixel);
                continue;
            }
            for (int v = 0; v < grid.KernelWidth; v++)
            {
                for (int block = 0; block < blocks; block++)
                {
                    Add(block * _block + (u * _paddedWidth + v) * _pixel, Math.Min(Width, _channels - block * Width));
                }
            }
        }
        return ([.. targets], [.. sources]);
    }

    /// <summary>Whole lines: run by run, so that neighbouring windows are one piece of memory.</summary>
    private void GatherLines(int position, int count, int row)
    {
        fixed (float* picture = _picture.Span, values = _values.Span)
        {
            for (int run = 0; run < _targets.Length; run++)
            {
                float* to = values + _targets[run] + (nint)row * Width;
                float* from = picture + _sources[run];
                (int y, int x) = Math.DivRem(position, _outputWidth);
                for (int left = count; left > 0; y++, x = 0)
                {
                    int windows = Math.Min(left, _outputWidth - x);
                    float* line = from + ((nint)y * _strideY * _paddedWidth + x * _strideX) * Width;
                    int step = _strideX * Width;
                    for (int w = 0; w < windows; w++, to += Width, line += step)
                        Vector512.Store(Vector512.Load(line), to);
                    left -= windows;
                }
            }
        }
    }

    /// <summary>
    /// Runs of any length: window by window with the lanes rising, because what is copied beyond the end of a run lies where the next run,
    /// or the next row, goes.
    /// </summary>
    private void GatherRuns(int position, int count, int row)
    {
        fixed (int* targets = _targets, sources = _sources)
        fixed (float* picture = _picture.Span, values = _values.Span)
        {
            int runs = _targets.Length;
            float* to = values + (nint)row * Width;
            (int y, int x) = Math.DivRem(position, _outputWidth);
            for (int left = count; left > 0; y++, x = 0)
            {
                int windows = Math.Min(left, _outputWidth - x);
                float* from = picture + ((nint)y * _strideY * _paddedWidth + x * _strideX) * _pixel;
                int step = _strideX * _pixel;
                for (int w = 0; w < windows; w++, to += Width, from += step)
                {
                    for (int run = 0; run < runs; run++)
                        Vector512.Store(Vector512.Load(from + sources[run]), to + targets[run]);
                }
                left -= windows;
            }
        }
    }

    /// <summary>Copies a picture between its padding, which stays 0.</summary>
    private void Load(in PictureSource source, int picture)
    {
        Span<float> target = _picture.Span;
        for (int y = 0; y < _height; y++)
        {
            int row = y * _spreadY + _top;
            if (row < 0 || row >= _paddedHeight)
                continue;
            // Columns whose place is inside.
            int first = _left < 0 ? (-_left + _spreadX - 1) / _spreadX : 0;
            int end = Math.Min(_width, (_paddedWidth - _left + _spreadX - 1) / _spreadX);
            if (first >= end)
                continue;
            int at = row * _paddedWidth + first * _spreadX + _left;
            if (source.Order is null)
                LoadMapLine(source, picture * _height * _width + y * _width + first, end - first, target, at);
            else
                LoadLine(source, picture, y, first, end, target, at);
        }
    }

    private void LoadMapLine(in PictureSource source, int firstRow, int pixels, Span<float> target, int at)
    {
        for (int panel = 0; panel * Width < _channels; panel++)
        {
            ReadOnlySpan<float> from = source.Values.Slice((panel * source.Stride + firstRow) * Width, pixels * Width);
            Span<float> to = target[(panel * _block + at * _pixel)..];
            int step = _spreadX * _pixel;
            if (step == Width)
            {
                from.CopyTo(to);
                continue;
            }
            for (int pixel = 0; pixel < pixels; pixel++)
                from.Slice(pixel * Width, _pixel).CopyTo(to[(pixel * step)..]);
        }
    }

    private void LoadLine(in PictureSource source, int picture, int y, int first, int end, Span<float> target, int at)
    {
        ReadOnlySpan<float> values = source.Values.Slice(picture * source.Stride, _height * _width * _channels);
        (int channelStep, int pixelStep) = source.Order == PixelOrder.Planar ? (_height * _width, 1) : (1, _channels);
        if (_channels == 1)
        {
            values[(y * _width + first)..(y * _width + end)].CopyTo(target[at..]);
            return;
        }
        for (int channel = 0; channel < _channels; channel++)
        {
            int to = channel / Width * _block + at * _pixel + channel % Width;
            int from = channel * channelStep + (y * _width + first) * pixelStep;
            for (int x = first; x < end; x++, to += _pixel, from += pixelStep)
                target[to] = values[from];
        }
    }
}
