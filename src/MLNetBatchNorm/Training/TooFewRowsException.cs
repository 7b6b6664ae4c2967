namespace MLNetBatchNorm.Training;

/// <summary>There are too few rows to train a network on.</summary>
/// <param name="rows">How many there are.</param>
internal sealed class TooFewRowsException(int rows) : Exception(
    $"The training set has {rows} row to train on, validation rows apart; batch statistics need at least 2. Give more rows, or set "
    + "Placement to None to do without batch statistics. If other rows are set aside for validation, setting ValidationFraction to 0 "
    + "lets them train.")
{
    /// <summary>How many there are.</summary>
    public int Rows { get; } = rows;
}
