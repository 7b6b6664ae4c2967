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

    /// <summary>
    /// Computes what becomes of the first <paramref name="rows"/> rows of the input's panels [firstPanel, endPanel).
    /// </summary>
    public abstract void Forward(int rows, int firstPanel, int endPanel);

    /// <summary>
    /// The gradient of the loss with respect to the same part of <see cref="Input"/>, from that with respect to <see cref="Output"/>.
    /// </summary>
    /// <returns>Where it is: in <paramref name="gradient"/> itself, or in memory of its own.</returns>
    public abstract PanelMatrix Backward(PanelMatrix gradient, int rows, int firstPanel, int endPanel);

    /// <summary>The panels of <see cref="Output"/> that panels [firstPanel, endPanel) of <see cref="Input"/> become.</summary>
    public virtual (int First, int End) OutputPanels(int firstPanel, int endPanel) => (firstPanel, endPanel);

    /// <summary>Trained arrays, each with one element for each (padded) column.</summary>
    public virtual IReadOnlyList<ParameterBlock> Parameters => [];
}
