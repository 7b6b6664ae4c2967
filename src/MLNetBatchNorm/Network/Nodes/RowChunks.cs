using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>How the rows of a mini-batch are cut where sums over them are shared among workers: always in the same places.</summary>
internal static class RowChunks
{
    /// <summary>Chunks of a mini-batch: shares of up to eight workers are nearly equal; more workers than it has find no work.</summary>
    public const int Count = 16;

    /// <summary>Rows [First, End) of a chunk; there may be none.</summary>
    public static (int First, int End) Rows(int chunk, int rows) => new Worker(chunk, Count).Share(rows);

    /// <summary>A worker's own chunks.</summary>
    public static (int First, int End) Chunks(Worker worker) => worker.Share(Count);

    /// <summary>A worker's own rows: those of its chunks.</summary>
    public static (int First, int End) Share(int rows, Worker worker)
    {
        (int first, int end) = Chunks(worker);
        return first == end ? (0, 0) : (Rows(first, rows).First, Rows(end - 1, rows).End);
    }
}
