using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// Convolutions of 3 x 3 with fewer multiplications, 16 instead of 36 for each 2 x 2 outputs and channel; the memory of one thread.
/// </summary>
/// <remarks>
/// <para>Winograd's minimal filtering F(2 x 2, 3 x 3) (Lavin and Gray 2016, arXiv:1509.09308): with g a kernel and d the 4 x 4 pixels
/// under a tile of 2 x 2 outputs, <c>y = A' ((G g G') * (B' d B)) A</c>, * element by element, summed over channels:</para>
/// <code>
/// B' = 1  0 -1  0     G = 1    0    0      A' = 1  1  1  0
///      0  1  1  0         1/2  1/2  1/2         0  1 -1 -1
///      0 -1  1  0         1/2 -1/2  1/2
///      0  1  0 -1         0    0    1
/// </code>
/// <para>The sums and differences cost some bits of the last places, so that results differ from those of a chain of multiply-adds by a
/// few rounding errors; they depend on neither vector width nor on how many pictures are scored together.</para>
/// </remarks>
internal sealed unsafe class WinogradConvolution
{
    /// <summary>Products for a tile.</summary>
    private const int Terms = 16;
    private const int Width = PanelLayout.Width;

    /// <summary>Numbers of both matrices of a block of tiles: 512 KiB, which stay in the second-level cache.</summary>
    private const int BlockLength = 128 * 1024;

    /// <summary>Numbers of both matrices of a line of tiles at most: 8 MiB.</summary>
    private const int LargestLine = 1 << 21;

    private readonly WindowGrid _grid;
    private readonly int _channels;
    private readonly int _panels;
    private readonly int _tileLines;
    private readonly int _tilesOfLine;
    private readonly int _linesAtOnce;
    private readonly AlignedBuffer _inputs;
    private readonly AlignedBuffer _products;
    private readonly AlignedBuffer _zeros = new(Width);

    /// <summary>Memory for a convolution that <see cref="Takes"/> says can be one.</summary>
    /// <param name="grid">The windows.</param>
    /// <param name="channels">Channels of the map.</param>
    /// <param name="outputs">Channels of what it becomes.</param>
    public WinogradConvolution(WindowGrid grid, int channels, int outputs)
    {
        _grid = grid;
        _channels = channels;
        _panels = PanelLayout.PanelCount(outputs);
        _tileLines = (grid.OutputHeight + 1) / 2;
        _tilesOfLine = (grid.OutputWidth + 1) / 2;
        _linesAtOnce = (int)Math.Clamp(BlockLength / LengthOfLine(grid, channels, _panels), 1, _tileLines);
        long tiles = (long)_linesAtOnce * _tilesOfLine;
        _inputs = new AlignedBuffer(Terms * tiles * channels);
        _products = new AlignedBuffer(Terms * tiles * _panels * Width);
    }

    /// <summary>
    /// Whether it can be used: kernels of 3 x 3 at every pixel, over whole lines of 16 channels, enough tiles to pay, and lines of them
    /// that need no more memory than a map.
    /// </summary>
    public static bool Takes(in WindowGrid grid, int channels, int outputs) =>
        grid is { KernelHeight: 3, KernelWidth: 3, StrideY: 1, StrideX: 1, OutputHeight: >= 4, OutputWidth: >= 4 }
        && channels % Width == 0 && LengthOfLine(grid, channels, PanelLayout.PanelCount(outputs)) <= LargestLine;

    private static long LengthOfLine(in WindowGrid grid, int channels, int panels) =>
        Terms * ((long)channels + (long)panels * Width) * ((grid.OutputWidth + 1) / 2);

    /// <summary>Numbers of the transformed kernels: 16 matrices in the weights' layout.</summary>
    public static long TransformedLength(int channels, int outputs) => Terms * PanelLayout.Length(channels, outputs);

