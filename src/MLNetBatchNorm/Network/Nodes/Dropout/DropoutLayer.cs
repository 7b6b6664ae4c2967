using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// Inverted dropout (Srivastava et al. 2014): each element is zeroed with the given probability and otherwise divided by one minus it.
/// </summary>
/// <remarks>The mask is a hash of key, panel, row and lane, so it is not stored and does not depend on who computes which panel.</remarks>
internal sealed class DropoutLayer(float rate, PanelMatrix input, PanelMatrix output) : ColumnOperation(input, output)
{
    /// <summary>Selects the mask; a new one for every step and layer. Null: dropout is off and the layer copies.</summary>
    public ulong? Key { get; set; }

    public override void Forward(int rows, int firstPanel, int endPanel)
    {
        for (int p = firstPanel; p < endPanel; p++)
        {
            if (Key is { } key)
                Dropout.Apply(Input.Rows(p, 0, rows), Output.Rows(p, 0, rows), rows, key, p, rate);
            else
                Input.Rows(p, 0, rows).CopyTo(Output.Rows(p, 0, rows));
        }
    }

    public override PanelMatrix Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel)
    {
        if (Key is not { } key)
            return gradient;
        for (int p = firstPanel; p < endPanel; p++)
            Dropout.Apply(gradient.Rows(p, 0, rows), rows, key, p, rate);
        return gradient;
    }
}
