using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>An operation that treats every column by itself, and whose output has another shape than its input.</summary>
internal abstract class ReshapingOperation(PanelMatrix input, PanelMatrix output) : ColumnOperation(input, output), IReshapingOperation
{
    public PanelMatrix? InputGradient { get; set; }

    public sealed override PanelMatrix Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel)
    {
        for (int panel = firstPanel; panel < endPanel; panel++)
            Backward(gradient, InputGradient!, rows / Input.Positions, panel);
        return InputGradient!;
    }

    public sealed override void Forward(int rows, int firstPanel, int endPanel)
    {
        for (int panel = firstPanel; panel < endPanel; panel++)
            Forward(rows / Input.Positions, panel);
    }

    /// <summary>Computes what becomes of a panel of the input.</summary>
    /// <param name="rows">Rows of the mini-batch.</param>
    /// <param name="panel">The panel.</param>
    private protected abstract void Forward(int rows, int panel);

    /// <summary>The gradient of a panel of the input.</summary>
    private protected abstract void Backward(PanelMatrix gradient, PanelMatrix inputGradient, int rows, int panel);
}
