namespace MLNetBatchNorm.Training;

/// <summary>There are fewer held-out rows than a level of prediction intervals needs.</summary>
/// <param name="level">The level.</param>
/// <param name="rows">Rows there are.</param>
/// <param name="needed">Rows that are needed.</param>
internal sealed class TooFewHeldOutRowsException(double level, long rows, long needed)
    : Exception(FormattableString.Invariant(
        $"IntervalLevels has {level}, which needs {needed} held-out rows that did not choose an epoch; there are {rows}. ")
        + "Give more rows, raise ValidationFraction (half of the rows set aside are kept for this), or ask for a lower level.");
