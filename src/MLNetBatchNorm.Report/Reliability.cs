namespace MLNetBatchNorm.Reporting;

/// <summary>Whether predictions mean what they say: rows with like predictions together, the prediction against what came true.</summary>
internal static class Reliability
{
    /// <summary>Bins of equal width over probabilities from 0 to 1; empty ones are left out.</summary>
    public static IReadOnlyList<ReliabilityBin> OfProbabilities(
        IReadOnlyList<double> probabilities, IReadOnlyList<bool> cameTrue, int bins = 10)
    {
        var groups = Enumerable.Range(0, probabilities.Count).GroupBy(i => Math.Min((int)(probabilities[i] * bins), bins - 1))
            .OrderBy(group => group.Key);
        return [.. groups.Select(
            group => new ReliabilityBin(group.Count(), group.Average(i => probabilities[i]), group.Average(i => cameTrue[i] ? 1.0 : 0.0)))];
    }

    /// <summary>Bins of (nearly) equally many rows over predictions in ascending order.</summary>
    public static IReadOnlyList<ReliabilityBin> OfNumbers(IReadOnlyList<double> predictions, IReadOnlyList<double> labels, int bins = 10)
    {
        int[] order = [.. Enumerable.Range(0, predictions.Count).OrderBy(i => predictions[i])];
        var groups = order.Select((row, rank) => (row, bin: (int)((long)rank * bins / order.Length))).GroupBy(
            pair => pair.bin, pair => pair.row);
        return [.. groups.Select(
            group => new ReliabilityBin(group.Count(), group.Average(i => predictions[i]), group.Average(i => labels[i])))];
    }

    /// <summary>Mean distance between predicted and observed, each bin weighing by its rows: the expected calibration error.</summary>
    public static double Error(IReadOnlyList<ReliabilityBin> bins)
        => bins.Sum(bin => bin.Count * Math.Abs(bin.Predicted - bin.Observed)) / bins.Sum(bin => bin.Count);
}
