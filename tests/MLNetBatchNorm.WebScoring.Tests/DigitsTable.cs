using System.Globalization;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>The digits of samples/data, as the service's project puts them beside the program.</summary>
internal static class DigitsTable
{
    public const int Features = 64;

    private static readonly string[] s_lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "data", "digits.csv"));

    public static string Header => s_lines[0];

    /// <summary>The lines without the header.</summary>
    public static ReadOnlySpan<string> Lines => s_lines.AsSpan(1);

    /// <summary>The rows' features.</summary>
    public static float[][] Rows { get; } =
        [.. s_lines.Skip(1)
            .Select(line => line.Split(',').Take(Features).Select(cell => float.Parse(cell, CultureInfo.InvariantCulture)).ToArray())];

    /// <summary>The rows' digits.</summary>
    public static string[] Labels { get; } = [.. s_lines.Skip(1).Select(line => line.Split(',')[Features])];
}
