using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>Binary cross-entropy of the sigmoid of one output, <c>-y ln p - (1 - y) ln(1 - p)</c>: a calibrated yes or no.</summary>
/// <remarks>Of several outputs it is the mean; the trainers have one.</remarks>
/// <param name="scalesTemperature">Whether the outputs are divided by the temperature that suits the validation rows best.</param>
internal sealed class BinaryCrossEntropy(bool scalesTemperature = false) : Objective, ITargetwiseLoss
{
    internal override string Name => "binary cross-entropy";

    internal override byte Number => 1;

    internal override void WriteSettings(BinaryWriter writer) => writer.Write(scalesTemperature);

    private protected override Objective WithSettings(BinaryReader reader) =>
        new BinaryCrossEntropy(reader.ReadFlag("flag of a temperature"));

    internal override LabelDomain Labels => LabelDomain.YesNo;

    internal override OutputLink LinkOf(TargetScale? scale) => OutputLink.Sigmoid;

    internal override bool ScalesTemperature => scalesTemperature;

    internal override string MetricName => AreaUnderRocCurve.Name;

    internal override int Outputs(int classes) => 1;

    internal override ValidationMetric CreateMetric(int rows, int outputs) => new AreaUnderRocCurve(rows, outputs);

    internal override void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.BinaryCrossEntropy(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, weights, gradientScale, gradient.Span, rowLoss, firstRow, endRow);

    void ITargetwiseLoss.ComputeTargets(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> targetWeights, ReadOnlySpan<float> weights,
        float gradientScale, PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.OfTargets<BinaryCrossEntropyLoss>(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, targetWeights, weights, gradientScale, parameter: 0, gradient.Span,
            rowLoss, firstRow, endRow);

    double ITargetwiseLoss.MetricOfTarget(
        ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, Span<ulong> memory) =>
        AreaUnderRocCurve.Of(outputs, targets, weights, memory);
}
