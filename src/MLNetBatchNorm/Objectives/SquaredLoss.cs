using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>The mean of <c>(z - y)^2</c>: the prediction estimates the mean of the label.</summary>
/// <remarks>
/// <c>Microsoft.ML.Trainers</c> has a class of this name for its linear trainers. Where both namespaces are used, write
/// <c>MLNetBatchNorm.SquaredLoss</c>; mostly there is no need to, because it is the default.
/// </remarks>
public sealed class SquaredLoss : RegressionLoss, ITargetwiseLoss
{
    internal override string Name => "squared error";

    internal override byte Number => 3;

    /// <summary>The loss grows with the square of the unit.</summary>
    internal override double RestoreLoss(double loss, TargetScale? scale) => scale is null ? loss : loss * scale.Unit * scale.Unit;

    internal override void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.SquaredError(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, weights, gradientScale, gradient.Span, rowLoss, firstRow, endRow);

    void ITargetwiseLoss.ComputeTargets(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> targetWeights, ReadOnlySpan<float> weights,
        float gradientScale, PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.OfTargets<SquaredErrorLoss>(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, targetWeights, weights, gradientScale, parameter: 0, gradient.Span,
            rowLoss, firstRow, endRow);

    double ITargetwiseLoss.MetricOfTarget(
        ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, Span<ulong> memory) =>
        RSquared.Of(outputs, targets, weights);
}
