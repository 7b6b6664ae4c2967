using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>A convolutional layer: the same small linear map at every position of a picture.</summary>
/// <remarks>
/// A filter o is <c>z[o, i, j] = b[o] + sum over c, u, v of this[o, c, u, v] x[c, i stride + u - above, j stride + v - left]</c>, x being 0
/// outside of the picture. The kernel is not flipped: it is a cross-correlation, as in all libraries. Behind the last layer a map is
/// flattened channel by channel, each row by row, or averaged.
/// </remarks>
public sealed class BatchNormNetworkConvolutionLayer : BatchNormNetworkLayer
{
    private readonly ConvolutionParameters _parameters;

    internal BatchNormNetworkConvolutionLayer(NetworkParameters parameters, IEnumerable<Node> nodes, ConvolutionNode node)
        : base(parameters, nodes, node.Inputs, node.Outputs, ((ConvolutionParameters)parameters[node]!).Bias)
    {
        _parameters = (ConvolutionParameters)parameters[node]!;
        MapShape output = node.Convolution.After(node.Map);
        InputHeight = node.Map.Height;
        InputWidth = node.Map.Width;
        OutputHeight = output.Height;
        OutputWidth = output.Width;
    }

    /// <summary>Rows of pixels of the map that the layer reads.</summary>
    public int InputHeight { get; }

    /// <summary>Columns of pixels of the map that the layer reads.</summary>
    public int InputWidth { get; }

    /// <summary>Rows of pixels of the map that it writes, behind its pooling.</summary>
    public int OutputHeight { get; }

    /// <summary>Columns of pixels of the map that it writes, behind its pooling.</summary>
    public int OutputWidth { get; }

    /// <summary>Rows of a filter.</summary>
    public int KernelHeight => _parameters.KernelHeight;

    /// <summary>Columns of a filter.</summary>
    public int KernelWidth => _parameters.KernelWidth;

    /// <summary>One weight.</summary>
    /// <param name="filter">The filter, from 0.</param>
    /// <param name="channel">The channel of the input, from 0.</param>
    /// <param name="row">The row of the filter, from the top.</param>
    /// <param name="column">The column of the filter, from the left.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such weight.</exception>
    public float this[int filter, int channel, int row, int column]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)filter, (uint)Outputs, nameof(filter));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)channel, (uint)Inputs, nameof(channel));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)KernelHeight, nameof(row));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)column, (uint)KernelWidth, nameof(column));
            return _parameters.Weight(filter, channel, row, column);
        }
    }
}
