using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>What is known of one slot's values in the training rows: facts of all rows, quantiles of some chosen at random.</summary>
internal readonly ref struct SlotSample
{
    // A range between outer quantiles, divided by this, is no wider than the distance of the quartiles for ordinary distributions, those
    // with long tails included: the ratio is 1.9, 2.4, 3.4 and 4.6 of the normal, 2.3, 3.4, 7 and 15 of the lognormal distribution.
    private static readonly (double Tail, double Usual)[] s_ranges = [(0.1, 2.5), (0.05, 4), (0.01, 15), (0.001, 60)];

    // A range that is so many times as wide as the next one inside it stands around a lump: nearly equal values that most rows have.
    private const double Lump = 16;

    private const double ResolutionOfLumps = 1e-3;

    // Quantiles with fewer values beyond them are outliers.
    private const int FewestBeyond = 5;

    /// <summary>Number of the slot.</summary>
    public required int Slot { get; init; }

    /// <summary>How it is to be treated.</summary>
    public required SlotKind Kind { get; init; }

    /// <summary>Number of rows.</summary>
    public required int Rows { get; init; }

    /// <summary>What is known of all rows.</summary>
    public required SlotFacts Facts { get; init; }

    /// <summary>
    /// Values of some rows in rising order, without those that are missing; of slots of kind <see cref="SlotKind.Numeric"/> only.
    /// </summary>
    public ReadOnlySpan<float> Sorted { get; init; }

    /// <summary>Rows without a category and rows of each; of slots of kind <see cref="SlotKind.Category"/> only.</summary>
    public ReadOnlySpan<int> Categories { get; init; }

    /// <summary>Whether the value is missing in every row.</summary>
    public bool IsEmpty => Facts.Missing == Rows;

    /// <summary>0 where there is no value.</summary>
    public float Median => Sorted.IsEmpty ? 0 : (float)Quantile(0.5);

    /// <summary>How far the values are apart.</summary>
    /// <remarks>
    /// The distance of the quartiles, as long as these say something: where most values are equal, or nearly so, what the others
    /// differ by counts. So the spread is not below the distance of outer quantiles divided by what that usually is in distances
    /// of quartiles, and half of that distance where it is out of all proportion to those further in. If hardly any values
    /// differ, it is half the distance of the extremes.
    /// </remarks>
    public double Spread => Measure().Spread;

    /// <summary>
    /// Values that differ by no more are the same for every purpose: a part of the spread where most values are nearly equal, else 0.
    /// </summary>
    public double Resolution => Measure() is (double spread, true) ? ResolutionOfLumps * spread : 0;

    private (double Spread, bool HasLump) Measure()
    {
        if (Sorted.IsEmpty)
            return (0, false);
        double inner = Quantile(0.75) - Quantile(0.25), spread = inner;
        bool hasLump = false;
        foreach ((double tail, double usual) in s_ranges)
        {
            if (tail * Sorted.Length < FewestBeyond)
                break;
            double range = Quantile(1 - tail) - Quantile(tail);
            bool isLump = range > Lump * inner;
            spread = Math.Max(spread, range / (isLump ? 2 : usual));
            hasLump |= isLump;
            inner = range;
        }
        return (spread == 0 ? ((double)Facts.Maximum - Facts.Minimum) / 2 : spread, hasLump);
    }

    /// <summary>A spread below the smallest normal float has no finite inverse; such a column is constant for every purpose.</summary>
    public bool IsConstant => !(Spread > 1 / (double)float.MaxValue);

    /// <summary>The quantile by straight lines between order statistics (NumPy's and R's default, type 7).</summary>
    private double Quantile(double p)
    {
        double position = p * (Sorted.Length - 1);
        int below = (int)position;
        double above = Sorted[Math.Min(below + 1, Sorted.Length - 1)];
        return Sorted[below] + (position - below) * (above - Sorted[below]);
    }
}
