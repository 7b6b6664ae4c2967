using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary><c>y = f(x)</c> in prediction.</summary>
internal sealed class FrozenActivation(ActivationNode node) : FrozenOperation(node, null)
{
    private readonly ActivationFunction _function = node.Function;

    public override void Apply(PanelMatrix values, int rows)
    {
        if (rows == values.RowCapacity)
        {
            ActivationKernels.Forward(_function, values.Span, values.Span);
            return;
        }
        for (int p = 0; p < values.Panels; p++)
            ActivationKernels.Forward(_function, values.Rows(p, 0, rows), values.Rows(p, 0, rows));
    }
}