    /// <summary>G g G' of all kernels, in double and rounded once.</summary>
    /// <param name="kernels">[9 taps x channels, outputs] in the weights' layout.</param>
    /// <param name="channels">Channels of the map.</param>
    /// <param name="outputs">Channels of what it becomes.</param>
    /// <param name="transformed">16 matrices [channels, outputs] in the weights' layout, one behind the other.</param>
    public static void Transform(ReadOnlySpan<float> kernels, int channels, int outputs, Span<float> transformed)
    {
        Span<double> rows = stackalloc double[12];
        int matrix = (int)PanelLayout.Length(channels, outputs);
        for (int output = 0; output < outputs; output++)
        {
            for (int channel = 0; channel < channels; channel++)
            {
                for (int v = 0; v < 3; v++)
                {
                    double g0 = At(kernels, 0, v), g1 = At(kernels, 1, v), g2 = At(kernels, 2, v);
                    (rows[v], rows[3 + v], rows[6 + v], rows[9 + v]) = (g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2);
                }
                int to = PanelLayout.WeightIndex(channel, output, channels);
                for (int u = 0; u < 4; u++, to += 4 * matrix)
                {
                    double g0 = rows[3 * u], g1 = rows[3 * u + 1], g2 = rows[3 * u + 2];
                    transformed[to] = (float)g0;
                    transformed[to + matrix] = (float)((g0 + g1 + g2) / 2);
                    transformed[to + 2 * matrix] = (float)((g0 - g1 + g2) / 2);
                    transformed[to + 3 * matrix] = (float)g2;
                }

                float At(ReadOnlySpan<float> all, int u, int v) =>
                    all[PanelLayout.WeightIndex((3 * u + v) * channels + channel, output, 9 * channels)];
            }
        }
    }

    /// <summary>c = bias + the convolution of the first pictures of a map.</summary>
    /// <param name="map">The pictures.</param>
    /// <param name="pictures">How many.</param>
    /// <param name="transformed">The kernels, see <see cref="Transform"/>.</param>
    /// <param name="bias">One number for each lane of c.</param>
    /// <param name="c">Where it goes.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Multiply(PanelMatrix map, int pictures, ReadOnlySpan<float> transformed, ReadOnlySpan<float> bias, PanelMatrix c)
    {
        if (Vector512.IsHardwareAccelerated)
            Multiply<Simd512, Vector512<float>>(map, pictures, transformed, bias, c);
        else if (Vector256.IsHardwareAccelerated)
            Multiply<Simd256, Vector256<float>>(map, pictures, transformed, bias, c);
        else
            Multiply<Simd128, Vector128<float>>(map, pictures, transformed, bias, c);
    }

