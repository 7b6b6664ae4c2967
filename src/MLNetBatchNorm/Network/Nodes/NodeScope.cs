namespace MLNetBatchNorm.Network;

/// <summary>What a node must have read before it can write a number, and so how workers share its work.</summary>
internal enum NodeScope
{
    /// <summary>The same column of all rows: a worker that owns columns goes through all such nodes without waiting for anybody.</summary>
    Columns,

    /// <summary>The same row: a worker that owns rows does so.</summary>
    Rows,

    /// <summary>
    /// Everything the node before it writes: workers wait for that, and then share the result
    /// by columns or rows, as what follows needs them.
    /// </summary>
    All,
}
