using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Batch normalization of every column, and the activation behind it where the two are one operation.</summary>
internal sealed class BatchNormNode : ColumnNode
{
    /// <summary>With the settings of a network.</summary>
    public BatchNormNode(int index, int layer, int columns, NetworkDefinition settings)
        : base(index, layer, columns)
    {
        Name = $"bn{layer + 1}";
        Epsilon = settings.Epsilon;
        RunningStatisticsMomentum = settings.RunningStatisticsMomentum;
        Statistics = settings.Statistics;
        VirtualBatchSize = settings.VirtualBatchSize;
        InitialGamma = settings.InitialGamma;
    }

    public override string Name { get; }

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

    /// <summary>The activation that is applied to the normalized value without writing it; null in a plan, see <see cref="Plan.Fuse"/>.</summary>
    public ActivationNode? Activation { get; private set; }

    /// <summary>This normalization with the activation behind it as one operation, which spares the memory between them.</summary>
    public BatchNormNode With(ActivationNode activation)
    {
        var fused = (BatchNormNode)MemberwiseClone();
        fused.Activation = activation;
        return fused;
    }

    public override long ParameterCount => 2L * Outputs;

    public override bool IsAffineInPrediction => Activation is null;

    public override NodeParameters CreateParameters(bool compact) => new BatchNormalizationParameters(Outputs, InitialGamma);

    public override ColumnOperation CreateOperation(NodeParameters? parameters, PanelMatrix input) =>
        new BatchNormLayer(this, (BatchNormalizationParameters)parameters!, input, OutputFor(input));

    public override FrozenOperation Freeze(NodeParameters? parameters) => new FrozenNormalization(this, (BatchNormalizationParameters)parameters!);

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
}
