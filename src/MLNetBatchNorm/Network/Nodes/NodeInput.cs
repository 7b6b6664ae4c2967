using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>
/// What a node reads. The first node of a network may take forms that the others never see; it
/// makes what computes it from the form it is given.
/// </summary>
internal abstract class NodeInput
{
    /// <summary>Takes encoded rows before workers begin, as far as that cannot be shared among them.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="first">First one.</param>
    /// <param name="count">Number of rows of the mini-batch.</param>
    public virtual void Prepare(EncodedRows data, int first, int count)
    {
    }

    /// <summary>Takes a worker's own rows. The mini-batch is whole when all workers have done that.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="first">The first row of the mini-batch.</param>
    /// <param name="begin">Where in the mini-batch the worker's rows begin.</param>
    /// <param name="end">Where they end.</param>
    public virtual void Fill(EncodedRows data, int first, int begin, int end)
    {
    }

    /// <summary>Says how the rows of the next mini-batches are changed where they are pictures; others stay as they are.</summary>
    /// <param name="changes">What may happen to them.</param>
    /// <param name="key">Chooses what does; another number for each mini-batch.</param>
    /// <param name="firstRow">Where in the mini-batch of this key the rows begin.</param>
    public virtual void Change(PictureChanges changes, ulong key, int firstRow = 0)
    {
    }

    /// <summary>Whether training has something to do with a mini-batch that is whole, before anybody reads it.</summary>
    public virtual bool NeedsFinish => false;

    /// <summary>Does it; one worker for all.</summary>
    /// <param name="rows">Rows of the mini-batch.</param>
    public virtual void Finish(int rows)
    {
    }
}
