namespace MLNetBatchNorm.Data;

/// <summary>Cuts an epoch's rows into mini-batches.</summary>
/// <remarks>
/// The last batch holds what is left over. Where batch statistics are needed a remainder of one row, which has no variance, joins the batch
/// before it, so a batch may be one row larger than asked for.
/// </remarks>
internal readonly struct BatchPlan
{
    private readonly int _rows;
    private readonly int _batchSize;

    /// <summary>A plan for <paramref name="rows"/> rows.</summary>
    public BatchPlan(int rows, int batchSize, bool needsTwoRows)
    {
        if (needsTwoRows && Math.Min(rows, batchSize) < 2)
        {
            throw new ArgumentException(
                $"Batch statistics need at least 2 rows in a mini-batch; there are {rows} rows and the batch size is {batchSize}.");
        }
        _rows = rows;
        _batchSize = batchSize;
        int remainder = rows % batchSize;
        bool joins = needsTwoRows && remainder == 1 && rows > batchSize;
        Batches = rows / batchSize + (remainder > 0 && !joins ? 1 : 0);
        LargestBatch = Math.Min(rows, joins ? LargestBatchOf(batchSize) : batchSize);
    }

    /// <summary>Rows of the largest mini-batch of any plan with this batch size.</summary>
    public static int LargestBatchOf(int batchSize) => batchSize + 1;

    /// <summary>Number of mini-batches.</summary>
    public int Batches { get; }

    /// <summary>Rows of the largest mini-batch.</summary>
    public int LargestBatch { get; }

    /// <summary>First row and number of rows of one mini-batch.</summary>
    public (int First, int Rows) Batch(int batch)
    {
        int first = batch * _batchSize;
        return (first, batch == Batches - 1 ? _rows - first : _batchSize);
    }
}
