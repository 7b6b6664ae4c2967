using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>
/// Computed numbers against expected ones: for each array the largest deviation as a part of what is allowed. Collected instead of asserted
/// one by one, so that a negative control can ask whether anything at all was noticed.
/// </summary>
internal sealed class Comparison
{
    private readonly List<(string What, double Ratio, string Text)> _entries = [];

    /// <summary>The largest deviation as a part of what is allowed; infinite where a number is NaN.</summary>
    public double Worst => _entries.Max(e => e.Ratio);

    /// <summary>Whether every deviation is allowed.</summary>
    public bool Agrees => _entries.Count > 0 && Worst <= 1;

    /// <summary>Every entry may deviate by <paramref name="allowed"/>.</summary>
    public void Absolute(string what, IReadOnlyList<double> expected, IReadOnlyList<double> actual, double allowed)
        => Elementwise(what, expected, actual, 0, allowed);

    /// <summary>
    /// Every entry may deviate by <paramref name="tolerance"/> times the largest expected entry, or
    /// times <paramref name="floor"/> if that is more.
    /// </summary>
    public void Relative(string what, IReadOnlyList<double> expected, IReadOnlyList<double> actual, double tolerance, double floor = 0)
        => Absolute(what, expected, actual, tolerance * Math.Max(floor, expected.Select(Math.Abs).DefaultIfEmpty(0).Max()));

    /// <inheritdoc cref="Relative(string, IReadOnlyList{double}, IReadOnlyList{double}, double, double)"/>
    public void Relative(string what, double[][] expected, double[][] actual, double tolerance, double floor = 0)
    {
        if (expected.Length != actual.Length)
            _entries.Add((what, double.PositiveInfinity, $"{actual.Length} rows instead of {expected.Length}"));
        else
            Relative(what, [.. expected.SelectMany(r => r)], [.. actual.SelectMany(r => r)], tolerance, floor);
    }

    /// <summary>Every entry may deviate by <paramref name="relative"/> times itself plus <paramref name="absolute"/>.</summary>
    public void Elementwise(string what, IReadOnlyList<double> expected, IReadOnlyList<double> actual, double relative, double absolute)
    {
        if (expected.Count != actual.Count)
        {
            _entries.Add((what, double.PositiveInfinity, $"{actual.Count} numbers instead of {expected.Count}"));
            return;
        }

        double worst = 0;
        string text = "";
        for (int i = 0; i < expected.Count; i++)
        {
            double allowed = relative * Math.Abs(expected[i]) + absolute;
            double deviation = Math.Abs(actual[i] - expected[i]);
            double ratio = deviation == 0 ? 0 : double.IsNaN(deviation) ? double.PositiveInfinity : deviation / allowed;
            if (ratio > worst)
            {
                worst = ratio;
                text = FormattableString.Invariant(
                    $"number {i} is {actual[i]:R} instead of {expected[i]:R}, {ratio:G3} times the allowed {allowed:G3}");
            }
        }

        _entries.Add((what, worst, text));
    }

    /// <summary>Fails the test if anything deviates by more than is allowed; else writes down how close it came.</summary>
    public void AssertAgrees(string name, TestContext context)
    {
        Assert.IsNotEmpty(_entries, $"{name}: nothing was compared");
        (string what, double ratio, string text) = _entries.MaxBy(e => e.Ratio);
        context.WriteLine(FormattableString.Invariant($"worst {ratio:G3} of the allowed: {what} of {name}"));
        string[] wrong = [.. _entries.Where(e => !(e.Ratio <= 1)).Select(e => $"{e.What}: {e.Text}")];
        if (wrong.Length > 0)
            Assert.Fail($"{name}: {string.Join("; ", wrong)}");
    }
}
