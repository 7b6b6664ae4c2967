using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>The mean of each channel of a map.</summary>
internal sealed class MeanLayer(MeanNode node, PanelMatrix input, PanelMatrix output) : ReshapingOperation(input, output)
{
    private readonly int _pixels = node.Pixels;

    private protected override void Forward(int rows, int panel) => MapKernels.Mean(Input, _pixels, rows, panel, Output);

    private protected override void Backward(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int panel) =>
        MapKernels.MeanBackward(gradient, _pixels, rows, panel, inputGradient);
}
