using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// A batch normalization with its frozen statistics as an operation of its own, where folding it would copy a large layer.
/// </summary>
/// <remarks>
/// Gamma and beta are those of the parameters; mean and variance are split into floats as in <see cref="BatchNormLayer"/>.
/// </remarks>
internal sealed class FrozenNormalization : FrozenOperation
{
    private const int Width = PanelLayout.Width;

    private readonly BatchNormNode _node;
    private readonly BatchNormalizationParameters _parameters;
    private readonly AlignedBuffer _pivot;
    private readonly AlignedBuffer _offset;
    private readonly AlignedBuffer _inverseDeviation;

    /// <summary>The normalization with its present statistics.</summary>
    public FrozenNormalization(BatchNormNode node, BatchNormalizationParameters parameters)
        : base(node, parameters)
    {
        _node = node;
        _parameters = parameters;
        _pivot = new AlignedBuffer(parameters.Gamma.Length);
        _offset = new AlignedBuffer(parameters.Gamma.Length);
        _inverseDeviation = new AlignedBuffer(parameters.Gamma.Length);
        Freeze();
    }

    public override void Refold(NetworkParameters network) => Freeze();

    private void Freeze()
    {
        for (int panel = 0; panel * Width < _pivot.Length; panel++)
            Freeze(_node, _parameters, panel, PanelOf(_pivot, panel), PanelOf(_offset, panel), PanelOf(_inverseDeviation, panel));
    }

    /// <summary>
    /// Replaces the first <paramref name="rows"/> rows of <paramref name="values"/> by
    /// <c>f(gamma (x - mean) / sqrt(variance + epsilon) + beta)</c>.
    /// </summary>
    public override void Apply(PanelMatrix values, int rows)
    {
        ActivationFunction? activation = _node.Activation?.Function;
        for (int panel = 0; panel < values.Panels; panel++)
        {
            Span<float> x = values.Rows(panel, 0, rows);
            BatchNormKernels.Normalize(
                activation, x, rows, PanelOf(_pivot, panel), PanelOf(_offset, panel), PanelOf(_inverseDeviation, panel),
                PanelOf(_parameters.Gamma, panel), PanelOf(_parameters.Beta, panel), x);
        }
    }

    public override bool IsFinite
    {
        get
        {
            (double[] scale, double[] shift) = _node.Affine(_parameters);
            return Array.TrueForAll(scale, s => float.IsFinite((float)s)) && Array.TrueForAll(shift, s => float.IsFinite((float)s));
        }
    }

    /// <summary>
    /// Frozen statistics of one panel's columns as the kernels take them: mean = pivot + offset, and 1 / sqrt(variance + epsilon).
    /// </summary>
    public static void Freeze(
        BatchNormNode node, BatchNormalizationParameters parameters, int panel, Span<float> pivot,
        Span<float> offset, Span<float> inverseDeviation)
    {
        for (int lane = 0; lane < Width; lane++)
        {
            int column = panel * Width + lane;
            double mean = column < parameters.Columns ? parameters.RunningMean[column] : 0;
            double variance = column < parameters.Columns ? parameters.RunningVariance[column] : 1;
            pivot[lane] = (float)mean;
            offset[lane] = (float)(mean - pivot[lane]);
            inverseDeviation[lane] = (float)(1 / Math.Sqrt(variance + node.Epsilon));
        }
    }

    private static Span<float> PanelOf(AlignedBuffer buffer, int panel) => buffer.Span.Slice(panel * Width, Width);
}
