using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>The mean of each channel over all pixels of a map: global average pooling.</summary>
internal sealed class MeanNode(int index, int layer, MapShape map) : ReshapingNode(
    index, layer, map.Channels, map.Channels, outputPositions: 1)
{
    public override string Name => "average";

    /// <summary>Pixels of the map.</summary>
    public int Pixels => map.Pixels;

    public override ReshapingOperation CreateOperation(PanelMatrix input, PanelMatrix output) => new MeanLayer(this, input, output);

    public override string AddTo(OnnxGraph graph, string input, NodeParameters? parameters, string prefix, string? output)
    {
        string mean = graph.Node("GlobalAveragePool", $"{prefix}{Name}.map", [input]);
        return graph.NodeAs(output, "Flatten", prefix + Name, [mean], new OnnxAttribute("axis", 1L));
    }
}
