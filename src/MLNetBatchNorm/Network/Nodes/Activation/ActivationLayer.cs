using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary><c>y = f(x)</c>.</summary>
internal sealed class ActivationLayer(ActivationFunction function, PanelMatrix input, PanelMatrix output) : ColumnOperation(input, output)
{
    public override void Forward(int rows, int firstPanel, int endPanel)
    {
        for (int p = firstPanel; p < endPanel; p++)
            ActivationKernels.Forward(function, Input.Rows(p, 0, rows), Output.Rows(p, 0, rows));
    }

    public override PanelMatrix Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel)
    {
        for (int p = firstPanel; p < endPanel; p++)
            ActivationKernels.Backward(function, Input.Rows(p, 0, rows), Output.Rows(p, 0, rows), gradient.Rows(p, 0, rows));
        return gradient;
    }
}
