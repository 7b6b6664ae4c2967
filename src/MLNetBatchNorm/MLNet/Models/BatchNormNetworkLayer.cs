using System.Collections.Immutable;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>One layer of a trained network, as it was learned: weights and batch normalization are not folded into each other.</summary>
/// <remarks>
/// With x the layer's input, <c>z = W x + b</c>, f the activation and BN the batch normalization, a hidden layer computes, by
/// <see cref="BatchNormNetworkNormalization.Placement"/>: <c>f(BN(z))</c> before the activation, <c>BN(f(z))</c> after it, and with layer input
/// <c>f(z)</c> of <c>z = W BN(x) + b</c>. The last layer has no activation: its values are logits (classification) or predictions (regression).
/// </remarks>
public sealed class BatchNormNetworkLayer
{
    private BatchNormNetworkLayer(
        BatchNormNetworkWeights weights, ImmutableArray<float>? bias, ActivationFunction? activation, BatchNormNetworkNormalization? batchNormalization)
    {
        Weights = weights;
        Bias = bias;
        Activation = activation;
        BatchNormalization = batchNormalization;
    }

    /// <summary>The matrix W, one row for each output of the layer and one column for each input.</summary>
    public BatchNormNetworkWeights Weights { get; }

    /// <summary>The vector b, one number for each output; null where batch normalization follows directly, whose beta takes its place.</summary>
    public ImmutableArray<float>? Bias { get; }

    /// <summary>The function applied to each output; null for the last layer.</summary>
    public ActivationFunction? Activation { get; }

    /// <summary>The layer's batch normalization, or null if it has none.</summary>
    public BatchNormNetworkNormalization? BatchNormalization { get; }

    /// <summary>The layers of a network, hidden layers first.</summary>
    internal static IReadOnlyList<BatchNormNetworkLayer> CreateAll(NetworkParameters parameters)
    {
        NetworkDefinition definition = parameters.Definition;
        var layers = ImmutableArray.CreateBuilder<BatchNormNetworkLayer>(definition.LinearCount);
        foreach (IGrouping<int, Node> layer in definition.Plan.Nodes.GroupBy(node => node.Layer))
        {
            var linear = (LinearParameters)parameters[layer.OfType<LinearNode>().Single()]!;
            BatchNormNode? normalization = layer.OfType<BatchNormNode>().SingleOrDefault();
            layers.Add(new BatchNormNetworkLayer(
                new BatchNormNetworkWeights(linear),
                linear.Bias is { } bias ? [.. bias.Span[..linear.Outputs]] : null,
                layer.OfType<ActivationNode>().SingleOrDefault()?.Function,
                normalization is null ? null : new BatchNormNetworkNormalization((BatchNormalizationParameters)parameters[normalization]!, definition)));
        }

        return layers.MoveToImmutable();
    }
}

/// <summary>The weights of one layer: a matrix [outputs, inputs].</summary>
public sealed class BatchNormNetworkWeights
{
    private readonly LinearParameters _linear;
    private ImmutableArray<float> _values;

    internal BatchNormNetworkWeights(LinearParameters linear) => _linear = linear;

    /// <summary>Number of outputs of the layer: rows of the matrix.</summary>
    public int Outputs => _linear.Outputs;

    /// <summary>
    /// Number of inputs of the layer: columns of the matrix. The first layer has one for each feature slot, in order, and after them one
    /// for each slot that had missing values in training, which is 1 where the value is missing and 0 elsewhere.
    /// </summary>
    public int Inputs => _linear.Inputs;

    /// <summary>The weight of one input in one output.</summary>
    /// <param name="output">Row, from 0.</param>
    /// <param name="input">Column, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such output or input.</exception>
    public float this[int output, int input]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)output, (uint)Outputs, nameof(output));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)input, (uint)Inputs, nameof(input));
            return _linear.Weight(output, input);
        }
    }

    /// <summary>All weights row by row: <c>Values[output * Inputs + input]</c>. Made at the first call and kept.</summary>
    public ImmutableArray<float> Values
    {
        get
        {
            if (_values.IsDefault)
                ImmutableInterlocked.InterlockedInitialize(ref _values, Unpack());
            return _values;
        }
    }

    private ImmutableArray<float> Unpack()
    {
        var values = ImmutableArray.CreateBuilder<float>(checked(Outputs * Inputs));
        for (int output = 0; output < Outputs; output++)
        {
            for (int input = 0; input < Inputs; input++)
                values.Add(_linear.Weight(output, input));
        }

        return values.MoveToImmutable();
    }
}

/// <summary>
/// One batch normalization of a trained network. In prediction column j is mapped by
/// <c>y[j] = Gamma[j] * (x[j] - RunningMean[j]) / sqrt(RunningVariance[j] + Epsilon) + Beta[j]</c>.
/// </summary>
/// <remarks>Source: Ioffe and Szegedy 2015, arXiv:1502.03167. The statistics are kept and saved in double precision; here they are rounded to float.</remarks>
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
            [.. parameters.RunningMean], [.. parameters.RunningVariance], [.. Gamma.Select(gamma => (double)gamma)], [.. Beta.Select(beta => (double)beta)], Epsilon);
    }

    /// <summary>The same in the form of the stand-alone transform, statistics in double precision.</summary>
    internal BatchNormalizationColumnParameters ColumnParameters { get; }

    /// <summary>Learned scale of each column.</summary>
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
