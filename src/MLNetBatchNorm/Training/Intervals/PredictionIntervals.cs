using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// How far labels lie from predictions, as measured on rows that no network concerned had seen: what makes bounds of a score.
/// </summary>
/// <remarks>
/// With m the mean of the networks in scaled labels and s the spread that is expected of the row, the bounds of a level are
/// <c>m + Lower(m) s^Power</c> and <c>m + Upper(m) s^Power</c>, put back into the label's units. Between knots of m the factors are
/// straight lines, beyond them constant. Lower is never above 0 and Upper never below, so that the score lies between its bounds.
/// </remarks>
internal sealed class PredictionIntervals
{
    /// <summary>No more levels than anybody reads; a file with more is damaged.</summary>
    public const int MaximumLevels = 1 << 10;

    /// <summary>No more knots than there are ever made.</summary>
    public const int MaximumKnots = 1 << 8;

    /// <summary>Spreads are held at this part of their mean at least, so that no row is taken for certain.</summary>
    public const double LeastSpread = 0.01;

    /// <summary>Joins the parts.</summary>
    public PredictionIntervals(double[] knots, IReadOnlyList<IntervalLevel> levels, double power, TrainedNetwork? spread)
    {
        if (knots.Length is 0 or > MaximumKnots)
            throw new ArgumentException($"There are {knots.Length} knots; there must be 1 to {MaximumKnots}.", nameof(knots));
        if (levels.Count is 0 or > MaximumLevels)
            throw new ArgumentException($"There are {levels.Count} levels; there must be 1 to {MaximumLevels}.", nameof(levels));
        Knots = knots;
        Levels = levels;
        Power = spread is null ? 0 : power;
        Spread = spread;
    }

    /// <summary>Predictions in scaled labels, rising, at which factors were measured.</summary>
    public double[] Knots { get; }

    /// <summary>The levels, in the order in which they were asked for.</summary>
    public IReadOnlyList<IntervalLevel> Levels { get; }

    /// <summary>How far widths follow the spread, in [0, 1]; 0: they are the same for all rows.</summary>
    public double Power { get; }

    /// <summary>
    /// What says how far off a prediction may be, in scaled labels, of the row's features and, in a last slot, m; null where all rows have
    /// the same widths.
    /// </summary>
    public TrainedNetwork? Spread { get; }

    /// <summary>Number of rows that the factors were measured on.</summary>
    public required long Rows { get; init; }

    /// <summary>The least spread of a row, in scaled labels.</summary>
    public float Floor => (float)(LeastSpread * (Spread?.Scale?.Deviation ?? 0));

    /// <summary>The knot at or below a prediction, and how far it is on the way to the next.</summary>
    public (int Knot, double Fraction) Place(float mean)
    {
        int at = Array.BinarySearch(Knots, mean);
        int knot = at >= 0 ? at : ~at - 1;
        if (knot < 0 || double.IsNaN(mean))
            return (0, 0);
        return knot >= Knots.Length - 1 ? (Knots.Length - 1, 0) : (knot, (mean - Knots[knot]) / (Knots[knot + 1] - Knots[knot]));
    }

    /// <summary>A factor there.</summary>
    public static double Factor(double[] factors, (int Knot, double Fraction) place) => place.Fraction == 0
        ? factors[place.Knot]
        : factors[place.Knot] + place.Fraction * (factors[place.Knot + 1] - factors[place.Knot]);

    /// <summary>What the factors are multiplied by.</summary>
    /// <param name="spread">What <see cref="Spread"/> gives.</param>
    public double Width(float spread) => Power == 0 ? 1 : Math.Pow(Math.Max(Floor, spread), Power);

    /// <summary>A bound in the label's units.</summary>
    /// <param name="mean">m.</param>
    /// <param name="distance">A factor times the width.</param>
    /// <param name="scale">Of the labels; null: they are as they are.</param>
    /// <param name="least">The least label there is.</param>
    public static float Bound(float mean, double distance, TargetScale? scale, float least)
    {
        double scaled = mean + distance;
        return (float)Math.Clamp(scale is null ? scaled : scale.Mean + scale.Deviation * scaled, least, float.MaxValue);
    }
}
