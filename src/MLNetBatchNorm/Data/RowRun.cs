namespace MLNetBatchNorm.Data;

/// <summary>A stretch of an epoch's rows that lie in one table.</summary>
/// <param name="table">Where they are.</param>
/// <param name="rows">Their numbers in it, in order.</param>
internal readonly ref struct RowRun(TrainingTable table, ReadOnlySpan<int> rows)
{
    public TrainingTable Table { get; } = table;

    public ReadOnlySpan<int> Rows { get; } = rows;
}
