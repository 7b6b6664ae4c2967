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

    /// <summary>
    /// Turns the gradient of the loss with respect to <see cref="Output"/> into that with respect to <see cref="Input"/>, in place.
    /// </summary>
    public abstract void Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel);

    /// <summary>Trained arrays, each with one element for each (padded) column.</summary>
    public virtual IReadOnlyList<ParameterBlock> Parameters => [];
}
