using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.PublicApi.Tests;

/// <summary>The packages as they would be published: what is in them, and that a new project outside the repository can use them.</summary>
[TestClass]
public sealed partial class PackageTests
{
    private const string Version = "0.1.0";
    private const string Main = "MLNetBatchNorm";
    private const string Onnx = "MLNetBatchNorm.Onnx";
    private const string Report = "MLNetBatchNorm.Report";

    private const string Orleans = "MLNetBatchNorm.Orleans";

    private static readonly string[] s_names = [Main, Onnx, Report, Orleans];

    private static string s_folder = "";

    private static string Packed => Path.Combine(s_folder, "packed");

    [ClassInitialize]
    public static void Pack(TestContext _)
    {
        s_folder = Directory.CreateTempSubdirectory("batchnorm-packages-").FullName;
        string root = Repository();
        // The tests were built with the projects: bin/CONFIGURATION/FRAMEWORK.
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        foreach (string name in s_names)
        {
            DotnetCommand.Run(
                root, null, "pack", Path.Combine("src", name), "--no-build", "--configuration", configuration, "--output", Packed);
        }
    }

    [ClassCleanup]
    public static void Clean() => Directory.Delete(s_folder, recursive: true);

    /// <summary>Above all none of the copies of ML.NET's assemblies with opened members, against which the library is compiled.</summary>
    [TestMethod]
    [DataRow(Main)]
    [DataRow(Onnx)]
    [DataRow(Report)]
    [DataRow(Orleans)]
    public void Package_HoldsTheseFilesAndNoOthers(string name)
    {
        CollectionAssert.AreEquivalent(
            new[]
            {
                $"{name}.nuspec", "LICENSE", "THIRD-PARTY-NOTICES.txt", "icon.png", "PACKAGE.md", $"lib/net10.0/{name}.dll",
                $"lib/net10.0/{name}.xml",
            },
            Entries($"{name}.{Version}.nupkg"));
        CollectionAssert.AreEquivalent(new[] { $"{name}.nuspec", $"lib/net10.0/{name}.pdb" }, Entries($"{name}.{Version}.snupkg"));
    }

    [TestMethod]
    [DataRow(Main, "Microsoft.ML [5.0.1, 6.0.0)", "System.Numerics.Tensors 10.0.15")]
    [DataRow(
        Onnx, "Google.Protobuf 3.36.2", $"{Main} [{Version}]", "Microsoft.ML [5.0.1, 6.0.0)", "System.Numerics.Tensors 10.0.15")]
    [DataRow(
        Report, $"{Main} {Version}", "ScottPlot 5.1.59", "Spectre.Console 0.57.2",
        "SkiaSharp.NativeAssets.Linux.NoDependencies 3.119.4", "HarfBuzzSharp.NativeAssets.Linux 8.3.1.5",
        "Microsoft.ML [5.0.1, 6.0.0)", "System.Numerics.Tensors 10.0.15", "SkiaSharp 3.119.4", "SkiaSharp.HarfBuzz 3.119.4")]
    [DataRow(
        Orleans, $"{Main} {Version}", "Microsoft.Orleans.Client 10.4.2", "Microsoft.Orleans.Clustering.Redis 10.4.2",
        "Microsoft.Orleans.Server 10.4.2", "Microsoft.Extensions.ObjectPool 10.0.15", "Microsoft.ML [5.0.1, 6.0.0)",
        "StackExchange.Redis 2.13.17", "System.Numerics.Tensors 10.0.15")]
    public void Package_SaysWhatItIs(string name, params string[] dependencies)
    {
        XElement metadata = XDocument.Parse(ReadText($"{name}.{Version}.nupkg", $"{name}.nuspec")).Root!.Elements().Single();
        string? Value(string element) => metadata.Elements().SingleOrDefault(e => e.Name.LocalName == element)?.Value;
        Assert.AreEqual(
            (name, Version, "MIT", "icon.png", "PACKAGE.md"),
            (Value("id"), Value("version"), Value("license"), Value("icon"), Value("readme")));
        Assert.IsFalse(string.IsNullOrWhiteSpace(Value("description")));
        Assert.IsFalse(string.IsNullOrWhiteSpace(Value("tags")));
        XElement repository = metadata.Elements().Single(e => e.Name.LocalName == "repository");
        Assert.AreEqual("git", repository.Attribute("type")?.Value);
        StringAssert.Matches(repository.Attribute("commit")?.Value, new("^[0-9a-f]{40}$"));
        string[] found = [.. metadata.Descendants().Where(e => e.Name.LocalName == "dependency")
            .Select(e => $"{e.Attribute("id")!.Value} {e.Attribute("version")!.Value}")];
        CollectionAssert.AreEquivalent(dependencies, found);
    }

