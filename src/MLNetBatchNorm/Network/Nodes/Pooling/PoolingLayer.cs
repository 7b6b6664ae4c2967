using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Pooling of a map, see <see cref="PoolingKernels"/>.</summary>
internal sealed class PoolingLayer(PoolingNode node, PanelMatrix input, PanelMatrix output) : ReshapingOperation(input, output)
{
    private readonly WindowGrid _grid = node.Grid;

    private protected override void Forward(int rows, int panel)
    {
        ReadOnlySpan<float> x = Input.Rows(panel, 0, rows * _grid.Pixels);
        Span<float> y = Output.Rows(panel, 0, rows * _grid.Positions);
        if (node.TakesMaximum)
            PoolingKernels.Maximum(x, rows, _grid, y);
        else
            PoolingKernels.Mean(x, rows, _grid, y);
    }

    private protected override void Backward(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int panel)
    {
        ReadOnlySpan<float> d = gradient.Rows(panel, 0, rows * _grid.Positions);
        Span<float> dx = inputGradient.Rows(panel, 0, rows * _grid.Pixels);
        if (!node.TakesMaximum)
        {
            PoolingKernels.MeanBackward(d, rows, _grid, dx);
            return;
        }
        PoolingKernels.MaximumBackward(
            Input.Rows(panel, 0, rows * _grid.Pixels), Output.Rows(panel, 0, rows * _grid.Positions), d, rows, _grid, dx);
    }
}
