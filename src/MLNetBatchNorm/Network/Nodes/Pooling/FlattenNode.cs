using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Makes one row of a map, channel by channel, each row of pixels by row: column <c>channel * pixels + pixel</c>.</summary>
internal sealed class FlattenNode(int index, int layer, MapShape map) : ReshapingNode(
    index, layer, map.Channels, checked((int)map.Values), outputPositions: 1)
{
    public override string Name => "flatten";

    /// <summary>Pixels of the map.</summary>
    public int Pixels => map.Pixels;

    public override ReshapingOperation CreateOperation(PanelMatrix input, PanelMatrix output) => new FlattenLayer(this, input, output);

    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output) =>
        graph.NodeAs(output, "Flatten", prefix + Name, [input], new OnnxAttribute("axis", 1L));
}