    [TestMethod]
    [DataRow(Main)]
    [DataRow(Onnx)]
    [DataRow(Report)]
    [DataRow(Orleans)]
    public void Library_IsBuiltReproducibly_AndItsSymbolsFit(string name)
    {
        using var library = new PEReader(new MemoryStream(ReadBytes($"{name}.{Version}.nupkg", $"lib/net10.0/{name}.dll")));
        DebugDirectoryEntry[] entries = [.. library.ReadDebugDirectory()];
        Assert.Contains(DebugDirectoryEntryType.Reproducible, entries.Select(entry => entry.Type));

        CodeViewDebugDirectoryData link = library.ReadCodeViewDebugDirectoryData(
            entries.Single(entry => entry.Type == DebugDirectoryEntryType.CodeView));
        using MetadataReaderProvider symbols = Symbols(name);
        var id = new BlobContentId(symbols.GetMetadataReader().DebugMetadataHeader!.Id);
        Assert.AreEqual(link.Guid, id.Guid, "The symbols are not those of the library.");
    }

    /// <summary>On a build machine the sources' paths are relative to the repository, so that two machines build the same bytes.</summary>
    [TestMethod]
    [DataRow(Main)]
    [DataRow(Onnx)]
    [DataRow(Report)]
    [DataRow(Orleans)]
    public void Symbols_BuiltByCI_NameNoPathOfTheMachine(string name)
    {
        if (Environment.GetEnvironmentVariable("CI") != "true")
            Assert.Inconclusive("Only a build with CI=true in the environment maps paths; .ci/run is one.");

        using MetadataReaderProvider symbols = Symbols(name);
        MetadataReader reader = symbols.GetMetadataReader();
        string[] paths = [.. reader.Documents.Select(handle => reader.GetString(reader.GetDocument(handle).Name))];
        Assert.IsGreaterThan(3, paths.Length);
        string[] ofTheMachine = [.. paths.Where(path => !path.StartsWith("/_", StringComparison.Ordinal))];
        Assert.IsEmpty(
            ofTheMachine,
            $"If this folder was built without CI=true before, remove its bin and obj folders.\n{string.Join("\n", ofTheMachine)}");
    }

    /// <summary>
    /// The README's program, in a new console project with package references only: restored from the packed files, built, run.
    /// </summary>
    [TestMethod]
    public void NewProject_InstallsThePackages_TrainsSavesLoadsAndScores()
    {
        string project = Path.Combine(s_folder, "Consumer");
        WriteConsumer(project, s_names, "", """

            using (FileStream file = File.Create("tumours.onnx"))
                mlContext.Model.ConvertBatchNormNetworkToOnnx(loaded, file);
            Console.WriteLine($"ONNX file written: {new FileInfo("tumours.onnx").Length > 10_000}");
            MLNetBatchNorm.Reporting.TrainingReport.Write(mlContext, loaded, split.TestSet, "tumours.html", new() { PermutationCount = 0 });
            Console.WriteLine($"page written: {new FileInfo("tumours.html").Length > 10_000}");
            """);

        string output = DotnetCommand.Run(project, Path.Combine(s_folder, "installed"), "run", "--configuration", "Release");

        StringAssert.Contains(output, "area under the ROC curve: 0.99");
        StringAssert.Contains(output, "scores 108, the same after loading: True");
        StringAssert.Contains(output, "ONNX file written: True");
        StringAssert.Contains(output, "page written: True");
        foreach (string name in s_names)
        {
            byte[] used = File.ReadAllBytes(Path.Combine(project, "bin", "Release", "net10.0", $"{name}.dll"));
            Assert.IsTrue(
                used.AsSpan().SequenceEqual(ReadBytes($"{name}.{Version}.nupkg", $"lib/net10.0/{name}.dll")),
                $"{name}.dll is not the packed one: remove {name} {Version} from the machine's package folder.");
        }
    }

    /// <summary>A newcomer without a clone has the packages, and the page that each shows. Its program, as it stands there.</summary>
    [TestMethod]
    public void NewProject_WithTheProgramOfPackageMd_TrainsSavesLoadsAndExports()
    {
        string page = ReadText($"{Main}.{Version}.nupkg", "PACKAGE.md").ReplaceLineEndings("\n");
        string[] installed = [.. AddPackage().Matches(page).Select(match => match.Groups["name"].Value)];
        CollectionAssert.AreEqual(new[] { Main, Onnx }, installed);
        string project = Path.Combine(s_folder, "Newcomer");
        WriteProject(project, installed, "", CSharp(page).Single());

        string output = DotnetCommand.Run(project, Path.Combine(s_folder, "installed"), "run", "--configuration", "Release");

        StringAssert.Matches(output, new(@"R squared 0\.9[5-9]"));
        StringAssert.Matches(output, new(@"paid by card: (9|10)\.\d\d"));              // 3 + 2 * 3 + 0.5, and 0.5 on average
        StringAssert.Matches(output, new(@"rides\.onnx has \d{5,} bytes"));
        Assert.IsTrue(File.Exists(Path.Combine(project, "rides.zip")));
    }

