using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;

namespace MLNetBatchNorm;

/// <summary>
/// What ML.NET makes of a binary score: <c>probability = 1 / (1 + exp(slope * score + offset))</c>, and the label true above a threshold.
/// </summary>
/// <param name="Slope">The calibrator's slope.</param>
/// <param name="Offset">The calibrator's offset.</param>
/// <param name="Threshold">The label is true where the compared value is above it.</param>
/// <param name="ComparesProbability">Whether the probability is compared, not the score.</param>
internal sealed record BinaryDecision(double Slope, double Offset, float Threshold, bool ComparesProbability)
{
    /// <summary>What the trainer chooses: the logistic function of the logit, and the more probable label.</summary>
    public static readonly BinaryDecision Default = new(-1, 0, 0, false);

    /// <summary>That of a transformer, whose threshold may have been changed.</summary>
    public static BinaryDecision Of(
        BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>> transformer) =>
        new(
            transformer.Model.Calibrator.Slope,
            transformer.Model.Calibrator.Offset,
            transformer.Threshold,
            transformer.ThresholdColumn == DefaultColumnNames.Probability);
}
