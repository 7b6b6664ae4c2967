using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Rows written out, in panels: what every node but the first one reads.</summary>
internal class PanelInput(PanelMatrix values) : NodeInput
{
    /// <summary>The rows.</summary>
    public PanelMatrix Values { get; } = values;

    public override void Fill(EncodedRows data, int first, int begin, int end) =>
        data.GatherFeatures(first + begin, end - begin, Values.Span, Values.RowCapacity, begin);
}
