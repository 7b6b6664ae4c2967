using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A map as one row of numbers: a panel of 16 channels becomes as many panels as there are pixels.</summary>
internal sealed class FlattenLayer(FlattenNode node, PanelMatrix input, PanelMatrix output) : ReshapingOperation(input, output)
{
    private readonly int _pixels = node.Pixels;

    public override (int First, int End) OutputPanels(int firstPanel, int endPanel) =>
        (Math.Min(firstPanel * _pixels, Output.Panels), Math.Min(endPanel * _pixels, Output.Panels));

    private protected override void Forward(int rows, int panel) => MapKernels.Flatten(Input, _pixels, rows, panel, Output);

    private protected override void Backward(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int panel) =>
        MapKernels.Unflatten(gradient, _pixels, rows, panel, inputGradient);
}
