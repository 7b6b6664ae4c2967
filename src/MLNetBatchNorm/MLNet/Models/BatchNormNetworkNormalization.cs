using System.Collections.Immutable;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>
/// One batch normalization of a trained network. In prediction column j is mapped by
/// <c>y[j] = Gamma[j] * (x[j] - RunningMean[j]) / sqrt(RunningVariance[j] + Epsilon) + Beta[j]</c>.
/// </summary>
/// <remarks>
/// Source: Ioffe and Szegedy 2015, arXiv:1502.03167. The statistics are kept and saved in double precision; here they are rounded to float.
/// </remarks>
public sealed class BatchNormNetworkNormalization
{
    internal BatchNormNetworkNormalization(BatchNormalizationParameters parameters, NetworkDefinition definition)
    {
        Gamma = [.. parameters.Gamma.Span[..parameters.Columns]];
        Beta = [.. parameters.Beta.Span[..parameters.Columns]];
        RunningMean = [.. parameters.RunningMean.Select(mean => (float)mean)];
        RunningVariance = [.. parameters.RunningVariance.Select(variance => (float)variance)];
        Epsilon = definition.Epsilon;
        Placement = definition.Placement;
        Statistics = definition.Statistics;
        ColumnParameters = new BatchNormalizationColumnParameters(
            [.. parameters.RunningMean], [.. parameters.RunningVariance], [.. Gamma.Select(gamma => (double)gamma)],
            [.. Beta.Select(beta => (double)beta)], Epsilon);
    }

    /// <summary>The same in the form of the stand-alone transform, statistics in double precision.</summary>
    internal BatchNormalizationColumnParameters ColumnParameters { get; }

    /// <summary>
    /// Learned scale of each column: a unit, or with <see cref="BatchNormalizationPlacement.LayerInput"/> an input of the layer.
    /// </summary>
    public ImmutableArray<float> Gamma { get; }

    /// <summary>Learned shift of each column.</summary>
    public ImmutableArray<float> Beta { get; }

    /// <summary>Frozen mean of each column.</summary>
    public ImmutableArray<float> RunningMean { get; }

    /// <summary>Frozen variance of each column, with divisor n - 1.</summary>
    public ImmutableArray<float> RunningVariance { get; }

    /// <summary>Added to the variance under the square root.</summary>
    public double Epsilon { get; }

    /// <summary>Where in the layer the normalization stands.</summary>
    public BatchNormalizationPlacement Placement { get; }

    /// <summary>How mean and variance were obtained.</summary>
    public BatchNormalizationStatistics Statistics { get; }
}
