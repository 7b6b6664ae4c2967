using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>
/// A loss that takes every output by itself: several targets of a row can be learned together, each counting for something of its own, and
/// some of them may be missing.
/// </summary>
internal interface ITargetwiseLoss
{
    /// <summary>
    /// As <see cref="Objective.Compute"/>; a row's loss is the weighted mean of those of the targets that it has, and 0 where it has none.
    /// </summary>
    /// <param name="outputs">Of a block of rows.</param>
    /// <param name="targets">What they should be, row by row; NaN where a target is missing.</param>
    /// <param name="targetWeights">What each target counts for.</param>
    /// <param name="weights">Of each row, or empty: all 1.</param>
    /// <param name="gradientScale">Usually 1 / sum of the weights.</param>
    /// <param name="gradient">Room for the gradient; may be the outputs themselves.</param>
    /// <param name="rowLoss">Room for the losses.</param>
    /// <param name="firstRow">First row to compute.</param>
    /// <param name="endRow">Behind the last.</param>
    void ComputeTargets(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> targetWeights, ReadOnlySpan<float> weights,
        float gradientScale, PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow);

    /// <summary>The metric of the rows of one target, all of which have it; NaN where it is not defined.</summary>
    /// <param name="outputs">One for each row.</param>
    /// <param name="targets">Likewise.</param>
    /// <param name="weights">Likewise, or empty: all 1.</param>
    /// <param name="memory">Room for two numbers a row; overwritten.</param>
    double MetricOfTarget(ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, Span<ulong> memory);
}
