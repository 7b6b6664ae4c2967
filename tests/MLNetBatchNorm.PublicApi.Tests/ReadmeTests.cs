using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The C# that README.md and the documents show is what runs.</summary>
[TestClass]
public sealed partial class ReadmeTests
{
    private static string Readme => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md")).ReplaceLineEndings("\n");

    /// <summary>Of README.md and every document in docs: each block is, letter by letter, a region of a test that runs.</summary>
    [TestMethod]
    public void CSharpBlocks_AreTheRegionsThatRun()
    {
        Dictionary<string, (string Code, string File)> regions = [];
        foreach (string file in ReadExamples())
        {
            foreach ((string name, string code) in Regions(file))
                regions.Add(name, (code, file));
        }

        var unused = new HashSet<string>(regions.Keys);
        foreach ((string document, string text) in Documents())
        {
            foreach ((string name, string code) in Blocks(text))
            {
                Assert.IsTrue(
                    regions.TryGetValue(name, out (string Code, string File) region),
                    $"Block '{name}' of {document} is no region of an *Examples.cs.");
                unused.Remove(name);
                (string[] usings, string body) = SplitUsings(code);
                Assert.AreEqual(region.Code, body, $"Block '{name}' of {document} is not the region of that name.");
                foreach (string line in usings)
                    StringAssert.Contains(region.File, line + "\n", $"Block '{name}' of {document}");
            }
        }

        foreach ((string member, string code) in ReferenceBlocks())
        {
            string? name = regions.FirstOrDefault(region => region.Value.Code == code).Key;
            Assert.IsNotNull(name, $"The example of {member} is no region of an *Examples.cs:\n{code}");
            unused.Remove(name);
        }

        Assert.IsEmpty(unused, $"Regions that no document shows: {string.Join(", ", unused)}");
    }

    [TestMethod]
    public void Documents_AreFound()
        => CollectionAssert.IsSubsetOf(
            new[] { "README.md", "onnx.md", "report.md", "scale.md" }, Documents().Select(document => document.Name).ToArray());

    [TestMethod]
    public void CSharpBlocks_WithoutAName_AreNotOverlooked()
    {
        Assert.ThrowsExactly<FormatException>(() => Blocks("text\n\n```csharp\nvar x = 1;\n```\n"));
        Assert.AreEqual(("A", "var x = 1;\n"), Blocks("<!-- code: A -->\n```csharp\nvar x = 1;\n```\n").Single());
        Assert.IsEmpty(Blocks("<!-- not run: needs a browser -->\n```csharp\nvar x = 1;\n```\n"));
    }

    /// <summary>Whoever copies a block needs the namespaces of our types that it names.</summary>
    [TestMethod]
    public void CSharpBlocks_ThatNameOurTypes_HaveTheirUsing()
    {
        string[] wrong = [.. Documents().SelectMany(document => Blocks(document.Text).SelectMany(
            block => MissingUsings(block.Code).Select(u => $"{document.Name}, '{block.Name}': {u}")))];
        Assert.IsEmpty(wrong, string.Join("\n", wrong));

        CollectionAssert.AreEqual(
            new[] { "using MLNetBatchNorm;" },
            MissingUsings("using Microsoft.ML;\n\nvar options = new BatchNormNetworkBinaryTrainer.Options();\n").ToArray());
        Assert.IsEmpty(MissingUsings("using MLNetBatchNorm;\n\nvar optimizer = new SgdOptimizer();\n"));
        Assert.IsEmpty(MissingUsings("var trainer = mlContext.Regression.Trainers.BatchNormNetwork();       // not Optimizer\n"));
    }

    /// <summary>CI takes the two commands from the README; people copy them.</summary>
    [TestMethod]
    public void Commands_StandOnLinesOfTheirOwn()
    {
        string[] lines = Readme.Split('\n');
        CollectionAssert.Contains(lines, "dotnet run -c Release --project samples/QuickStart");
        CollectionAssert.Contains(lines, "dotnet test -c Release");
    }

