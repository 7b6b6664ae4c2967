using System.Collections.Immutable;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>One layer of a trained network, as it was learned: weights and batch normalization are not folded into each other.</summary>
/// <remarks>
/// <para>With x the layer's input, <c>z = W x + b</c>, f the activation and BN the batch normalization, a hidden layer computes, by
/// <see cref="BatchNormNetworkNormalization.Placement"/>: <c>f(BN(z))</c> before the activation, <c>BN(f(z))</c> after it, and with layer
/// input <c>f(z)</c> of <c>z = W BN(x) + b</c>. The last layer has no activation: its values are logits (classification),
/// or predictions in deviations of the labels from their mean (regression, see
/// <see cref="BatchNormNetworkRegressionModelParameters.LabelMean"/>).</para>
/// <para>What W is, the kind of the layer says: <see cref="BatchNormNetworkInputLayer"/>, <see cref="BatchNormNetworkConvolutionLayer"/> or
/// <see cref="BatchNormNetworkDenseLayer"/>. More kinds may be added.</para>
/// </remarks>
public abstract class BatchNormNetworkLayer
{
    private protected BatchNormNetworkLayer(NetworkParameters parameters, IEnumerable<Node> nodes, LinearParameters linear)
        : this(parameters, nodes, linear.Columns, linear.Outputs, linear.Bias)
    {
    }

    private protected BatchNormNetworkLayer(
        NetworkParameters parameters, IEnumerable<Node> nodes, int inputs, int outputs, AlignedBuffer? shift)
    {
        Inputs = inputs;
        Outputs = outputs;
        Bias = shift is { } bias ? [.. bias.Span[..outputs]] : null;
        Activation = nodes.OfType<ActivationNode>().SingleOrDefault()?.Function;
        if (nodes.OfType<BatchNormNode>().SingleOrDefault() is { } node)
            BatchNormalization = new BatchNormNetworkNormalization((BatchNormalizationParameters)parameters[node]!, parameters.Definition);
    }

    /// <summary>
    /// Number of numbers that the layer reads: the parts of all slots, or the units of the layer before; of a convolution the channels.
    /// </summary>
    public int Inputs { get; }

    /// <summary>Number of the layer's units; of a convolution its filters.</summary>
    public int Outputs { get; }

    /// <summary>
    /// The vector b, one number for each unit; null where batch normalization follows directly, whose beta takes its place.
    /// </summary>
    public ImmutableArray<float>? Bias { get; }

    /// <summary>The function applied to each unit; null for the last layer.</summary>
    public ActivationFunction? Activation { get; }

    /// <summary>The layer's batch normalization, or null if it has none.</summary>
    public BatchNormNetworkNormalization? BatchNormalization { get; }

    /// <summary>The layers of a network, hidden layers first.</summary>
    internal static IReadOnlyList<BatchNormNetworkLayer> CreateAll(NetworkParameters parameters, BatchNormNetworkEncoder encoder)
    {
        NetworkDefinition definition = parameters.Definition;
        var layers = ImmutableArray.CreateBuilder<BatchNormNetworkLayer>(definition.LayerCount);
        foreach (IGrouping<int, Node> nodes in definition.Plan.Nodes.GroupBy(node => node.Layer))
        {
            if (nodes.OfType<ConvolutionNode>().SingleOrDefault() is { } convolution)
            {
                layers.Add(new BatchNormNetworkConvolutionLayer(parameters, nodes, convolution));
                continue;
            }
            var linear = (LinearParameters)parameters[nodes.OfType<LinearNode>().Single()]!;
            layers.Add(nodes.Key == 0
                ? new BatchNormNetworkInputLayer(parameters, nodes, linear, encoder)
                : new BatchNormNetworkDenseLayer(parameters, nodes, linear));
        }

        return layers.MoveToImmutable();
    }
}