    /// <summary>The public one; its sums and differences on a given vector width.</summary>
    internal void Multiply<TSimd, V>(
        PanelMatrix map, int pictures, ReadOnlySpan<float> transformed, ReadOnlySpan<float> bias, PanelMatrix c)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        if (map.Columns != _channels || c.Panels != _panels || (long)pictures * _grid.Pixels > map.RowCapacity
            || (long)pictures * _grid.Positions > c.RowCapacity || bias.Length < _panels * Width)
        {
            throw new ArgumentException("A map is not that of the convolution, or has fewer pictures.", nameof(map));
        }
        int matrix = _channels * _panels * Width;
        fixed (float* from = map.Span, to = c.Span, pBias = bias, inputs = _inputs.Span, products = _products.Span, zeros = _zeros.Span)
        {
            for (int picture = 0; picture < pictures; picture++)
            {
                for (int line = 0; line < _tileLines; line += _linesAtOnce)
                {
                    int lines = Math.Min(_linesAtOnce, _tileLines - line), tiles = lines * _tilesOfLine;
                    float* pixels = from + (nint)picture * _grid.Pixels * Width, block = inputs;
                    for (int panel = 0; panel * Width < _channels; panel++)
                    {
                        TransformInputs<TSimd, V>(pixels, line, lines, block, (nint)tiles * _channels, zeros);
                        pixels += (nint)map.RowCapacity * Width;
                        block += (nint)tiles * Width;
                    }
                    for (int term = 0; term < Terms; term++)
                    {
                        MatrixMultiply.MultiplyBlock(
                            _inputs.Span.Slice(term * tiles * _channels, tiles * _channels), tiles, tiles, _channels,
                            transformed.Slice(term * matrix, matrix), default,
                            _products.Span.Slice(term * tiles * _panels * Width, tiles * _panels * Width), tiles, 0, _panels);
                    }
                    for (int panel = 0; panel < _panels; panel++)
                    {
                        TransformOutputs<TSimd, V>(
                            products + (nint)panel * tiles * Width, (nint)tiles * _panels * Width, line, lines, pBias + panel * Width,
                            to + ((nint)panel * c.RowCapacity + (nint)picture * _grid.Positions) * Width);
                    }
                }
            }
        }
    }

    /// <summary>B' d B of the tiles of some lines, for one panel of channels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TransformInputs<TSimd, V>(float* pixels, int firstLine, int lines, float* to, nint term, float* zeros)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        float** d = stackalloc float*[Terms];
        for (int i = firstLine; i < firstLine + lines; i++)
        {
            for (int j = 0; j < _tilesOfLine; j++, to += Width)
            {
                for (int p = 0; p < Terms; p++)
                {
                    int y = 2 * i - _grid.Top + p / 4, x = 2 * j - _grid.Left + p % 4;
                    d[p] = (uint)y < (uint)_grid.Height && (uint)x < (uint)_grid.Width ? pixels + (y * _grid.Width + x) * Width : zeros;
                }
                for (int c = 0; c < Width; c += TSimd.Width)
                {
                    Differences<TSimd, V>(d[0] + c, d[4] + c, d[8] + c, d[12] + c, out V a0, out V b0, out V c0, out V d0);
                    Differences<TSimd, V>(d[1] + c, d[5] + c, d[9] + c, d[13] + c, out V a1, out V b1, out V c1, out V d1);
                    Differences<TSimd, V>(d[2] + c, d[6] + c, d[10] + c, d[14] + c, out V a2, out V b2, out V c2, out V d2);
                    Differences<TSimd, V>(d[3] + c, d[7] + c, d[11] + c, d[15] + c, out V a3, out V b3, out V c3, out V d3);
                    StoreDifferences<TSimd, V>(to + c, term, a0, a1, a2, a3);
                    StoreDifferences<TSimd, V>(to + 4 * term + c, term, b0, b1, b2, b3);
                    StoreDifferences<TSimd, V>(to + 8 * term + c, term, c0, c1, c2, c3);
                    StoreDifferences<TSimd, V>(to + 12 * term + c, term, d0, d1, d2, d3);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Differences<TSimd, V>(float* p0, float* p1, float* p2, float* p3, out V a, out V b, out V c, out V d)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V x1 = TSimd.Load(p1), x2 = TSimd.Load(p2);
        a = TSimd.Subtract(TSimd.Load(p0), x2);
        b = TSimd.Add(x1, x2);
        c = TSimd.Subtract(x2, x1);
        d = TSimd.Subtract(x1, TSimd.Load(p3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreDifferences<TSimd, V>(float* to, nint term, V x0, V x1, V x2, V x3)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        TSimd.Store(to, TSimd.Subtract(x0, x2));
        TSimd.Store(to + term, TSimd.Add(x1, x2));
        TSimd.Store(to + 2 * term, TSimd.Subtract(x2, x1));
        TSimd.Store(to + 3 * term, TSimd.Subtract(x1, x3));
    }

    /// <summary>bias + A' m A of the tiles of some lines, for one panel of outputs; what lies beyond the map is left out.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TransformOutputs<TSimd, V>(float* products, nint term, int firstLine, int lines, float* bias, float* to)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        int height = _grid.OutputHeight, width = _grid.OutputWidth;
        for (int i = firstLine; i < firstLine + lines; i++)
        {
            bool hasLower = 2 * i + 1 < height;
            for (int j = 0; j < _tilesOfLine; j++, products += Width)
            {
                bool hasRight = 2 * j + 1 < width;
                float* upper = to + (nint)(2 * i * width + 2 * j) * Width;
                float* lower = upper + (nint)width * Width;
                for (int c = 0; c < Width; c += TSimd.Width)
                {
                    Sums<TSimd, V>(products + c, 4 * term, out V a0, out V b0);
                    Sums<TSimd, V>(products + term + c, 4 * term, out V a1, out V b1);
                    Sums<TSimd, V>(products + 2 * term + c, 4 * term, out V a2, out V b2);
                    Sums<TSimd, V>(products + 3 * term + c, 4 * term, out V a3, out V b3);
                    V shift = TSimd.Load(bias + c);
                    TSimd.Store(upper + c, TSimd.Add(shift, TSimd.Add(TSimd.Add(a0, a1), a2)));
                    if (hasRight)
                        TSimd.Store(upper + Width + c, TSimd.Add(shift, TSimd.Subtract(TSimd.Subtract(a1, a2), a3)));
                    if (!hasLower)
                        continue;
                    TSimd.Store(lower + c, TSimd.Add(shift, TSimd.Add(TSimd.Add(b0, b1), b2)));
                    if (hasRight)
                        TSimd.Store(lower + Width + c, TSimd.Add(shift, TSimd.Subtract(TSimd.Subtract(b1, b2), b3)));
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Sums<TSimd, V>(float* m, nint row, out V a, out V b)
        where TSimd : struct, ISimd<V>
        where V : struct
    {
        V m1 = TSimd.Load(m + row), m2 = TSimd.Load(m + 2 * row);
        a = TSimd.Add(TSimd.Add(TSimd.Load(m), m1), m2);
        b = TSimd.Subtract(TSimd.Subtract(m1, m2), TSimd.Load(m + 3 * row));
    }
}
