namespace MLNetBatchNorm;

/// <summary>Names of the columns of prediction intervals.</summary>
internal static class IntervalColumns
{
    public const string LowerBound = "ScoreLowerBound";

    public const string UpperBound = "ScoreUpperBound";
}
