using System.Runtime.CompilerServices;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>The quantile loss: the prediction estimates the number that a given part of the labels stays below.</summary>
/// <remarks>
/// <para>With q the level and <c>d = y - z</c> the mean of <c>q d</c> where the label is above the prediction, <c>(q - 1) d</c> elsewhere
/// (Koenker and Bassett 1978). At 0.5 it is half the absolute error, and the prediction the median.</para>
/// <para>For a lower and an upper bound around an estimate of the mean, with a coverage that was measured on rows not trained on, use
/// <c>IntervalLevels</c> instead of two trainings. The validation metric is <c>D2</c>, the part of the loss that the network saves
/// against the best constant.</para>
/// </remarks>
public sealed class QuantileLoss : RegressionLoss
{
    /// <summary>The part of the labels that is to be below the prediction.</summary>
    /// <value>Default 0.5, the median. Range (0, 1). Near its ends few labels decide: at 0.99 one in a hundred.</value>
    public double Level { get; init; } = 0.5;

    internal override string Name => "quantile loss";

    internal override byte Number => 7;

    internal override string MetricName => DevianceExplained.Name;

    internal override void WriteSettings(BinaryWriter writer) => writer.Write(Level);

    private protected override Objective WithSettings(BinaryReader reader) => new QuantileLoss { Level = reader.ReadDouble() };

    internal override void Validate() =>
        Require(Level is > 0 and < 1, nameof(Level), Level,
            "in (0, 1). It is the part of the labels below the prediction; 0.5 is the median");

    /// <summary>The loss grows with the unit.</summary>
    internal override double RestoreLoss(double loss, TargetScale? scale) => scale is null ? loss : loss * scale.Unit;

    internal override ValidationMetric CreateMetric(int rows, int outputs) =>
        new DevianceExplained(
            rows, outputs, (label, output) => (label > output ? Level : Level - 1) * (label - output),
            (labels, weights) => DevianceExplained.Quantile(labels, weights, Level));

    internal override void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.Pointwise<Kernel>(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, weights, gradientScale, (float)Level, gradient.Span, rowLoss,
            firstRow, endRow);

    /// <summary>
    /// By the squared distance: what networks say is the quantile already, and its own loss would look for the quantile of that. The losses
    /// are halves of distances, those of the median, so that they have the label's unit.
    /// </summary>
    internal override void ComputeTaught(
        PanelMatrix outputs, ReadOnlySpan<float> taught, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow)
    {
        Losses.SquaredError(
            outputs.Span, outputs.RowCapacity, outputs.Columns, taught, weights, gradientScale, gradient.Span, rowLoss, firstRow, endRow);
        foreach (ref float loss in rowLoss[firstRow..endRow])
            loss = 0.5f * MathF.Sqrt(loss);
    }

    /// <summary>q (y - z) where y is above z, (1 - q) (z - y) below; derivative by z -q, 1 - q, and 0 where they are equal.</summary>
    internal readonly struct Kernel : IPointwiseLoss
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Evaluate<TSimd, V>(V z, V y, V parameter, out V gradient)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V above = TSimd.Subtract(TSimd.Broadcast(1f), parameter);
            gradient = TSimd.Select(
                TSimd.LessThan(z, y), TSimd.Negate(parameter), TSimd.Select(TSimd.GreaterThan(z, y), above, TSimd.Broadcast(0f)));
            return TSimd.Multiply(gradient, TSimd.Subtract(z, y));
        }
    }
}
