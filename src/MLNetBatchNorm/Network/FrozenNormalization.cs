using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A batch normalization with its frozen statistics as an operation of its own, where folding it would copy a large layer.</summary>
/// <remarks>Gamma and beta are those of the parameters; mean and variance are split into floats as in <see cref="BatchNormLayer"/>.</remarks>
internal sealed class FrozenNormalization
{
    private const int Width = PanelLayout.Width;

    private readonly BatchNormalizationParameters _parameters;
    private readonly double _epsilon;
    private readonly AlignedBuffer _pivot;
    private readonly AlignedBuffer _offset;
    private readonly AlignedBuffer _inverseDeviation;

    /// <summary>The normalization with its present statistics.</summary>
    public FrozenNormalization(BatchNormalizationParameters parameters, double epsilon)
    {
        _parameters = parameters;
        _epsilon = epsilon;
        _pivot = new AlignedBuffer(parameters.Gamma.Length);
        _offset = new AlignedBuffer(parameters.Gamma.Length);
        _inverseDeviation = new AlignedBuffer(parameters.Gamma.Length);
        Refresh();
    }

    /// <summary>Takes over the parameters' present statistics.</summary>
    public void Refresh()
    {
        for (int panel = 0; panel * Width < _pivot.Length; panel++)
            Freeze(_parameters, _epsilon, panel, PanelOf(_pivot, panel), PanelOf(_offset, panel), PanelOf(_inverseDeviation, panel));
    }

    /// <summary>Replaces the first <paramref name="rows"/> rows of <paramref name="values"/> by <c>f(gamma (x - mean) / sqrt(variance + epsilon) + beta)</c>.</summary>
    public void Apply(ActivationFunction activation, PanelMatrix values, int rows)
    {
        for (int panel = 0; panel < values.Panels; panel++)
        {
            Span<float> x = values.Rows(panel, 0, rows);
            BatchNormKernels.Normalize(
                activation, x, rows, PanelOf(_pivot, panel), PanelOf(_offset, panel), PanelOf(_inverseDeviation, panel),
                PanelOf(_parameters.Gamma, panel), PanelOf(_parameters.Beta, panel), x);
        }
    }

    /// <summary>Whether every column's scale and shift are finite numbers, so that finite values stay finite.</summary>
    public bool IsFinite
    {
        get
        {
            (double[] scale, double[] shift) = Folding.Affine(_parameters, _epsilon);
            return Array.TrueForAll(scale, s => float.IsFinite((float)s)) && Array.TrueForAll(shift, s => float.IsFinite((float)s));
        }
    }

    /// <summary>Frozen statistics of one panel's columns as the kernels take them: mean = pivot + offset, and 1 / sqrt(variance + epsilon).</summary>
    public static void Freeze(BatchNormalizationParameters parameters, double epsilon, int panel, Span<float> pivot, Span<float> offset, Span<float> inverseDeviation)
    {
        for (int lane = 0; lane < Width; lane++)
        {
            int column = panel * Width + lane;
            double mean = column < parameters.Columns ? parameters.RunningMean[column] : 0;
            double variance = column < parameters.Columns ? parameters.RunningVariance[column] : 1;
            pivot[lane] = (float)mean;
            offset[lane] = (float)(mean - pivot[lane]);
            inverseDeviation[lane] = (float)(1 / Math.Sqrt(variance + epsilon));
        }
    }

    private static Span<float> PanelOf(AlignedBuffer buffer, int panel) => buffer.Span.Slice(panel * Width, Width);
}
