namespace MLNetBatchNorm.Encoding;

/// <summary>What is known of one slot's values in the training rows: ranges of all rows, quantiles of some.</summary>
internal readonly ref struct SlotSample
{
    /// <summary>Number of the slot.</summary>
    public required int Slot { get; init; }

    /// <summary>How it is to be treated.</summary>
    public required SlotKind Kind { get; init; }

    /// <summary>Whether any row misses the value.</summary>
    public required bool HasMissing { get; init; }

    /// <summary>Largest magnitude; of slots of kind <see cref="SlotKind.Sparse"/> only.</summary>
    public float Largest { get; init; }

    /// <summary>Values of some rows in rising order, without those that are missing; of slots of kind <see cref="SlotKind.Numeric"/> only.</summary>
    public ReadOnlySpan<float> Sorted { get; init; }

    /// <summary>Smallest value of all rows.</summary>
    public float Minimum { get; init; }

    /// <summary>Largest value of all rows.</summary>
    public float Maximum { get; init; }

    /// <summary>0 where there is no value.</summary>
    public float Median => Sorted.IsEmpty ? 0 : (float)Quantile(0.5);

    /// <summary>How far the values are apart: the distance of the quartiles, or where these are equal, half that of the extremes.</summary>
    public double Spread
    {
        get
        {
            double spread = Sorted.IsEmpty ? 0 : Quantile(0.75) - Quantile(0.25);
            return spread == 0 && Maximum > Minimum ? ((double)Maximum - Minimum) / 2 : spread;
        }
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
