using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>
/// Cross-entropy of the softmax of the outputs, one for each class, and a target that has the label's class or, smoothed, a little of all.
/// </summary>
/// <param name="labelSmoothing">Part of the target that is spread evenly over all classes, in [0, 1).</param>
/// <param name="scalesTemperature">Whether the outputs are divided by the temperature that suits the validation rows best.</param>
internal sealed class SoftmaxCrossEntropy(double labelSmoothing = 0, bool scalesTemperature = false) : Objective
{
    /// <summary>Part of the target that is spread evenly over all classes.</summary>
    public double LabelSmoothing => labelSmoothing;

    internal override string Name => "softmax cross-entropy";

    internal override byte Number => 2;

    internal override void WriteSettings(BinaryWriter writer)
    {
        writer.Write(labelSmoothing);
        writer.Write(scalesTemperature);
    }

    private protected override Objective WithSettings(BinaryReader reader) => new SoftmaxCrossEntropy(
        reader.ReadNumber("label smoothing", value => value is >= 0 and < 1, "in [0, 1)"), reader.ReadFlag("flag of a temperature"));

    internal override LabelDomain Labels => LabelDomain.Class;

    internal override OutputLink LinkOf(TargetScale? scale) => OutputLink.Softmax;

    internal override bool ScalesTemperature => scalesTemperature;

    internal override string MetricName => Accuracy.Name;

    internal override int Outputs(int classes) => classes;

    internal override ValidationMetric CreateMetric(int rows, int outputs) => new Accuracy(rows);

    internal override void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.SoftmaxCrossEntropy(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, weights, gradientScale, (float)labelSmoothing, gradient.Span,
            rowLoss, firstRow, endRow);

    internal override void ComputeTaught(
        PanelMatrix outputs, ReadOnlySpan<float> taught, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.DistributionCrossEntropy(
            outputs.Span, outputs.RowCapacity, outputs.Columns, taught, weights, gradientScale, gradient.Span, rowLoss, firstRow, endRow);
}
