using System.Text.RegularExpressions;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>
/// Lists in the documents are complete and true: the tree of docs/architecture.md, the benchmarks of CONTRIBUTING.md, the names in tables.
/// </summary>
[TestClass]
public sealed partial class ListsTests
{
    /// <summary>Folders whose subfolders are all named; of the library, its layers.</summary>
    private static readonly string[] s_complete = ["src", "src/MLNetBatchNorm", "tests", "samples", "build", "docs"];

    private static readonly string[] s_madeByBuilds = ["bin", "obj"];

    [TestMethod]
    public void Architecture_Tree_IsThatOfTheRepository()
    {
        string root = PackageTests.Repository();
        List<string> named = Tree(File.ReadAllText(Path.Combine(root, "docs", "architecture.md")).ReplaceLineEndings("\n"));
        CollectionAssert.IsSubsetOf(s_complete, named, "The tree was not found in docs/architecture.md.");
        string[] invented = [.. named.Where(folder => !Directory.Exists(Path.Combine(root, folder)))];
        Assert.IsEmpty(invented, $"docs/architecture.md names folders that are not there: {string.Join(", ", invented)}.");

        string[] folders = [.. s_complete.SelectMany(parent => Directory.GetDirectories(Path.Combine(root, parent))
            .Select(Path.GetFileName).Where(name => !s_madeByBuilds.Contains(name) && HoldsFiles(Path.Combine(root, parent, name!)))
            .Select(name => $"{parent}/{name}"))];
        string[] absent = [.. folders.Except(named)];
        Assert.IsEmpty(absent, $"The tree in docs/architecture.md lacks {string.Join(", ", absent)}.");
    }

    [TestMethod]
    public void Tree_OfAText_HasTheFoldersWithTheirParents()
    {
        List<string> folders = Tree(
            "## The repository\n\n```\nsrc/   the packages\n  A/   a\n    B/  b\n  C/   c\ntests/   d\n  E/\n```\n");
        CollectionAssert.AreEqual(new[] { "src", "src/A", "src/A/B", "src/C", "tests", "tests/E" }, folders);
    }

    [TestMethod]
    public void Contributing_Benchmarks_AreThoseOfTheProgram()
    {
        string root = PackageTests.Repository();
        string line = File.ReadLines(Path.Combine(root, "CONTRIBUTING.md"))
            .Single(text => text.Contains("`bench help`", StringComparison.Ordinal));
        string list = line[line.IndexOf("all of them:", StringComparison.Ordinal)..];
        string[] listed = [.. Quoted().Matches(list).Select(verb => verb.Groups["name"].Value)];
        string program = File.ReadAllText(Path.Combine(root, "tests", "MLNetBatchNorm.Benchmarks", "Program.cs"));
        string[] verbs = [.. Verb().Matches(program).Select(verb => verb.Groups["name"].Value)];
        Assert.IsGreaterThan(5, verbs.Length);
        CollectionAssert.AreEquivalent(verbs, listed);
    }

