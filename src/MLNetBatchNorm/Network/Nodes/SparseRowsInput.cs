using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Network;

/// <summary>Rows of which only the entries that are not zero are there.</summary>
internal sealed class SparseRowsInput(SparseBatch rows) : NodeInput
{
    /// <summary>The rows.</summary>
    public SparseBatch Rows { get; } = rows;

    public override void Prepare(EncodedRows data, int first, int count) => data.GatherSparse(first, count, Rows);
}
