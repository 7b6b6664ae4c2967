using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// An operation that treats every column by itself: batch normalization, activation, dropout. A worker that owns a panel runs it
/// through all such operations behind a linear map, forward and backward, without waiting for anybody.
/// </summary>
internal abstract class ColumnOperation(PanelMatrix input, PanelMatrix output)
{
    /// <summary>What the operation reads; kept until the backward pass.</summary>
    public PanelMatrix Input { get; } = input;

    /// <summary>What it writes; kept until the backward pass.</summary>
    public PanelMatrix Output { get; } = output;

    /// <summary>Computes <see cref="Output"/> for the first <paramref name="rows"/> rows of panels [firstPanel, endPanel).</summary>
    public abstract void Forward(int rows, int firstPanel, int endPanel);

    /// <summary>Turns the gradient of the loss with respect to <see cref="Output"/> into that with respect to <see cref="Input"/>, in place.</summary>
    public abstract void Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel);

    /// <summary>Trained arrays, each with one element for each (padded) column.</summary>
    public virtual IReadOnlyList<ParameterBlock> Parameters => [];
}

/// <summary><c>y = f(x)</c>.</summary>
internal sealed class ActivationLayer(ActivationFunction function, PanelMatrix input, PanelMatrix output) : ColumnOperation(input, output)
{
    public override void Forward(int rows, int firstPanel, int endPanel)
    {
        for (int p = firstPanel; p < endPanel; p++)
            ActivationKernels.Forward(function, Input.Rows(p, 0, rows), Output.Rows(p, 0, rows));
    }

    public override void Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel)
    {
        for (int p = firstPanel; p < endPanel; p++)
            ActivationKernels.Backward(function, Input.Rows(p, 0, rows), Output.Rows(p, 0, rows), gradient.Rows(p, 0, rows));
    }
}

/// <summary>Inverted dropout (Srivastava et al. 2014): each element is zeroed with the given probability and otherwise divided by one minus it.</summary>
/// <remarks>The mask is a hash of key, panel, row and lane, so it is not stored and does not depend on who computes which panel.</remarks>
internal sealed class DropoutLayer(float rate, PanelMatrix input, PanelMatrix output) : ColumnOperation(input, output)
{
    /// <summary>Selects the mask; a new one for every step and layer. Null: dropout is off and the layer copies.</summary>
    public ulong? Key { get; set; }

    public override void Forward(int rows, int firstPanel, int endPanel)
    {
        for (int p = firstPanel; p < endPanel; p++)
        {
            Input.Rows(p, 0, rows).CopyTo(Output.Rows(p, 0, rows));
            if (Key is { } key)
                Dropout.Apply(Output.Rows(p, 0, rows), rows, key, p, rate);
        }
    }

    public override void Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel)
    {
        if (Key is not { } key)
            return;
        for (int p = firstPanel; p < endPanel; p++)
            Dropout.Apply(gradient.Rows(p, 0, rows), rows, key, p, rate);
    }
}
