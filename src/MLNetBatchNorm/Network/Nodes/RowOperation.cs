using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// An operation that treats every row of a mini-batch by itself and reads all its columns: a convolution. A worker that owns rows
/// runs them through all such operations, forward and backward, without waiting for anybody.
/// </summary>
/// <remarks>
/// Gradients of parameters are sums over rows, and rows are split among workers. So that no sum depends on how many these are, rows are cut
/// into <see cref="RowChunks"/>: a chunk is one worker's and has a sum of its own, and the sums are added in the order of the chunks
/// when all are there.
/// </remarks>
internal abstract class RowOperation(PanelMatrix output)
{
    /// <summary>What it writes; kept until the backward pass.</summary>
    public PanelMatrix Output { get; } = output;

    /// <summary>Trained arrays.</summary>
    public abstract IReadOnlyList<ParameterBlock> Parameters { get; }

    /// <summary>Memory of its own beside its output.</summary>
    public virtual long ScratchBytes => 0;

    /// <summary>Computes the output of rows [firstRow, endRow) of the mini-batch, which are the worker's own.</summary>
    public abstract void Forward(int firstRow, int endRow, Worker worker);

    /// <summary>
    /// Sums the gradients of parameters over each of the worker's own chunks, and writes the gradient of what was read for its rows.
    /// </summary>
    /// <param name="gradient">Gradient of the loss with respect to <see cref="Output"/>.</param>
    /// <param name="inputGradient">Where that with respect to the input goes; null where nothing in front learns.</param>
    /// <param name="rows">Rows of the mini-batch.</param>
    /// <param name="worker">Whose rows.</param>
    public abstract void Backward(PanelMatrix gradient, PanelMatrix? inputGradient, int rows, Worker worker);

    /// <summary>
    /// Adds up the chunks' sums for the worker's own share of the parameters and hands it on; all workers have been through
    /// <see cref="Backward"/>.
    /// </summary>
    /// <param name="rows">Rows of the mini-batch.</param>
    /// <param name="worker">Whose share.</param>
    /// <param name="consumer">Takes it.</param>
    public abstract void FinishGradients(int rows, Worker worker, IGradientConsumer consumer);

    /// <summary>Brings the worker's own part of what <see cref="Backward"/> reads of the parameters up to date.</summary>
    public virtual void Refresh(Worker worker)
    {
    }
}
