using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>A comparison that cannot fail proves nothing: every wrong convention must be noticed.</summary>
internal static class NegativeControl
{
    /// <summary>
    /// Runs a wrong convention on all committed files of a kind and fails if they all agree with it. <paramref name="compare"/> gives null
    /// for a file that the convention does not touch.
    /// </summary>
    public static void MustBeNoticed(string kind, string convention, Func<FixtureFile, Comparison?> compare)
    {
        string folder = FixtureFile.CommittedFolder;
        Comparison[] comparisons = [.. FixtureFile.NamesOfKind(kind, folder)
            .Select(row => compare(FixtureFile.Read((string)row[0], folder)))
            .OfType<Comparison>()];
        Assert.IsNotEmpty(comparisons, $"No file of kind '{kind}' depends on: {convention}.");
        Assert.IsTrue(comparisons.Any(c => !c.Agrees), $"None of the {comparisons.Length} files that depend on it noticed: {convention}.");
    }
}
