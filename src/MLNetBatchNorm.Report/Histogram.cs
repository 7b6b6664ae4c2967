namespace MLNetBatchNorm.Reporting;

/// <summary>How numbers are distributed.</summary>
/// <param name="Edges">The edges of the bins, one more than there are bins.</param>
/// <param name="Counts">The numbers in each bin; the last edge belongs to the last bin.</param>
internal sealed record Histogram(IReadOnlyList<double> Edges, IReadOnlyList<int> Counts)
{
    /// <summary>Bins of equal width from the least number to the greatest; a single one if all are equal.</summary>
    public static Histogram Of(IReadOnlyList<double> values, int bins)
    {
        double least = values.Min(), greatest = values.Max();
        if (!(greatest > least))
            return new Histogram([least - 0.5, least + 0.5], [values.Count]);
        var counts = new int[bins];
        foreach (double value in values)
            counts[Math.Min((int)((value - least) / (greatest - least) * bins), bins - 1)]++;
        return new Histogram([.. Enumerable.Range(0, bins + 1).Select(i => least + (greatest - least) * i / bins)], counts);
    }

    /// <summary>The number below which the given part of the values lies, between two of them in proportion.</summary>
    public static double Quantile(IReadOnlyList<double> values, double part)
    {
        double[] sorted = [.. values.Order()];
        double position = part * (sorted.Length - 1);
        int below = (int)position;
        return below + 1 < sorted.Length ? sorted[below] + (position - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
    }
}
