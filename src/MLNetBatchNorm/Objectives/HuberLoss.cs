using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>
/// Squared near zero and linear beyond delta: labels far off pull with a constant force instead of one that grows with the distance.
/// </summary>
/// <remarks>With <c>d = z - y</c>: <c>d^2 / 2</c> where <c>|d| &lt;= Delta</c>, else <c>Delta (|d| - Delta / 2)</c> (Huber 1964).</remarks>
public sealed class HuberLoss : RegressionLoss, ITargetwiseLoss
{
    /// <summary>No label is so far off, so that beyond it there is only the square.</summary>
    private const double LargestDelta = 1_000_000;

    /// <summary>
    /// Distance between prediction and label at which the parabola turns into a straight line,
    /// in standard deviations of the training labels.
    /// </summary>
    /// <value>
    /// Default 1.345. Range (0, 1000000]. Source: Huber 1964: 1.345 standard deviations of the noise keep 95% efficiency on normal noise,
    /// and the deviation of the labels bounds that of their noise.
    /// </value>
    public double Delta { get; init; } = 1.345;

    internal override string Name => "Huber's loss";

    internal override byte Number => 4;

    internal override void WriteSettings(BinaryWriter writer) => writer.Write(Delta);

    private protected override Objective WithSettings(BinaryReader reader) => new HuberLoss { Delta = reader.ReadDouble() };

    internal override void Validate() =>
        Require(
            Delta is > 0 and <= LargestDelta, nameof(Delta), Delta,
            "in (0, 1000000]. It is measured in standard deviations of the label; 1.345 is usual");

    /// <summary>The loss grows with the square of the unit, delta being measured in deviations.</summary>
    internal override double RestoreLoss(double loss, TargetScale? scale) => scale is null ? loss : loss * scale.Unit * scale.Unit;

    internal override void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.Huber(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, weights, gradientScale, (float)Delta,
            gradient.Span, rowLoss, firstRow, endRow);

    void ITargetwiseLoss.ComputeTargets(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> targetWeights, ReadOnlySpan<float> weights,
        float gradientScale, PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.OfTargets<HuberErrorLoss>(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, targetWeights, weights, gradientScale, (float)Delta, gradient.Span,
            rowLoss, firstRow, endRow);

    double ITargetwiseLoss.MetricOfTarget(
        ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, Span<ulong> memory) =>
        RSquared.Of(outputs, targets, weights);
}
