using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>What a <see cref="FoldedMap"/> writes while one thread scores: its output, and what it needs in between.</summary>
internal sealed class MapOutput(PanelMatrix values)
{
    /// <summary>The output.</summary>
    public PanelMatrix Values { get; } = values;

    /// <summary>The output as the next operation reads it.</summary>
    public PanelInput AsInput { get; } = new(values);

    /// <summary>Where a convolution gathers patches.</summary>
    public PatchPanels? Patches { get; init; }

    /// <summary>What a convolution with fewer multiplications computes in between.</summary>
    public WinogradConvolution? Winograd { get; init; }

    /// <summary>What pools or flattens into it.</summary>
    public ReshapingOperation? Reshaping { get; set; }
}
