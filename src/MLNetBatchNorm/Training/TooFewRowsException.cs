namespace MLNetBatchNorm.Training;

/// <summary>There are too few rows to train a network on.</summary>
/// <param name="rows">How many there are.</param>
internal sealed class TooFewRowsException(int rows) : Exception(
    $"The training set has {rows} row to train on once validation rows are set aside; batch statistics need at least 2. "
    + "Give more rows, or set ValidationFraction to 0.")
{
    /// <summary>How many there are.</summary>
    public int Rows { get; } = rows;
}
