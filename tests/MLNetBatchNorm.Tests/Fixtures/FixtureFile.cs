using System.Text.Json;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.Fixtures;

/// <summary>
/// One file of golden numbers; what they mean is in README.md beside this file. The folder is the one committed here, or the one that the
/// environment variable BATCHNORM_FIXTURES names: the same tests then run on every file found there.
/// </summary>
internal sealed class FixtureFile
{
    public const string FolderVariable = "BATCHNORM_FIXTURES";

    /// <summary>Begins the name that stands for a kind of which a folder from elsewhere has no file.</summary>
    private const string None = "none of kind ";

    /// <summary>
    /// The files committed here, which negative controls are about in any case: other files need
    /// not tell a wrong convention from the right one.
    /// </summary>
    public static readonly string CommittedFolder = Path.Combine(AppContext.BaseDirectory, "Fixtures");

    private FixtureFile(string path) => Root = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;

    public static string Folder
        => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder ? folder : CommittedFolder;

    public JsonElement Root { get; }

    public JsonElement this[string name] => Root.GetProperty(name);

    /// <summary>
    /// The names of all files of a kind, as rows of test data. The committed folder must have one, so that no test passes for want of
    /// files; a folder from elsewhere may have none: then there is one row, whose test says that it is skipped.
    /// </summary>
    public static IEnumerable<object[]> NamesOfKind(string kind, string? folder = null)
    {
        folder ??= Folder;
        object[][] names = Directory.GetFiles(folder, "*.json")
            .Where(path => KindOf(path) == kind)
            .Select(path => new object[] { Path.GetFileNameWithoutExtension(path) })
            .OrderBy(row => (string)row[0], StringComparer.Ordinal)
            .ToArray();
        if (names.Length == 0 && Path.GetFullPath(folder) != Path.GetFullPath(CommittedFolder))
            return [[None + kind]];
        if (names.Length == 0)
            throw new InvalidOperationException($"No fixture of kind '{kind}' in {folder}; see {FolderVariable}.");
        return names;
    }

    public static FixtureFile Read(string name, string? folder = null)
    {
        folder ??= Folder;
        if (name.StartsWith(None, StringComparison.Ordinal))
            Assert.Inconclusive($"Skipped: {folder} has {name}.");
        return new FixtureFile(Path.Combine(folder, name + ".json"));
    }

    private static string? KindOf(string path)
    {
        var reader = new Utf8JsonReader(File.ReadAllBytes(path));
        while (reader.Read())
        {
            if (reader.CurrentDepth != 1 || reader.TokenType != JsonTokenType.PropertyName)
                continue;
            bool kind = reader.ValueTextEquals("kind");
            reader.Read();
            if (kind)
                return reader.GetString();
            reader.TrySkip();
        }

        return null;
    }
}

/// <summary>Arrays of fixtures as arrays of double. Inputs are float32 numbers, so their conversion to float is exact.</summary>
internal static class FixtureElements
{
    public static double[] Vector(this JsonElement element) => element.EnumerateArray().Select(e => e.GetDouble()).ToArray();

    public static double[][] Matrix(this JsonElement element) => element.EnumerateArray().Select(Vector).ToArray();

    public static double[] Vector(this JsonElement element, string name) => element.GetProperty(name).Vector();

    public static double[][] Matrix(this JsonElement element, string name) => element.GetProperty(name).Matrix();

    /// <summary>All numbers of nested arrays, the last index running fastest.</summary>
    public static double[] Flat(this JsonElement element) => element.ValueKind == JsonValueKind.Array
        ? [.. element.EnumerateArray().SelectMany(Flat)]
        : [element.GetDouble()];

    public static double Number(this JsonElement element, string name) => element.GetProperty(name).GetDouble();

    public static double? NumberOrNull(this JsonElement element, string name)
        => element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value.GetDouble() : null;

    public static float[] ToSingle(this double[] values) => values.Select(x => (float)x).ToArray();

    public static float[][] ToSingle(this double[][] rows) => rows.Select(ToSingle).ToArray();
}
