using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Batch normalization of every column, and the activation behind it where the two are one operation.</summary>
internal sealed class BatchNormNode : ColumnNode
{
    /// <summary>
    /// From this ratio of mean to deviation on, about four bits of a float lost, the mean of an explicit batch normalization is subtracted
    /// by a node of its own; runtimes turn BatchNormalization into a product and a sum, where they would be lost.
    /// </summary>
    private const double LargeMeanInDeviations = 16;

    /// <summary>With the settings of a network.</summary>
    public BatchNormNode(int index, int layer, int columns, NetworkDefinition settings, int? pixels = null)
        : base(index, layer, columns)
    {
        Name = $"bn{layer + 1}";
        Positions = pixels ?? 1;
        Map = pixels is not null;
        Epsilon = settings.Epsilon;
        RunningStatisticsMomentum = settings.RunningStatisticsMomentum;
        Statistics = settings.Statistics;
        VirtualBatchSize = settings.VirtualBatchSize;
        InitialGamma = settings.InitialGamma;
    }

    public override string Name { get; }

    /// <summary>Values of a column in each row: the pixels of a map; else 1.</summary>
    public int Positions { get; }

    /// <summary>Whether its columns are the channels of a map.</summary>
    public bool Map { get; }

    /// <summary>Added to the variance under the root.</summary>
    public double Epsilon { get; }

    /// <summary>Weight of the newest batch in the running statistics.</summary>
    public double RunningStatisticsMomentum { get; }

    /// <summary>How the statistics used in prediction are made.</summary>
    public BatchNormalizationStatistics Statistics { get; }

    /// <summary>Rows of one virtual (ghost) batch, over which statistics are taken; 0: the whole mini-batch.</summary>
    public int VirtualBatchSize { get; }

    /// <summary>Initial value of every gamma.</summary>
    public double InitialGamma { get; }

    /// <summary>
    /// The activation that is applied to the normalized value without writing it; null in a plan, see <see cref="Plan.Fuse"/>.
    /// </summary>
    public ActivationNode? Activation { get; private set; }

    /// <summary>This normalization with the activation behind it as one operation, which spares the memory between them.</summary>
    public BatchNormNode With(ActivationNode activation)
    {
        var fused = (BatchNormNode)MemberwiseClone();
        fused.Activation = activation;
        return fused;
    }

    /// <summary>The pooling that reads what comes of it and is one operation with it; null in a plan.</summary>
    public PoolingNode? Pooling { get; private set; }

    /// <summary>This normalization, and its activation if it has one, with the pooling behind them as one operation.</summary>
    public BatchNormNode With(PoolingNode pooling)
    {
        var fused = (BatchNormNode)MemberwiseClone();
        fused.Pooling = pooling;
        return fused;
    }

    public override long ParameterCount => 2L * Outputs;

    public override long StoredBytes => (long)Outputs * (2 * sizeof(float) + 2 * sizeof(double));

    public override bool IsAffineInPrediction => Activation is null;

    public override NodeParameters CreateParameters(bool compact) => new BatchNormalizationParameters(Outputs, InitialGamma);

    public override ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input)
    {
        var normalization = (BatchNormalizationParameters)parameters!;
        return Pooling is null
            ? new BatchNormLayer(this, normalization, input, OutputFor(input))
            : new PooledBatchNormLayer(this, Pooling, normalization, input, Pooling.OutputFor(input));
    }

    public override FrozenOperation Freeze(NodeParameters? parameters) =>
        new FrozenNormalization(this, (BatchNormalizationParameters)parameters!);

    /// <summary><c>s = gamma / sqrt(variance + epsilon)</c>, <c>t = beta - s mean</c>, with the frozen statistics.</summary>
    public override (double[] Scale, double[] Shift) Affine(NodeParameters? parameters)
    {
        var normalization = (BatchNormalizationParameters)parameters!;
        var scale = new double[Outputs];
        var shift = new double[Outputs];
        for (int c = 0; c < scale.Length; c++)
        {
            scale[c] = normalization.Gamma.Span[c] / Math.Sqrt(normalization.RunningVariance[c] + Epsilon);
            shift[c] = normalization.Beta.Span[c] - scale[c] * normalization.RunningMean[c];
        }
        return (scale, shift);
    }

    /// <remarks>
    /// ONNX keeps the statistics in single precision. A mean far from zero is subtracted by a node in front, where x - (float)mean is
    /// exact for x near the mean, and only what rounding lost of it is left for BatchNormalization. ONNX's momentum is the weight of
    /// the old value, ours that of the newest batch.
    /// </remarks>
    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output)
    {
        if (Activation is not null)
            throw new InvalidOperationException("A graph is made of nodes that are not fused.");
        var normalization = (BatchNormalizationParameters)parameters!;
        string name = prefix + Name;
        int columns = Outputs;
        // Of maps the columns are the second of four dimensions.
        long[] ofColumns = Map ? [columns, 1, 1] : [columns];
        double[] mean = normalization.RunningMean;
        double[] variance = normalization.RunningVariance;
        double epsilon = Epsilon;
        if (Enumerable.Range(0, columns).Any(c => Math.Abs(mean[c]) > LargeMeanInDeviations * Math.Sqrt(variance[c] + epsilon)))
        {
            float[] pivot = ToFloats(mean);
            input = graph.Node("Sub", $"{name}.centered", [input, graph.Floats($"{name}.pivot", pivot, ofColumns)]);
            mean = [.. mean.Zip(pivot, (exact, rounded) => exact - rounded)];
        }

        float[] gamma = normalization.Gamma.Span[..columns].ToArray();
        float[] beta = normalization.Beta.Span[..columns].ToArray();
        if (variance.Any(v => !float.IsNormal((float)v + (float)epsilon)))
        {
            // A variance and an epsilon that no float can hold, though the quotient by their root is one.
            double[] scale = [.. Enumerable.Range(0, columns).Select(c => gamma[c] / Math.Sqrt(variance[c] + epsilon))];
            double[] shift = [.. Enumerable.Range(0, columns).Select(c => beta[c] - scale[c] * mean[c])];
            string scaled = graph.Node("Mul", $"{name}.scaled", [input, graph.Floats($"{name}.scale", ToFloats(scale), ofColumns)]);
            return graph.NodeAs(output, "Add", name, [scaled, graph.Floats($"{name}.shift", ToFloats(shift), ofColumns)]);
        }

        return graph.NodeAs(
            output,
            "BatchNormalization",
            name,
            [
                input,
                graph.Floats($"{name}.gamma", gamma, columns),
                graph.Floats($"{name}.beta", beta, columns),
                graph.Floats($"{name}.running_mean", ToFloats(mean), columns),
                graph.Floats($"{name}.running_variance", ToFloats(variance), columns),
            ],
            new OnnxAttribute("epsilon", (float)epsilon),
            new OnnxAttribute("momentum", (float)(1 - RunningStatisticsMomentum)));
    }

    private static float[] ToFloats(double[] values) => [.. values.Select(v => (float)v)];
}
