using System.Text.RegularExpressions;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using Mono.Cecil;

namespace MLNetBatchNorm.Tests.Rules;

/// <summary>
/// Kernels know nothing, rows know kernels, encoding knows rows, the network knows encoding, training and persistence
/// know the network, and only MLNet knows ML.NET.
/// </summary>
[TestClass]
public sealed partial class DependencyRuleTests
{
    private const string LibraryNamespace = "MLNetBatchNorm";
    private const string WrongNamespace = "MLNetBatchNorm.Tests.Rules.Wrong";

    [TestMethod]
    public void Library_CompiledTypes_KeepToTheRule()
    {
        using ModuleDefinition module = ModuleDefinition.ReadModule(typeof(BatchNormalizationStatistics).Assembly.Location);

        IReadOnlyCollection<string> violations = DependencyRule.Violations(
            module, LibraryNamespace, DependencyRule.LayersOfSources(Repository.LibrarySources));

        Assert.IsEmpty(violations, string.Join("\n", violations));
    }

    [TestMethod]
    public void Library_UsingLines_KeepToTheRule()
    {
        IReadOnlyCollection<string> violations = DependencyRule.UsingViolations(Repository.LibrarySources, LibraryNamespace);

        Assert.IsEmpty(violations, string.Join("\n", violations));
    }

    /// <summary>docs/architecture.md has a table of the rule.</summary>
    [TestMethod]
    public void Architecture_StatesTheRule()
    {
        string document = File.ReadAllText(Path.Combine(Repository.Root, "docs", "architecture.md"));
        string[] stated = [.. Row().Matches(document)
            .Select(row => $"{row.Groups["layer"].Value}: {row.Groups["used"].Value.Replace("`", "")}")
            .Order(StringComparer.Ordinal)];

        string[] enforced =
        [
            .. DependencyRule.Allowed.Select(
                rule => $"{rule.Key}: {(rule.Value.Length == 0 ? "none" : string.Join(", ", rule.Value.Order(StringComparer.Ordinal)))}")
                .Order(StringComparer.Ordinal),
        ];
        CollectionAssert.AreEqual(enforced, stated);
    }

    /// <summary>So that the two tests above cannot pass because they find nothing to look at.</summary>
    [TestMethod]
    public void Library_Layers_AreFound()
    {
        IReadOnlyDictionary<string, string> layers = DependencyRule.LayersOfSources(Repository.LibrarySources);

        Assert.AreEqual("Network", layers["MLNetBatchNorm.BatchNormalizationStatistics"]);
        Assert.AreEqual("MLNet", layers["MLNetBatchNorm.BatchNormalizeEstimator"]);
        Assert.AreEqual("MLNet", layers["Microsoft.ML.BatchNormalizationCatalog"]);
        string[] folders = layers.Values.Distinct().Except(DependencyRule.Allowed.Keys).ToArray();
        Assert.IsEmpty(folders, $"Folders that are no layer: {string.Join(", ", folders)}");
    }

    [TestMethod]
    public void Violations_WrongUses_AreNamed()
    {
        using ModuleDefinition module = ModuleDefinition.ReadModule(typeof(DependencyRuleTests).Assembly.Location);
        var layers = new Dictionary<string, string> { [$"{WrongNamespace}.PlainTypeOfNetwork"] = "Network" };

        IReadOnlyCollection<string> violations = DependencyRule.Violations(module, WrongNamespace, layers);

        string[] expected =
        [
            $"Kernels: {WrongNamespace}.Kernels.InASignature uses {WrongNamespace}.Network.Right of Network",
            $"Kernels: {WrongNamespace}.Kernels.InTheBodyOfALambda uses {WrongNamespace}.Network.Right of Network",
            $"Kernels: {WrongNamespace}.Kernels.OfAPlainType uses {WrongNamespace}.PlainTypeOfNetwork of Network",
            $"{WrongNamespace}.InNoLayer is in no known layer: put it below one of {string.Join(", ", DependencyRule.Allowed.Keys)}",
            $"Network: {WrongNamespace}.Network.OfMLNet uses Microsoft.ML.MLContext of Microsoft.ML.Data",
            $"Network: {WrongNamespace}.Network.OfTraining uses {WrongNamespace}.Training.Right of Training",
            $"Persistence: {WrongNamespace}.Persistence.AsATypeArgument uses {WrongNamespace}.MLNet.Right of MLNet",
        ];
        Assert.AreEqual(string.Join("\n", expected), string.Join("\n", violations));
    }

    [TestMethod]
    public void UsingViolations_WrongLines_AreNamed()
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        try
        {
            foreach ((string path, string text) in new[]
            {
                ("Kernels/Wrong.cs", "using System;\nusing MLNetBatchNorm.Network;\nusing Microsoft.ML;\n"),
                ("Training/Wrong.cs", "using static MLNetBatchNorm.MLNet.Something;\nusing Alias = Microsoft.ML.Data.VBuffer<float>;\n"),
                ("Training/Right.cs",
                    "using System.Text;\nusing MLNetBatchNorm.Kernels;\nusing MLNetBatchNorm.Network;\nusing MLNetBatchNorm;\n"),
                ("MLNet/Right.cs", "using Microsoft.ML;\nusing MLNetBatchNorm.Training;\n"),
            })
            {
                Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(folder, path))!);
                File.WriteAllText(Path.Combine(folder, path), text);
            }

            string[] violations = DependencyRule.UsingViolations(folder, LibraryNamespace).Select(v => v.Replace('\\', '/')).ToArray();

            CollectionAssert.AreEqual(
                new[]
                {
                    "Kernels/Wrong.cs: using MLNetBatchNorm.Network",
                    "Kernels/Wrong.cs: using Microsoft.ML",
                    "Training/Wrong.cs: using MLNetBatchNorm.MLNet.Something",
                    "Training/Wrong.cs: using Microsoft.ML.Data.VBuffer",
                },
                violations);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex(@"^\| `(?<layer>\w+)` \| (?<used>none|`\w+`(, `\w+`)*) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
