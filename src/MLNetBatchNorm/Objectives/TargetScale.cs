using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Objectives;

/// <summary>
/// What labels become for training, <c>t = (y - Mean) / Deviation</c>, and how outputs become predictions, <c>y = Mean + Deviation z</c>.
/// </summary>
/// <remarks>
/// Kept beside the network, in double precision, and not folded into its last map: there every one of the sums over units and networks
/// would be
/// rounded to the last place of the label, which is much where labels are far from zero (of 1e7 +- 10 half of the variance was lost), and
/// would
/// overflow where labels are near to the largest float.
/// </remarks>
internal sealed record TargetScale
{
    /// <param name="mean">See <see cref="Mean"/>.</param>
    /// <param name="deviation">See <see cref="Deviation"/>.</param>
    public TargetScale(double mean, double deviation)
    {
        if (!double.IsFinite(mean))
            throw new ArgumentOutOfRangeException(nameof(mean), mean, "The mean must be finite.");
        if (!(deviation >= 0 && double.IsFinite(deviation)))
            throw new ArgumentOutOfRangeException(nameof(deviation), deviation, "The deviation must be finite and not negative.");
        Mean = mean;
        Deviation = deviation;
    }

    /// <summary>What is subtracted: the weighted mean of the training labels.</summary>
    public double Mean { get; }

    /// <summary>
    /// What is divided by: their weighted standard deviation. 0 where they are all equal; then every prediction is that number.
    /// </summary>
    public double Deviation { get; }

    /// <summary>The unit of the targets: the deviation, or 1 where labels are all equal.</summary>
    public double Unit => Deviation > 0 ? Deviation : 1;

    /// <summary>Scales a label.</summary>
    public float Apply(float label) => (float)((label - Mean) / Unit);

    /// <summary>Makes a prediction of an output; rounded once. What no float can hold becomes the largest one.</summary>
    public float Restore(float output) =>
        Deviation == 0 ? (float)Mean : (float)Math.Clamp(Mean + Deviation * output, -float.MaxValue, float.MaxValue);

    /// <summary>Writes both numbers.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Mean);
        writer.Write(Deviation);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="NetworkFormatException">A number is not allowed.</exception>
    public static TargetScale Read(BinaryReader reader) => new(
        reader.ReadNumber("mean of the labels", _ => true, "finite"),
        reader.ReadNumber("deviation of the labels", value => value >= 0, "finite and not negative"));
}
