using System.Runtime.CompilerServices;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm;

/// <summary>
/// Poisson's deviance, for counts: how often something happens, from features that multiply a rate. The prediction estimates the mean and
/// is never negative.
/// </summary>
/// <remarks>
/// <para>The mean of <c>2 (y ln(y / m) - y + m)</c> with the prediction <c>m = exp(z)</c>, z being the network's output; 0 only where every
/// prediction is its label. Up to terms of the labels alone it is minus twice the logarithm of Poisson's likelihood (McCullagh and Nelder
/// 1989, chapter 6). Labels need not be whole numbers.</para>
/// <para>Counts over unlike spans (years of insurance, hours of watching, kilometers) are learned as rates: the label is the count divided
/// by its span, and the span is the weight of the row (<c>ExampleWeightColumnName</c>); the expected count of a row is its score times its
/// span.</para>
/// <para>The networks of an ensemble are averaged as predictions, not as logarithms, so that predicted totals are right. The validation
/// metric is <c>D2</c>, the part of the deviance that the network explains.</para>
/// </remarks>
public sealed class PoissonLoss : LogLinkLoss
{
    internal override string Name => "Poisson's deviance";

    internal override byte Number => 5;

    /// <summary>Both terms are proportional to the unit.</summary>
    private protected override double UnitPower => 1;

    internal override double Deviance(double label, double prediction) =>
        2 * ((label > 0 ? label * Math.Log(label / prediction) : 0) - label + prediction);

    internal override void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.Pointwise<Kernel>(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, weights, gradientScale, 0, gradient.Span, rowLoss, firstRow,
            endRow);

    /// <summary>With m = e^z: 2 (m - y + y (ln y - z)), 2 m where y is 0; derivative by z 2 (m - y).</summary>
    internal readonly struct Kernel : IPointwiseLoss
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Evaluate<TSimd, V>(V z, V y, V parameter, out V gradient)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V zero = TSimd.Broadcast(0f), isPositive = TSimd.GreaterThan(y, zero);
            V mean = Exponential.Bounded<TSimd, V>(z);
            V logarithm = VectorMath.Log<TSimd, V>(TSimd.Select(isPositive, y, TSimd.Broadcast(1f)));
            V difference = TSimd.Subtract(mean, y);
            gradient = TSimd.Add(difference, difference);
            V loss = TSimd.FusedMultiplyAdd(y, TSimd.Subtract(logarithm, z), difference);
            return TSimd.Add(loss, loss);
        }
    }
}
