using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Pooling of a map, see <see cref="PoolingKernels"/>.</summary>
internal sealed class PoolingLayer(PoolingNode node, PanelMatrix input, PanelMatrix output) : ReshapingOperation(input, output)
{
    private readonly WindowGrid _grid = node.Grid;

    private protected override void Forward(int rows, int panel) =>
        node.Pool(Input.Rows(panel, 0, rows * _grid.Pixels), rows, Output.Rows(panel, 0, rows * _grid.Positions));

    private protected override void Backward(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int panel) =>
        node.PoolBackward(
            Input.Rows(panel, 0, rows * _grid.Pixels), Output.Rows(panel, 0, rows * _grid.Positions),
            gradient.Rows(panel, 0, rows * _grid.Positions), rows, inputGradient.Rows(panel, 0, rows * _grid.Pixels));
}