    /// <summary>
    /// The blocks marked <c>csharp</c>, each with the name in the comment on the line before it; those
    /// marked <c>not run</c>, with a reason, are left out.
    /// </summary>
    internal static List<(string Name, string Code)> Blocks(string markdown)
    {
        var blocks = new List<(string, string)>();
        foreach (Match match in CSharpBlock().Matches(markdown))
        {
            if (match.Groups["reason"].Success)
                continue;
            if (!match.Groups["name"].Success)
                throw new FormatException($"This block has no <!-- code: Name --> before it, so nothing runs it:\n{match.Value}");
            blocks.Add((match.Groups["name"].Value, match.Groups["code"].Value));
        }

        return blocks;
    }

    /// <summary>The regions of a C# file by name, moved to the left margin.</summary>
    private static Dictionary<string, string> Regions(string source) => Region().Matches(source).ToDictionary(
        match => match.Groups["name"].Value,
        match => AtTheMargin(match.Groups["code"].Value));

    /// <summary>The code of the examples in the documentation of members, moved to the left margin.</summary>
    private static IEnumerable<(string Member, string Code)> ReferenceBlocks() =>
        from type in new[] { typeof(BatchNormNetworkOptions), typeof(Reporting.TrainingReport), typeof(BatchNormNetworkOnnxOptions) }
        from member in XDocument.Load(Path.ChangeExtension(type.Assembly.Location, ".xml")).Descendants("member")
        from code in member.Descendants("example").Descendants("code")
        select (member.Attribute("name")!.Value, AtTheMargin(code.Value.ReplaceLineEndings("\n").Trim('\n')));

    private static string AtTheMargin(string code)
    {
        string[] lines = code.TrimEnd().Split('\n');
        int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Concat(lines.Select(line => (line.Length > 0 ? line[indent..] : "") + "\n"));
    }

    private static IEnumerable<string> MissingUsings(string code)
    {
        string withoutComments = Comment().Replace(code, "");
        return new[]
            {
                typeof(BatchNormNetworkOptions), typeof(Reporting.TrainingReport), typeof(BatchNormNetworkOnnxOptions),
                typeof(Clustering.TrainingCluster),
            }
            .SelectMany(type => type.Assembly.GetExportedTypes())
            .Where(type => type.Namespace!.StartsWith("MLNetBatchNorm", StringComparison.Ordinal) && !type.IsNested)
            .Where(type => Regex.IsMatch(withoutComments, $@"(?<!\.)\b{Regex.Escape(type.Name.Split('`')[0])}\b"))
            .Select(type => $"using {type.Namespace};").Distinct().Where(line => !code.Contains(line, StringComparison.Ordinal));
    }

    private static (string[] Usings, string Body) SplitUsings(string code)
    {
        string[] lines = code.Split('\n');
        int count = lines.TakeWhile(line => UsingDirective().IsMatch(line)).Count();
        return (lines[..count], string.Join('\n', lines[count..]).TrimStart('\n'));
    }

    private static IEnumerable<(string Name, string Text)> Documents() =>
        Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "docs"), "*.md")
        .Select(path => (Path.GetFileName(path), File.ReadAllText(path).ReplaceLineEndings("\n"))).Prepend(("README.md", Readme));

    private static IEnumerable<string> ReadExamples()
    {
        foreach (string name in typeof(ReadmeTests).Assembly.GetManifestResourceNames().Where(
            name => name.EndsWith("Examples.cs", StringComparison.Ordinal)))
        {
            using Stream stream = typeof(ReadmeTests).Assembly.GetManifestResourceStream(name)!;
            yield return new StreamReader(stream).ReadToEnd().ReplaceLineEndings("\n");
        }
    }

    [GeneratedRegex(@"(<!-- (code: (?<name>\w+)|not run: (?<reason>[^>]+)) -->\n)?```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex(@"^ *#region (?<name>\w+)\n(?<code>.*?)^ *#endregion", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Region();

    [GeneratedRegex("//.*")]
    private static partial Regex Comment();

    [GeneratedRegex(@"^using [\w.]+;$")]
    private static partial Regex UsingDirective();
}
