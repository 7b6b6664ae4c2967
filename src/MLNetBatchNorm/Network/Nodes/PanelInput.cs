using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Rows written out, in panels: what every node but the first one reads.</summary>
internal sealed class PanelInput(PanelMatrix values) : NodeInput
{
    /// <summary>The rows.</summary>
    public PanelMatrix Values { get; } = values;
}
