using System.Text.RegularExpressions;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.Rules;

/// <summary>Rules for every file of the repository. Each has a case that breaks it, to show that the search finds something.</summary>
[TestClass]
public sealed partial class RepositoryFilesTests
{
    private static readonly (string Path, string Text)[] s_files = [.. RepositoryFiles.TextFiles(Repository.Root)];

    [TestMethod]
    public void TextFiles_AreFound()
    {
        string[] paths = [.. s_files.Select(file => file.Path)];
        CollectionAssert.IsSubsetOf(
            new[] { "README.md", ".ci/run", "build/build.sh", "src/MLNetBatchNorm/MLNetBatchNorm.csproj", "samples/data/digits.csv" },
            paths);
        Assert.IsEmpty(paths.Where(path => path.Contains("/obj/") || path.EndsWith(".png")));
    }

    [TestMethod]
    public void TextFiles_NameNoPackageRegistry() => AssertNone(file => RepositoryFiles.RegistryHosts(file.Text));

    [TestMethod]
    public void RegistryHosts_OfATextThatNamesOne_AreFound() => CollectionAssert.AreEqual(
        new[] { "nu" + "get.org" }, RepositoryFiles.RegistryHosts("<add key=\"feed\" value=\"https://api.Nu" + "Get.org/v3/index.json\" />").ToArray());

    [TestMethod]
    public void TextFiles_NameNoPathOfAMachine() => AssertNone(file => RepositoryFiles.MachinePaths(file.Text));

    [TestMethod]
    public void MachinePaths_OfATextThatNamesSome_AreFound() => CollectionAssert.AreEqual(
        new[] { "/home" + "/ada/data.csv", "/work" + "/clone", @"C:\Users" + @"\ada" },
        RepositoryFiles.MachinePaths("see /home" + "/ada/data.csv, '/work" + @"/clone' or C:\Users" + @"\ada\x; not src/home/x, https://host.org/home/x, /usr/lib/x").ToArray());

    [TestMethod]
    public void SourceFiles_ThatAreLong_SayWhy() => AssertNone(
        file => file.Path.EndsWith(".cs") && !RepositoryFiles.IsShortOrSaysWhyNot(file.Text)
            ? [$"over {RepositoryFiles.LinesWithoutAReason} lines, and its first comment has no line with '{RepositoryFiles.ReasonMark}'"]
            : []);

    [TestMethod]
    public void IsShortOrSaysWhyNot_JudgesLengthAndFirstComment()
    {
        string longText = string.Concat(Enumerable.Repeat("x\n", RepositoryFiles.LinesWithoutAReason));
        Assert.IsTrue(RepositoryFiles.IsShortOrSaysWhyNot("using System;\n"));
        Assert.IsFalse(RepositoryFiles.IsShortOrSaysWhyNot("using System;\n" + longText));
        Assert.IsFalse(RepositoryFiles.IsShortOrSaysWhyNot("// What it is.\nx\n// Length: in the second comment.\n" + longText));
        Assert.IsTrue(
            RepositoryFiles.IsShortOrSaysWhyNot("using System;\n\n/// What it is.\n/// Length: one table of all cases.\n" + longText));
    }

    [TestMethod]
    public void SourceFiles_HaveNoLongLines() => AssertNone(
        file => file.Path.EndsWith(".cs") ? RepositoryFiles.LongLines(file.Text) : []);

    [TestMethod]
    public void LongLines_OfATextThatHasSome_AreFound()
    {
        string longest = new('x', RepositoryFiles.LongestLine);
        CollectionAssert.AreEqual(
            new[] { "line 2 has 141 characters, more than 140" },
            RepositoryFiles.LongLines($"{longest}\n{longest}x\n// https://host.org/{longest}\n/// [a](xref:{longest})\n").ToArray());
    }

    [TestMethod]
    public void SourceFiles_OfThePackages_HoldTheTypeOfTheirName() => AssertNone(
        file => file.Path.StartsWith("src/") && file.Path.EndsWith(".cs") ? RepositoryFiles.MisplacedTypes(file.Path, file.Text) : []);

    [TestMethod]
    public void MisplacedTypes_OfAFileThatHasSome_AreFound() => CollectionAssert.AreEqual(
        new[] { "Second", "Third", "Fourth" },
        RepositoryFiles.MisplacedTypes(
            "src/First.Part.cs",
            "public static partial class First\n{\n    private sealed class Inner;\n}\ninternal readonly record struct Second(int A);\n"
            + "internal enum Third\n{\n}\ninternal delegate void Fourth(int a);\n").ToArray());

