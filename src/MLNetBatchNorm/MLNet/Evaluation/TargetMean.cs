namespace MLNetBatchNorm;

/// <summary>The mean of a measure over several targets.</summary>
internal static class TargetMean
{
    /// <summary>Of the targets of which it is defined; NaN if there is none.</summary>
    public static double Of<T>(IEnumerable<T> targets, Func<T, double> measure) =>
        targets.Select(measure).Where(value => !double.IsNaN(value)).DefaultIfEmpty(double.NaN).Average();
}
