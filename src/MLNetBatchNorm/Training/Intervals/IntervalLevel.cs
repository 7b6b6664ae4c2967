namespace MLNetBatchNorm.Training;

/// <summary>One level of prediction intervals.</summary>
/// <param name="Level">The part of labels that are to lie between the bounds, in (0, 1).</param>
/// <param name="Lower">Factor of the lower bound at each knot, not above 0.</param>
/// <param name="Upper">Factor of the upper bound at each knot, not below 0.</param>
internal sealed record IntervalLevel(double Level, double[] Lower, double[] Upper);
