using System.Numerics.Tensors;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>Losses on judged rows of what networks say of them, and of means of that. Not thread-safe.</summary>
/// <param name="settings">What is minimized: by trial 0's, all trials are judged alike.</param>
/// <param name="targets">Targets, row by row.</param>
/// <param name="weights">What each row counts for; empty: all alike.</param>
/// <param name="outputs">Outputs of a row.</param>
internal sealed class MixtureLoss(TrainingSettings settings, float[] targets, float[] weights, int outputs)
{
    private readonly PanelMatrix _block = new(BlockRows, outputs);
    private readonly PanelMatrix _gradient = new(BlockRows, outputs);
    private readonly float[] _said = new float[BlockRows * outputs];

    private const int BlockRows = 256;

    /// <summary>A mean that was too small for a float stands for this one, the smallest with all its digits: it has a logarithm.</summary>
    private const float SmallestMean = 1.17549435e-38f;

    /// <summary>Number of rows.</summary>
    public int Rows { get; } = targets.Length / Math.Max(1, settings.TargetWeights?.Length ?? 1);

    /// <summary>Loss of each row.</summary>
    /// <param name="scores">What is said of the rows, [rows, outputs], as <see cref="JudgedRows.Score"/> gives it.</param>
    /// <param name="rowLoss">Room for the losses.</param>
    public void Compute(ReadOnlySpan<float> scores, Span<float> rowLoss)
    {
        int targetColumns = targets.Length / Rows;
        for (int first = 0; first < Rows; first += BlockRows)
        {
            int count = Math.Min(BlockRows, Rows - first);
            Span<float> said = _said.AsSpan(0, count * outputs);
            scores.Slice(first * outputs, count * outputs).CopyTo(said);
            // Means were averaged, and the loss reads their logarithms.
            if (settings.Objective.PredictsLogarithm)
            {
                TensorPrimitives.Max(said, SmallestMean, said);
                TensorPrimitives.Log(said, said);
            }

            PanelLayout.Pack(said, count, outputs, _block.Span, BlockRows);
            RowLosses.Compute(
                settings, _block, targets.AsSpan(first * targetColumns, count * targetColumns),
                weights.Length == 0 ? default : weights.AsSpan(first, count), 0, _gradient, rowLoss.Slice(first, count), 0, count);
        }
    }

    /// <summary>Weighted mean of row losses, of all rows or of those that are taken.</summary>
    public double Mean(ReadOnlySpan<float> rowLoss, ReadOnlySpan<bool> taken = default)
    {
        double loss = 0, weight = 0;
        for (int row = 0; row < rowLoss.Length; row++)
        {
            double own = weights.Length == 0 ? 1 : weights[row];
            if (own == 0 || (!taken.IsEmpty && !taken[row]))
                continue;
            loss += own * rowLoss[row];
            weight += own;
        }

        return weight > 0 ? loss / weight : double.NaN;
    }
}
