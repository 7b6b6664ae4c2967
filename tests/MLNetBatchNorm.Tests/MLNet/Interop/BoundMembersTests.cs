using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Rules;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>
/// The closed members of ML.NET that this package is bound to are a committed list: it neither grows unnoticed nor breaks unnoticed.
/// </summary>
[TestClass]
public sealed class BoundMembersTests
{
    /// <summary>Set to 1, the list is written anew instead of compared.</summary>
    private const string RenewVariable = "BATCHNORM_RENEW_BOUND_MEMBERS";

    private static readonly string s_library = typeof(BatchNormalizationStatistics).Assembly.Location;

    private static string ListPath =>
        Path.Combine(Repository.Root, "tests", "MLNetBatchNorm.Tests", "MLNet", "Interop", "bound-members.txt");

    [TestMethod]
    public void Library_BoundMembers_AreTheCommittedOnes()
    {
        IReadOnlyList<string> found = BoundMembers.Find(s_library, out IReadOnlyList<string> unresolved);
        Assert.IsEmpty(unresolved, $"ML.NET has no longer:\n{string.Join("\n", unresolved)}");
        if (Environment.GetEnvironmentVariable(RenewVariable) == "1")
        {
            File.WriteAllText(ListPath, string.Join("\n", found) + "\n");
            Assert.Inconclusive(
                $"Wrote {found.Count} lines to {ListPath}. Look at the difference, commit it, and run without {RenewVariable}.");
        }

        string? difference = Difference(File.Exists(ListPath) ? File.ReadAllLines(ListPath) : [], found);

        Assert.IsNull(
            difference,
            $"The library is bound to other closed members of ML.NET than {Path.GetFileName(ListPath)} lists:\n{difference}\n"
            + "Fewer is better: is there a public way? If the change is meant, renew the list with\n"
            + $"  {RenewVariable}=1 dotnet test -c Release --project tests/MLNetBatchNorm.Tests"
            + " -- --filter \"FullyQualifiedName~BoundMembers\"");
    }

    [TestMethod]
    public void Find_Library_SeesEveryKindOfBinding()
    {
        IReadOnlyList<string> found = BoundMembers.Find(s_library, out _);

        foreach (string line in new[]
        {
            "Microsoft.ML.Core Microsoft.ML.Runtime.Contracts (the type itself) internal",
            "Microsoft.ML.Data Microsoft.ML.Data.OneToOneTransformerBase .ctor(IHost, ValueTuple`2[]) private protected",
            "Microsoft.ML.Data Microsoft.ML.Model.OnnxConverter.ISaveAsOnnx SaveAsOnnx(OnnxContext) implemented",
            "Microsoft.ML.Data Microsoft.ML.Model.OnnxConverter.OnnxContext AddInitializer(IEnumerable<Double>, "
            + "IEnumerable<Int64>, String, Boolean) public",
            "Microsoft.ML.Data Microsoft.ML.Data.OneToOneTransformerBase ColumnPairs internal",
            "Microsoft.ML.Data Microsoft.ML.Data.RowToRowTransformerBase SaveModel(ModelSaveContext) private protected overridden",
        })
        {
            CollectionAssert.Contains(found.ToArray(), line);
        }

        Assert.IsFalse(found.Any(l => l.Contains("Microsoft.ML.MLContext ", StringComparison.Ordinal)), "A public type is listed.");
    }

    [TestMethod]
    public void Difference_ListsThatDiffer_ShowsWhatCameAndWent()
    {
        Assert.IsNull(Difference(["a", "b"], ["a", "b"]));
        Assert.AreEqual("- b\n+ c", Difference(["a", "b"], ["a", "c"]));
    }

    private static string? Difference(IReadOnlyCollection<string> committed, IReadOnlyCollection<string> found)
    {
        string[] lines = [.. committed.Except(found).Select(l => "- " + l), .. found.Except(committed).Select(l => "+ " + l)];
        return lines.Length == 0 ? null : string.Join("\n", lines);
    }
}
