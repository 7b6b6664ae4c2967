using System.Globalization;

namespace MLNetBatchNorm.Reporting;

/// <summary>How the page writes numbers.</summary>
internal static class Numbers
{
    /// <summary>Up to four digits.</summary>
    public static string Short(double value) => value == 0 || Math.Abs(value) is >= 1e-4 and < 1e6
        ? value.ToString("0.####", CultureInfo.InvariantCulture)
        : value.ToString("0.##e0", CultureInfo.InvariantCulture);

    /// <summary>Four significant digits; a zero has no sign.</summary>
    public static string Exact(double value) => (value + 0.0).ToString("G4", CultureInfo.InvariantCulture);

    /// <summary>Four places after the point.</summary>
    public static string Measure(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);

    /// <summary>As <see cref="Measure"/>, with a dash where the measure is not defined.</summary>
    public static string Metric(double value, string undefined = "–") => double.IsNaN(value) ? undefined : Measure(value);

    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
