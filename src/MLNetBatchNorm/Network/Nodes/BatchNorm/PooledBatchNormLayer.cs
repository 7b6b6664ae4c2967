using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Batch normalization, activation and pooling of a map as one operation: some pictures at a time, whose normalized values and activations
/// stay in cache.
/// </summary>
/// <remarks>
/// The map is several times as large as a cache, and what becomes of it would be written, read by the pooling, and read again backward.
/// The backward pass computes it anew from the input instead. Which pictures are taken together depends on nothing but the size of a map,
/// so that the bits are the same for every number of workers.
/// </remarks>
internal sealed class PooledBatchNormLayer : BatchNormLayer, IReshapingOperation
{
    /// <summary>Rows of a map that are taken together: 64 KiB of one panel.</summary>
    private const int RowsAtOnce = 1024;

    private readonly PoolingNode _pooling;
    private readonly int _pixels;
    private readonly int _positions;
    private readonly int _picturesAtOnce;

    // The activations of the pictures under way, for each panel: its worker may be another one.
    private readonly AlignedBuffer _activated;

    /// <summary>A layer over <paramref name="input"/>.</summary>
    public PooledBatchNormLayer(
        BatchNormNode node, PoolingNode pooling, BatchNormalizationParameters parameters, PanelMatrix input, PanelMatrix output)
        : base(node, parameters, input, output)
    {
        _pooling = pooling;
        _pixels = pooling.Grid.Pixels;
        _positions = pooling.Grid.Positions;
        _picturesAtOnce = Math.Clamp(RowsAtOnce / _pixels, 1, input.RowCapacity / _pixels);
        _activated = new AlignedBuffer((long)input.Panels * _picturesAtOnce * _pixels * Width);
    }

    public PanelMatrix? InputGradient { get; set; }

    private protected override void Apply(
        int panel, int begin, int count, ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset, ReadOnlySpan<float> inverse)
    {
        for (int done = 0; done < count; done += _picturesAtOnce * _pixels)
        {
            int rows = Math.Min(count - done, _picturesAtOnce * _pixels), pictures = rows / _pixels;
            Span<float> activated = Activated(panel, rows);
            Normalize(panel, begin + done, rows, pivot, offset, inverse, activated);
            _pooling.Pool(activated, pictures, Pooled(Output, panel, begin + done, pictures));
        }
    }

    private protected override Span<float> SumGradients(
        PanelMatrix gradient, int panel, int begin, int count, ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset,
        ReadOnlySpan<float> inverse, Span<float> dGamma, Span<float> dBeta)
    {
        Span<double> totals = stackalloc double[2 * Width];
        totals.Clear();
        for (int done = 0; done < count; done += _picturesAtOnce * _pixels)
        {
            int first = begin + done, rows = Math.Min(count - done, _picturesAtOnce * _pixels), pictures = rows / _pixels;
            Span<float> activated = Activated(panel, rows), d = InputGradient!.Rows(panel, first, rows);
            Normalize(panel, first, rows, pivot, offset, inverse, activated);
            _pooling.PoolBackward(
                activated, Pooled(Output, panel, first, pictures), Pooled(gradient, panel, first, pictures), pictures, d);
            SumGradients(panel, first, rows, pivot, offset, inverse, activated, d, dGamma, dBeta);
            for (int lane = 0; lane < Width; lane++)
            {
                totals[lane] += dGamma[lane];
                totals[Width + lane] += dBeta[lane];
            }
        }
        for (int lane = 0; lane < Width; lane++)
        {
            dGamma[lane] = (float)totals[lane];
            dBeta[lane] = (float)totals[Width + lane];
        }
        return InputGradient!.Rows(panel, begin, count);
    }

    private protected override PanelMatrix InputGradientOf(PanelMatrix gradient) => InputGradient!;

    private Span<float> Activated(int panel, int rows) =>
        _activated.Span.Slice(panel * _picturesAtOnce * _pixels * Width, rows * Width);

    /// <summary>The part of a pooled map that belongs to pictures, of which the first begins at a row of the input.</summary>
    private Span<float> Pooled(PanelMatrix map, int panel, int first, int pictures) =>
        map.Rows(panel, first / _pixels * _positions, pictures * _positions);
}