    /// <summary>The other packages' pages show lines of documents, whose code is compiled.</summary>
    [TestMethod]
    [DataRow(Onnx)]
    [DataRow(Report)]
    [DataRow(Orleans)]
    public void PackageMd_Code_IsThatOfTheDocuments(string name)
    {
        HashSet<string> compiled = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "docs"), "*.md")
            .SelectMany(path => CSharp(File.ReadAllText(path).ReplaceLineEndings("\n"))).SelectMany(code => code.Split('\n'))
            .Select(line => line.Trim())];
        string[] lines = [.. CSharp(ReadText($"{name}.{Version}.nupkg", "PACKAGE.md").ReplaceLineEndings("\n"))
            .SelectMany(code => code.Split('\n')).Select(line => line.Trim())
            .Where(line => !line.StartsWith("//", StringComparison.Ordinal))];
        Assert.IsGreaterThan(3, lines.Length);
        string[] unknown = [.. lines.Where(line => !compiled.Contains(line))];
        Assert.IsEmpty(unknown, $"Lines of {name}'s PACKAGE.md that no document has:\n{string.Join("\n", unknown)}");
    }

    /// <summary>Who reads a package's page has no clone of the repository.</summary>
    [TestMethod]
    [DataRow(Main)]
    [DataRow(Onnx)]
    [DataRow(Report)]
    [DataRow(Orleans)]
    public void PackageMd_NamesNothingOfTheRepository(string name)
    {
        string page = ReadText($"{name}.{Version}.nupkg", "PACKAGE.md");
        Assert.IsEmpty(OfTheRepository().Matches(page).Select(match => match.Value));
        CollectionAssert.AreEqual(
            new[] { "--project", "](docs/", "samples/" },
            OfTheRepository().Matches("dotnet run --project samples/X, [a](docs/b.md)").Select(match => match.Value).Order().ToArray());
    }

    [TestMethod]
    public void Package_WithTheAddressOfTheProject_LinksToIt()
    {
        const string Address = "https://example.org/batchnorm";
        string folder = Path.Combine(s_folder, "addressed");
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        DotnetCommand.Run(
            Repository(), null, "pack", Path.Combine("src", Main), "--no-build", "--configuration", configuration, "--output", folder,
            $"-p:ProjectAddress={Address}");
        using ZipArchive zip = ZipFile.OpenRead(Path.Combine(folder, $"{Main}.{Version}.nupkg"));
        using Stream nuspec = zip.GetEntry($"{Main}.nuspec")!.Open();
        XElement metadata = XDocument.Load(nuspec).Root!.Elements().Single();
        Assert.AreEqual(Address, metadata.Elements().Single(e => e.Name.LocalName == "projectUrl").Value);
        Assert.AreEqual(Address, metadata.Elements().Single(e => e.Name.LocalName == "repository").Attribute("url")?.Value);
    }

    /// <summary>The blocks of a page that are C#.</summary>
    private static IEnumerable<string> CSharp(string page) => CSharpBlock().Matches(page).Select(match => match.Groups["code"].Value);

    [GeneratedRegex("^```csharp\n(?<code>.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex("^dotnet add package (?<name>\\S+)$", RegexOptions.Multiline)]
    private static partial Regex AddPackage();

    [GeneratedRegex("samples/|--project|\\]\\((docs|src|tests|samples|\\.\\.)/")]
    private static partial Regex OfTheRepository();

    /// <summary>With the lines of docs/deployment.md: published, and run from the folder it was published to.</summary>
    [TestMethod]
    public void NewProject_TrimmedAndAsASingleFile_TrainsSavesLoadsAndScores()
    {
        string project = Path.Combine(s_folder, "Trimmed"), published = Path.Combine(project, "published");
        string document = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "docs", "deployment.md")).ReplaceLineEndings("\n");
        WriteConsumer(
            project, [Main], document.Split("```xml\n")[1].Split("```")[0] + "<WarningsNotAsErrors>IL2104</WarningsNotAsErrors>", "");
        string packages = Path.Combine(s_folder, "installed");
        string[] arguments = ["publish", "--configuration", "Release", "--use-current-runtime", "--self-contained", "--output", published];

        (int exitCode, string output) = DotnetCommand.TryRun(project, packages, arguments);
        if (exitCode != 0 && NoRuntimePack().Match(output) is { Success: true } missing)
            Assert.Inconclusive($"The runtime or the trimmer that is published with the program cannot be had here: {missing.Value}");

        Assert.AreEqual(0, exitCode, output);
        StringAssert.Contains(output, "IL2104: Assembly 'Microsoft.ML.Data'", "It was not trimmed.");
        Assert.IsFalse(output.Contains("Assembly 'MLNetBatchNorm"), output);
        string program = Path.Combine(published, OperatingSystem.IsWindows() ? "Consumer.exe" : "Consumer");
        CollectionAssert.AreEquivalent(
            new[] { Path.GetFileName(program) },
            Directory.GetFiles(published).Select(Path.GetFileName).Where(
                name => Path.GetExtension(name) is not (".pdb" or ".xml" or ".dbg")).ToArray());
        string printed = DotnetCommand.RunProgram(program, project);
        StringAssert.Contains(printed, "area under the ROC curve: 0.99");
        StringAssert.Contains(printed, "scores 108, the same after loading: True");
    }

    [GeneratedRegex(@"error NU1\d\d\d: .*(Microsoft\.NETCore\.App\.|Microsoft\.NET\.ILLink\.).*")]
    private static partial Regex NoRuntimePack();

    /// <summary>The README's program with its table, and what it is to do beyond.</summary>
    private static void WriteConsumer(string project, string[] packages, string properties, string more)
    {
        string data = Path.Combine(project, "samples", "data");
        Directory.CreateDirectory(data);
        File.Copy(Path.Combine(AppContext.BaseDirectory, "samples", "data", "breast_cancer.csv"), Path.Combine(data, "breast_cancer.csv"));
        string readme = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "README.md")).ReplaceLineEndings("\n");
        string firstModel = ReadmeTests.Blocks(readme).Single(block => block.Name == "FirstModel").Code;
        WriteProject(project, packages, properties, firstModel + """

            float[] scores = [.. model.Transform(split.TestSet).GetColumn<float>("Score")];
            bool asBefore = scores.SequenceEqual(loaded.Transform(split.TestSet).GetColumn<float>("Score"));
            Console.WriteLine($"scores {scores.Length}, the same after loading: {asBefore}");
            """ + more);
    }

    private static void WriteProject(string project, string[] packages, string properties, string program)
    {
        Directory.CreateDirectory(project);
        IEnumerable<XElement> references = packages.Select(
            name => new XElement("PackageReference", new XAttribute("Include", name), new XAttribute("Version", Version)));
        File.WriteAllText(Path.Combine(project, "Consumer.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                {properties}
              </PropertyGroup>
              <ItemGroup>
                {string.Join("\n", references)}
              </ItemGroup>
            </Project>
            """);
        // The machine's own packages serve as a second folder, so that only ours are installed anew. Its sources stay in force.
        string machine = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        File.WriteAllText(Path.Combine(project, "nuget.config"), new XElement(
            "configuration",
            new XElement("packageSources", new XElement("add", new XAttribute("key", "packed"), new XAttribute("value", Packed))),
            new XElement("fallbackPackageFolders", new XElement("add", new XAttribute("key", "machine"), new XAttribute("value", machine))))
            .ToString());
        File.WriteAllText(Path.Combine(project, "Program.cs"), program);
    }

    private static string[] Entries(string package)
    {
        using ZipArchive zip = ZipFile.OpenRead(Path.Combine(Packed, package));
        // What the format itself adds.
        return [.. zip.Entries.Select(entry => entry.FullName).Where(name => name is not "_rels/.rels" and not "[Content_Types].xml"
            && !name.StartsWith("package/services/", StringComparison.Ordinal))];
    }

    private static byte[] ReadBytes(string package, string entry)
    {
        using ZipArchive zip = ZipFile.OpenRead(Path.Combine(Packed, package));
        using Stream stream = zip.GetEntry(entry)!.Open();
        var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    private static string ReadText(string package, string entry)
        => new StreamReader(new MemoryStream(ReadBytes(package, entry))).ReadToEnd();

    private static MetadataReaderProvider Symbols(string name)
        => MetadataReaderProvider.FromPortablePdbStream(new MemoryStream(ReadBytes($"{name}.{Version}.snupkg", $"lib/net10.0/{name}.pdb")));

    internal static string Repository()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "MLNetBatchNorm.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException(
            "The packages are packed from the repository that these tests were built from, which is no longer there.");
    }
}
