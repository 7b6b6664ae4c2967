using System.Runtime.CompilerServices;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>
/// Tweedie's deviance between Poisson's and the gamma distribution's, for sums that are often exactly 0 and else spread widely: claims,
/// rain, purchases. The prediction estimates the mean and is never negative.
/// </summary>
/// <remarks>
/// <para>With the prediction <c>m = exp(z)</c> and p the power, the mean of
/// <c>2 (y^(2-p) / ((1-p)(2-p)) - y m^(1-p) / (1-p) + m^(2-p) / (2-p))</c>; 0 only where every prediction is its label (Jorgensen 1987).
/// It is the distribution of a sum of gamma distributed amounts whose number is Poisson's; the variance is proportional to
/// <c>m^p</c>.</para>
/// <para>Amounts over unlike spans are learned as rates, as with <see cref="PoissonLoss"/>; how networks are averaged, and the metric,
/// are as there.</para>
/// </remarks>
public sealed class TweedieLoss : LogLinkLoss
{
    /// <summary>How fast the variance grows with the mean: as its power.</summary>
    /// <value>
    /// Default 1.5, as in ML.NET's FastTreeTweedie. Range [1.01, 1.99]: at 1 it is <see cref="PoissonLoss"/>, at 2 labels of 0 are
    /// impossible, and near both terms cancel that are beyond the precision of a float. Of insurance 1.5 to 1.9 is usual.
    /// </value>
    public double Power { get; init; } = 1.5;

    internal override string Name => "Tweedie's deviance";

    internal override byte Number => 6;

    private protected override double UnitPower => 2 - Power;

    internal override void WriteSettings(BinaryWriter writer) => writer.Write(Power);

    private protected override Objective WithSettings(BinaryReader reader) => new TweedieLoss { Power = reader.ReadDouble() };

    internal override void Validate() =>
        Require(
            Power is >= 1.01 and <= 1.99, nameof(Power), Power,
            "in [1.01, 1.99]. Use PoissonLoss for counts, whose power is 1; 1.5 is usual for amounts that are often 0");

    internal override double Deviance(double label, double prediction) =>
        2 * (Math.Pow(label, 2 - Power) / ((1 - Power) * (2 - Power)) - label * Math.Pow(prediction, 1 - Power) / (1 - Power)
            + Math.Pow(prediction, 2 - Power) / (2 - Power));

    internal override void Compute(
        PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale, PanelMatrix gradient,
        Span<float> rowLoss, int firstRow, int endRow) =>
        Losses.Pointwise<Kernel>(
            outputs.Span, outputs.RowCapacity, outputs.Columns, targets, weights, gradientScale, (float)Power, gradient.Span, rowLoss,
            firstRow, endRow);

    /// <summary>
    /// With a = p - 1 and b = 2 - p: 2 (y e^(-a z) / a + e^(b z) / b - y^b / (a b)); derivative by z 2 (e^(b z) - y e^(-a z)).
    /// </summary>
    internal readonly struct Kernel : IPointwiseLoss
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static V Evaluate<TSimd, V>(V z, V y, V parameter, out V gradient)
            where TSimd : struct, ISimd<V>
            where V : struct
        {
            V zero = TSimd.Broadcast(0f), one = TSimd.Broadcast(1f), isPositive = TSimd.GreaterThan(y, zero);
            V a = TSimd.Subtract(parameter, one), b = TSimd.Subtract(TSimd.Broadcast(2f), parameter);
            V falling = TSimd.Multiply(y, Exponential.Bounded<TSimd, V>(TSimd.Negate(TSimd.Multiply(a, z))));
            V rising = Exponential.Bounded<TSimd, V>(TSimd.Multiply(b, z));
            V logarithm = VectorMath.Log<TSimd, V>(TSimd.Select(isPositive, y, one));
            V ofLabel = TSimd.Select(isPositive, Exponential.Bounded<TSimd, V>(TSimd.Multiply(b, logarithm)), zero);
            V difference = TSimd.Subtract(rising, falling);
            gradient = TSimd.Add(difference, difference);
            V loss = TSimd.Add(TSimd.Divide(falling, a), TSimd.Divide(rising, b));
            loss = TSimd.Subtract(loss, TSimd.Divide(ofLabel, TSimd.Multiply(a, b)));
            return TSimd.Add(loss, loss);
        }
    }
}