    [TestMethod]
    public void TextFiles_HaveUnixLineEnds() =>
        AssertNone(file => file.Text.Contains('\r') && !file.Path.EndsWith(".sln") ? ["has a carriage return"] : []);

    [TestMethod]
    public void Documents_LinksResolve() => AssertNone(file => file.Path.EndsWith(".md")
        ? RepositoryFiles.BrokenLinks(Path.Combine(Repository.Root, Path.GetDirectoryName(file.Path)!), file.Text)
        : []);

    [TestMethod]
    public void BrokenLinks_OfATextThatHasSome_AreFound() => CollectionAssert.AreEqual(
        new[] { "docs/none.md" },
        RepositoryFiles.BrokenLinks(Repository.Root, "[a](README.md) [b](docs/none.md#part) [c](https://host.org/x) [d](#here) [e](docs/math.md#7-numerics)").ToArray());

    [TestMethod]
    public void Documents_LinksToHeadingsResolve() => AssertNone(file => file.Path.EndsWith(".md")
        ? RepositoryFiles.BrokenAnchors(Path.Combine(Repository.Root, Path.GetDirectoryName(file.Path)!), file.Text)
        : []);

    [TestMethod]
    public void BrokenAnchors_OfATextThatHasSome_AreFound() => CollectionAssert.AreEqual(
        new[] { "docs/math.md#7-nonsense", "#there" },
        RepositoryFiles.BrokenAnchors(
            Repository.Root,
            "# Is it *here*, or not?\n[a](docs/math.md#7-nonsense) [b](docs/math.md#7-numerics) [c](#is-it-here-or-not) [d](#there)\n"
            + "[e](https://host.org/x#y) [f](docs/none.md#z)\n```\n# there\n```\n").ToArray());

    [TestMethod]
    public void SourceFiles_CiteWhatThereIs() => AssertNone(
        file => file.Path.EndsWith(".cs") ? RepositoryFiles.AbsentCitations(Repository.Root, file.Text) : []);

    [TestMethod]
    public void AbsentCitations_OfATextThatHasSome_AreFound() => CollectionAssert.AreEqual(
        new[] { "docs/" + "none.md", "NONE" + ".md" },
        RepositoryFiles.AbsentCitations(
            Repository.Root,
            "// docs/" + "none.md, docs/math.md\n/// NONE" + ".md, README.md, PACKAGE.md\nvar x = \"docs/other.md\";\n").ToArray());

    /// <summary>Each section that is written to models is described.</summary>
    [TestMethod]
    public void ModelFormat_DescribesEverySection()
    {
        string document = s_files.Single(file => file.Path == "docs/model-format.md").Text;
        string[] tags = [.. s_files.Where(file => file.Path.StartsWith("src/") && file.Path.EndsWith(".cs"))
            .SelectMany(file => Tag().Matches(file.Text).Select(tag => tag.Groups["tag"].Value)).Distinct()];
        Assert.IsGreaterThan(15, tags.Length);
        string[] absent = [.. tags.Where(tag => !document.Contains($"| `{tag}` |", StringComparison.Ordinal))];
        Assert.IsEmpty(absent, string.Join(", ", absent));
    }

    [TestMethod]
    public void Documents_OfTheDocsFolder_AreInItsIndex()
    {
        string index = s_files.Single(file => file.Path == "docs/README.md").Text;
        AssertNone(file => file.Path.StartsWith("docs/") && file.Path.EndsWith(".md") && file.Path != "docs/README.md"
            && !index.Contains($"]({file.Path["docs/".Length..]})")
            ? ["is not in docs/README.md"]
            : []);
    }

    /// <summary>A project that is in no solution is neither built nor tested by the commands of the README.</summary>
    [TestMethod]
    public void Solution_HasEveryProject()
    {
        string solution = s_files.Single(file => file.Path == "MLNetBatchNorm.sln").Text.Replace('\\', '/');
        AssertNone(file => file.Path.EndsWith(".csproj") && !solution.Contains($"\"{file.Path}\"") ? ["is not in MLNetBatchNorm.sln"] : []);
    }

    private static void AssertNone(Func<(string Path, string Text), IEnumerable<string>> findings)
    {
        string[] all = [.. s_files.SelectMany(file => findings(file).Select(finding => $"{file.Path}: {finding}"))];
        Assert.IsEmpty(all, string.Join("\n", all));
    }

    [GeneratedRegex("const string \\w*Tag = \"(?<tag>.{4})\"")]
    private static partial Regex Tag();
}