    /// <summary>The contents in front of the guide are its chapters, in their order.</summary>
    [TestMethod]
    public void Guide_Contents_AreItsChapters()
    {
        string guide = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "guide.md")).ReplaceLineEndings("\n");
        string contents = guide[guide.IndexOf("\nContents:", StringComparison.Ordinal)..guide.IndexOf("\n## ", StringComparison.Ordinal)];
        string[] listed = [.. Anchor().Matches(contents).Select(link => link.Groups["anchor"].Value)];
        string[] chapters = [.. Chapter().Matches(guide).Select(chapter => string.Concat(
            chapter.Groups["title"].Value.ToLowerInvariant().Replace(' ', '-').Where(c => char.IsLetterOrDigit(c) || c == '-')))];
        Assert.IsGreaterThan(10, chapters.Length);
        CollectionAssert.AreEqual(chapters, listed);
    }

    /// <summary>What the tables for users of other libraries call ours, in their column "here", is called so.</summary>
    [TestMethod]
    [DataRow("from-trees.md")]
    [DataRow("from-keras-pytorch.md")]
    public void Tables_OfOtherLibraries_NameWhatThereIs(string document)
    {
        Type[] options = [
            typeof(BatchNormNetworkBinaryTrainer.Options), typeof(BatchNormNetworkMulticlassTrainer.Options),
            typeof(BatchNormNetworkRegressionTrainer.Options), typeof(BatchNormNetworkMultiOutputOptions),
            typeof(BatchNormalizationPlacement)];
        Type[] types = typeof(BatchNormNetworkOptions).Assembly.GetExportedTypes();
        HashSet<string> known = [
            .. options.SelectMany(type => type.GetMembers()).Select(member => member.Name), .. types.Select(type => type.Name),
            .. types.SelectMany(type => type.GetMethods()).Select(method => method.Name),
            "ConvertBatchNormNetworkToOnnx", "BinaryClassification", "MulticlassClassification", "Regression", "MLContext", "Transform",
            "PredictionEngine",
            "PermutationFeatureImportance", "OneHotHashEncoding"];

        string[] names = [.. Here(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", document)).ReplaceLineEndings("\n"))];
        Assert.IsGreaterThan(12, names.Length);
        string[] invented = [.. names.Where(name => !known.Contains(name))];
        Assert.IsEmpty(invented, $"docs/{document} names what is not there: {string.Join(", ", invented)}.");
    }

    [TestMethod]
    public void Here_OfAText_AreTheNamesInThatColumn() => CollectionAssert.AreEqual(
        new[] { "HiddenUnits", "SgdOptimizer" },
        Here(
            "| theirs | here | x |\n| --- | --- | --- |\n"
            + "| `Dense` | `HiddenUnits = [1]`, `new SgdOptimizer()`, `mlContext.Log` | `Other` |\n").ToArray());

    /// <summary>The names that begin with a capital, each at the beginning of its code, in the columns whose head is "here".</summary>
    private static IEnumerable<string> Here(string markdown)
    {
        int column = -1;
        foreach (string line in markdown.Split('\n'))
        {
            string[] cells = line.StartsWith('|') ? [.. line.Split('|').Select(cell => cell.Trim())] : [];
            if (cells.Length == 0 || cells.Contains("here"))
            {
                column = Array.IndexOf(cells, "here");
                continue;
            }

            foreach (Match code in column < 0 ? [] : Code().Matches(cells[column]).AsEnumerable())
                yield return code.Groups["name"].Value;
        }
    }

    /// <summary>The folders of the first block under "The repository", each with its parents, which are indented by two less.</summary>
    private static List<string> Tree(string document)
    {
        string block = RepositoryBlock().Match(document).Groups["tree"].Value;
        List<string> path = [], folders = [];
        foreach (Match line in TreeLine().Matches(block))
        {
            int depth = line.Groups["indent"].Length / 2;
            path.RemoveRange(depth, path.Count - depth);
            path.Add(line.Groups["name"].Value);
            folders.Add(string.Join('/', path));
        }

        return folders;
    }

    /// <summary>A folder that only builds have left behind is none of the repository.</summary>
    private static bool HoldsFiles(string folder) => Directory.EnumerateFiles(folder).Any()
        || Directory.GetDirectories(folder).Any(child => !s_madeByBuilds.Contains(Path.GetFileName(child)) && HoldsFiles(child));

    [GeneratedRegex("^## The repository\n\n```\n(?<tree>.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex RepositoryBlock();

    [GeneratedRegex("^(?<indent> *)(?<name>[^ /\n]+)/( |$)", RegexOptions.Multiline)]
    private static partial Regex TreeLine();

    [GeneratedRegex("\\(#(?<anchor>[^)]+)\\)")]
    private static partial Regex Anchor();

    [GeneratedRegex("^## (?<title>.+)$", RegexOptions.Multiline)]
    private static partial Regex Chapter();

    [GeneratedRegex("`(?<name>[a-z-]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("`(new )?(?<name>[A-Z]\\w*)[^`]*`")]
    private static partial Regex Code();

    [GeneratedRegex("case \"(?<name>[a-z-]+)\":")]
    private static partial Regex Verb();
}
