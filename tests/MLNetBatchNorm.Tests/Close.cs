using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests;

/// <summary>Comparison of arrays of numbers within a tolerance relative to the largest expected entry.</summary>
internal static class Close
{
    public static void Check(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double tolerance, string what)
    {
        if (Difference(expected, actual, tolerance) is { } difference)
            Assert.Fail($"{what}: {difference}");
    }

    public static void Check(double[][] expected, double[][] actual, double tolerance, string what)
        => Check(expected.SelectMany(r => r).ToArray(), actual.SelectMany(r => r).ToArray(), tolerance, what);

    public static void Check(double[][] expected, float[][] actual, double tolerance, string what)
        => Check(expected, actual.Select(r => r.Select(x => (double)x).ToArray()).ToArray(), tolerance, what);

    /// <summary>Null when the arrays agree, else the worst entry. NaN agrees with NaN only.</summary>
    public static string? Difference(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double tolerance)
    {
        if (expected.Count != actual.Count)
            return $"{actual.Count} numbers instead of {expected.Count}";
        double largest = expected.Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(0).Max();
        int worst = -1;
        double worstError = tolerance * largest;
        for (int i = 0; i < expected.Count; i++)
        {
            if (expected[i].Equals(actual[i]))
                continue;
            double error = Math.Abs(actual[i] - expected[i]);
            if (!(error <= worstError))
            {
                worst = i;
                worstError = error;
                if (double.IsNaN(error))
                    break;
            }
        }

        return worst < 0
            ? null
            : FormattableString.Invariant($"number {worst} is {actual[worst]:R} instead of {expected[worst]:R}; ")
                + FormattableString.Invariant($"allowed is {tolerance * largest:G3} ({tolerance:G3} of the largest)");
    }
}
