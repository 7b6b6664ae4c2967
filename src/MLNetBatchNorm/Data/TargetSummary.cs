namespace MLNetBatchNorm.Data;

/// <summary>Weighted mean and variance of a target, taken row by row; where it is missing it does not count.</summary>
/// <remarks>West's update in double precision: targets such as years are far from zero.</remarks>
internal sealed class TargetSummary
{
    private double _weight;
    private double _mean;
    private double _squares;

    /// <summary>Of the rows so far.</summary>
    public TargetMoments Moments => new(_mean, _weight > 0 ? _squares / _weight : 0);

    /// <summary>Takes the target of a row.</summary>
    public void Add(double target, double weight)
    {
        if (double.IsNaN(target))
            return;
        _weight += weight;
        double distance = target - _mean;
        _mean += weight / _weight * distance;
        _squares += weight * distance * (target - _mean);
    }
}
