namespace MLNetBatchNorm.Objectives;

/// <summary>What labels become for training: <c>t = (y - Mean) / Deviation</c>.</summary>
/// <param name="Mean">What is subtracted: for losses of numbers the weighted mean of the training labels.</param>
/// <param name="Deviation">What is divided by: their weighted standard deviation, 1 where they are all equal. Positive.</param>
internal sealed record TargetScale(double Mean, double Deviation)
{
    /// <summary>Labels stay what they are.</summary>
    public static readonly TargetScale None = new(0, 1);

    /// <summary>The scale that gives labels mean 0 and deviation 1.</summary>
    public static TargetScale Of(double mean, double variance)
    {
        double deviation = Math.Sqrt(variance);
        // Labels that differ by less than a float can hold are equal.
        return new TargetScale(mean, deviation > Math.Abs(mean) * float.Epsilon && float.IsNormal((float)deviation) ? deviation : 1);
    }

    /// <summary>Scales a label.</summary>
    public float Apply(float label) => (float)((label - Mean) / Deviation);
}
