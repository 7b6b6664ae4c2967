using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Takes the largest number, or the mean, of windows over a map, channel by channel.</summary>
internal sealed class PoolingNode(int index, int layer, MapShape map, PoolingDefinition pooling) : ReshapingNode(
    index, layer, map.Channels, map.Channels, pooling.Over(map).Positions)
{
    public override string Name { get; } = $"pool{layer + 1}";

    /// <summary>The windows.</summary>
    public WindowGrid Grid { get; } = pooling.Over(map);

    /// <summary>Whether it takes the largest number; else the mean.</summary>
    public bool TakesMaximum => pooling.TakesMaximum;

    /// <summary>y = what is kept of some pictures of one panel of the map.</summary>
    public void Pool(ReadOnlySpan<float> x, int pictures, Span<float> y)
    {
        if (TakesMaximum)
            PoolingKernels.Maximum(x, pictures, Grid, y);
        else
            PoolingKernels.Mean(x, pictures, Grid, y);
    }

    /// <summary>dx = gradient with respect to x, from that with respect to y.</summary>
    public void PoolBackward(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> d, int pictures, Span<float> dx)
    {
        if (TakesMaximum)
            PoolingKernels.MaximumBackward(x, y, d, pictures, Grid, dx);
        else
            PoolingKernels.MeanBackward(d, pictures, Grid, dx);
    }

    public override ReshapingOperation CreateOperation(PanelMatrix input, PanelMatrix output) => new PoolingLayer(this, input, output);

    /// <remarks>The divisor of a mean counts the padding: <c>count_include_pad</c>.</remarks>
    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output)
    {
        OnnxAttribute[] settings =
        [
            new("kernel_shape", [Grid.KernelHeight, Grid.KernelWidth]),
            new("strides", [Grid.StrideY, Grid.StrideX]),
            new("pads", [Grid.Top, Grid.Left, Grid.Top, Grid.Left]),
        ];
        return TakesMaximum
            ? graph.NodeAs(output, "MaxPool", prefix + Name, [input], settings)
            : graph.NodeAs(output, "AveragePool", prefix + Name, [input], [.. settings, new("count_include_pad", 1L)]);
    }
}
