using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>
/// The measure of the validation rows that people look at beside the loss. It is made from the outputs that the loss is made
/// from, which any number of threads hand over, and summed by one thread in an order of its own: the same for any number of
/// threads. The more, the better; 1 is the most.
/// </summary>
internal abstract class ValidationMetric
{
    /// <summary>Takes memory for <paramref name="columns"/> numbers of each row.</summary>
    protected ValidationMetric(int rows, int columns)
    {
        Columns = columns;
        Values = new float[rows * columns];
    }

    /// <summary>How many numbers are kept of each row.</summary>
    protected int Columns { get; }

    /// <summary>What is kept of each row, row by row: its outputs, unless <see cref="Keep"/> says otherwise.</summary>
    protected float[] Values { get; }

    /// <summary>What the last <see cref="Compute"/> came to for each of several targets; empty where there is one.</summary>
    public virtual IReadOnlyList<double> OfTargets => [];

    /// <summary>Takes the outputs of rows [first, first + count), which lie in the first rows of a block; on any thread.</summary>
    public void Take(PanelMatrix outputs, ReadOnlySpan<float> targets, int first, int count) =>
        Keep(outputs, targets, count, Values.AsSpan(first * Columns, count * Columns));

    /// <summary>The metric of all rows; NaN where it is not defined.</summary>
    /// <param name="targets">Their targets; those of a row of weight 0 may be anything.</param>
    /// <param name="weights">Their weights, or empty: all 1.</param>
    public abstract double Compute(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights);

    /// <summary>What is kept of the first <paramref name="count"/> rows of a block.</summary>
    protected virtual void Keep(PanelMatrix outputs, ReadOnlySpan<float> targets, int count, Span<float> values) =>
        PanelLayout.Unpack(outputs.Span, outputs.RowCapacity, count, Columns, values);
}
