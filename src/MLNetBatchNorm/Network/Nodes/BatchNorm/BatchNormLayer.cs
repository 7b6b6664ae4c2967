using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Batch normalization, and the activation that follows it if there is one: <c>y = f(gamma (x - mean) / sqrt(variance + epsilon)
/// + beta)</c> with the mean and the biased variance of the batch, or of each virtual batch (Ioffe and Szegedy 2015; Hoffer et al. 2017).
/// </summary>
/// <remarks>
/// The two are one operation because the normalized value is then never written to memory: the backward pass computes it again from x.
/// </remarks>
internal class BatchNormLayer : ColumnOperation
{
    private protected const int Width = PanelLayout.Width;

    private readonly BatchNormNode _node;
    private readonly BatchNormalizationParameters _parameters;
    private readonly ParameterBlock _gamma;
    private readonly ParameterBlock _beta;
    private readonly int _padded;

    // Rows of the input in one virtual batch; 0: all.
    private readonly int _virtualBatch;

    // Statistics of the last forward pass, [virtual batches][padded columns]. The mean is pivot + offset: the pivot is the mean rounded
    // to float, so that x - pivot is exact where it matters, and the offset is what rounding lost.
    private readonly AlignedBuffer _pivot;
    private readonly AlignedBuffer _offset;
    private readonly AlignedBuffer _inverseDeviation;

    // One count for each panel, so that workers do not write to the same place.
    private readonly long[] _batchesTracked;

    private double[] _pooledMean = [];
    private double[] _pooledSquares = [];
    private long[] _pooledRows = [];

    /// <summary>A layer over <paramref name="input"/>.</summary>
    public BatchNormLayer(BatchNormNode node, BatchNormalizationParameters parameters, PanelMatrix input, PanelMatrix output)
        : base(input, output)
    {
        _node = node;
        _parameters = parameters;
        Activation = node.Activation?.Function;
        _padded = input.Panels * Width;
        _virtualBatch = node.VirtualBatchSize * input.Positions;
        _gamma = new ParameterBlock($"{node.Name}.gamma", parameters.Gamma, isWeight: false);
        _beta = new ParameterBlock($"{node.Name}.beta", parameters.Beta, isWeight: false);
        Parameters = [_gamma, _beta];
        int batches = VirtualBatches(input.RowCapacity);
        _pivot = new AlignedBuffer((long)batches * _padded);
        _offset = new AlignedBuffer((long)batches * _padded);
        _inverseDeviation = new AlignedBuffer((long)batches * _padded);
        _batchesTracked = new long[input.Panels];
        Reload();
        // Until the pass over the training set replaces them, networks with population statistics predict with running averages.
        Policy = node.Statistics == BatchNormalizationStatistics.Cumulative ? StatisticsPolicy.Cumulative : StatisticsPolicy.RunningAverage;
    }

    /// <summary>The activation applied to the normalized value, or null.</summary>
    public ActivationFunction? Activation { get; }

    /// <summary>What the next forward pass does with statistics.</summary>
    public StatisticsPolicy Policy { get; set; }

    /// <summary>Whether batches in which a column is constant leave its running variance as it is.</summary>
    public bool KeepsVarianceOfConstants { get; set; }

    public override IReadOnlyList<ParameterBlock> Parameters { get; }

    /// <summary>
    /// Number of batches whose statistics <paramref name="rows"/> rows are split into; a remainder of one row joins the batch before it.
    /// </summary>
    public int VirtualBatches(int rows)
    {
        int size = _virtualBatch;
        if (size == 0 || rows <= size)
            return 1;
        return rows % size >= 2 ? rows / size + 1 : rows / size;
    }

    /// <summary>Goes on counting batches from where the parameters stand.</summary>
    public void Reload() => _batchesTracked.AsSpan().Fill(_parameters.BatchesTracked);

    public override void Forward(int rows, int firstPanel, int endPanel)
    {
        int batches = VirtualBatches(rows);
        Span<float> variance = stackalloc float[Width];
        for (int p = firstPanel; p < endPanel; p++)
        {
            for (int b = 0; b < batches; b++)
            {
                (int begin, int count) = VirtualBatch(b, batches, rows);
                Span<float> pivot = Statistic(_pivot, b, p), offset = Statistic(_offset, b, p),
                    inverse = Statistic(_inverseDeviation, b, p);
                ReadOnlySpan<float> x = Input.Rows(p, begin, count);
                if (Policy == StatisticsPolicy.Frozen)
                {
                    FrozenNormalization.Freeze(_node, _parameters, p, pivot, offset, inverse);
                }
                else
                {
                    ColumnStatistics.Moments(x, count, pivot, offset, variance);
                    for (int lane = 0; lane < Width; lane++)
                        inverse[lane] = (float)(1 / Math.Sqrt(variance[lane] + _node.Epsilon));
                    Track(p, count, pivot, offset, variance);
                }
                Apply(p, begin, count, pivot, offset, inverse);
            }
        }
    }

    /// <summary>Writes what becomes of rows of the input's panel, whose statistics are given.</summary>
    private protected virtual void Apply(
        int panel, int begin, int count, ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset, ReadOnlySpan<float> inverse) =>
        Normalize(panel, begin, count, pivot, offset, inverse, Output.Rows(panel, begin, count));

    /// <summary>y = activation of the normalized rows of the input's panel.</summary>
    private protected void Normalize(
        int panel, int begin, int count, ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset, ReadOnlySpan<float> inverse,
        Span<float> y) => BatchNormKernels.Normalize(
        Activation, Input.Rows(panel, begin, count), count, pivot, offset, inverse, PanelOf(_parameters.Gamma, panel),
        PanelOf(_parameters.Beta, panel), y);

    public override PanelMatrix Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel)
    {
        int batches = VirtualBatches(rows);
        Span<float> dGamma = stackalloc float[Width];
        Span<float> dBeta = stackalloc float[Width];
        for (int p = firstPanel; p < endPanel; p++)
        {
            Span<float> totalGamma = PanelOf(_gamma.Gradient, p), totalBeta = PanelOf(_beta.Gradient, p);
            totalGamma.Clear();
            totalBeta.Clear();
            for (int b = 0; b < batches; b++)
            {
                (int begin, int count) = VirtualBatch(b, batches, rows);
                ReadOnlySpan<float> pivot = Statistic(_pivot, b, p), offset = Statistic(_offset, b, p),
                    inverse = Statistic(_inverseDeviation, b, p);
                Span<float> d = SumGradients(gradient, p, begin, count, pivot, offset, inverse, dGamma, dBeta);
                BatchNormKernels.BackwardInput(
                    Input.Rows(p, begin, count), count, pivot, offset, inverse, PanelOf(_parameters.Gamma, p), dGamma, dBeta, d);
                for (int lane = 0; lane < Width; lane++)
                {
                    totalGamma[lane] += dGamma[lane];
                    totalBeta[lane] += dBeta[lane];
                }
            }
        }
        return InputGradientOf(gradient);
    }

    /// <summary>
    /// Makes the gradient with respect to the normalized rows of the input's panel of that with respect to the output, and sums it.
    /// </summary>
    /// <returns>Where it is; there also that with respect to the input will be.</returns>
    private protected virtual Span<float> SumGradients(
        PanelMatrix gradient, int panel, int begin, int count, ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset,
        ReadOnlySpan<float> inverse, Span<float> dGamma, Span<float> dBeta)
    {
        Span<float> d = gradient.Rows(panel, begin, count);
        SumGradients(panel, begin, count, pivot, offset, inverse, Output.Rows(panel, begin, count), d, dGamma, dBeta);
        return d;
    }

    /// <summary>The same for rows whose activations and their gradient are given.</summary>
    private protected void SumGradients(
        int panel, int begin, int count, ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset, ReadOnlySpan<float> inverse,
        ReadOnlySpan<float> y, Span<float> d, Span<float> dGamma, Span<float> dBeta) =>
        BatchNormKernels.BackwardSums(
            Activation, Input.Rows(panel, begin, count), count, pivot, offset, inverse, PanelOf(_parameters.Gamma, panel),
            PanelOf(_parameters.Beta, panel), y, d, dGamma, dBeta);

    /// <summary>Where the gradient with respect to the input is.</summary>
    private protected virtual PanelMatrix InputGradientOf(PanelMatrix gradient) => gradient;

    /// <summary>
    /// The normalized, scaled and shifted value before the activation, which the layer itself never stores: for inspection.
    /// </summary>
    /// <param name="rows">Rows of the input.</param>
    /// <param name="destination">Room for it.</param>
    /// <param name="activation">What is applied to it; null: nothing.</param>
    public void CopyNormalized(int rows, PanelMatrix destination, ActivationFunction? activation = null)
    {
        int batches = VirtualBatches(rows);
        for (int p = 0; p < Input.Panels; p++)
        {
            for (int b = 0; b < batches; b++)
            {
                (int begin, int count) = VirtualBatch(b, batches, rows);
                BatchNormKernels.Normalize(
                    activation, Input.Rows(p, begin, count), count, Statistic(_pivot, b, p), Statistic(_offset, b, p),
                    Statistic(_inverseDeviation, b, p),
                    PanelOf(_parameters.Gamma, p), PanelOf(_parameters.Beta, p), destination.Rows(p, begin, count));
            }
        }
    }

    /// <summary>Forgets all statistics, so that a cumulative average starts anew.</summary>
    public void ResetStatistics()
    {
        _parameters.RunningMean.AsSpan().Clear();
        _parameters.RunningVariance.AsSpan().Fill(1);
        _parameters.BatchesTracked = 0;
        _batchesTracked.AsSpan().Clear();
    }

    /// <summary>Starts collecting moments of all rows of the following forward passes.</summary>
    public void BeginPooling()
    {
        Policy = StatisticsPolicy.Pooled;
        _pooledMean = new double[_parameters.Columns];
        _pooledSquares = new double[_parameters.Columns];
        _pooledRows = new long[_parameters.Columns];
        ResetStatistics();
    }

    /// <summary>Makes the collected moments (unbiased variance) the frozen statistics and freezes the layer.</summary>
    public void EndPooling()
    {
        for (int column = 0; column < _parameters.Columns; column++)
        {
            _parameters.RunningMean[column] = _pooledMean[column];
            _parameters.RunningVariance[column] = _pooledSquares[column] / Math.Max(1, _pooledRows[column] - 1);
        }
        Policy = StatisticsPolicy.Frozen;
    }

    private static Span<float> PanelOf(AlignedBuffer buffer, int panel) => buffer.Span.Slice(panel * Width, Width);

    private Span<float> Statistic(AlignedBuffer buffer, int batch, int panel) => buffer.Span.Slice(batch * _padded + panel * Width, Width);

    private (int Begin, int Count) VirtualBatch(int batch, int batches, int rows)
    {
        int begin = batch * _virtualBatch;
        return (begin, batch == batches - 1 ? rows - begin : _virtualBatch);
    }

    private void Track(int panel, int rows, ReadOnlySpan<float> pivot, ReadOnlySpan<float> offset, ReadOnlySpan<float> variance)
    {
        int firstColumn = panel * Width;
        int lanes = Math.Min(Width, _parameters.Columns - firstColumn);
        long seen = ++_batchesTracked[panel];
        double weight = Policy == StatisticsPolicy.Cumulative ? 1.0 / seen : _node.RunningStatisticsMomentum;
        double unbiased = rows / (double)Math.Max(1, rows - 1);
        for (int lane = 0; lane < lanes; lane++)
        {
            int column = firstColumn + lane;
            double mean = (double)pivot[lane] + offset[lane];
            if (Policy == StatisticsPolicy.Pooled)
            {
                Pool(column, rows, mean, variance[lane]);
                continue;
            }
            _parameters.RunningMean[column] += weight * (mean - _parameters.RunningMean[column]);
            if (variance[lane] == 0 && KeepsVarianceOfConstants && Policy == StatisticsPolicy.RunningAverage)
                continue;
            _parameters.RunningVariance[column] += weight * (variance[lane] * unbiased - _parameters.RunningVariance[column]);
        }
        if (panel == 0)                                // one panel speaks for the layer: all see the same batches
            _parameters.BatchesTracked = seen;
    }

    /// <summary>Chan, Golub and LeVeque's update: joins a batch's moments to those of all rows before it.</summary>
    private void Pool(int column, int rows, double mean, double variance)
    {
        long before = _pooledRows[column];
        long total = before + rows;
        double delta = mean - _pooledMean[column];
        _pooledMean[column] += delta * rows / total;
        _pooledSquares[column] += variance * rows + delta * delta * ((double)before * rows / total);
        _pooledRows[column] = total;
    }
}
