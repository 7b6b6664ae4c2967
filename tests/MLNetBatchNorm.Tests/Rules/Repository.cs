namespace MLNetBatchNorm.Tests.Rules;

/// <summary>The working copy that these tests were built from: rules are read from sources as well as from the compiled library.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string LibrarySources => Path.Combine(Root, "src", "MLNetBatchNorm");

    /// <summary>The C# files below a folder, without those a build writes.</summary>
    public static IEnumerable<string> SourceFiles(string folder)
        => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(path => !Path.GetRelativePath(folder, path).Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"))
            .Order(StringComparer.Ordinal);

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder != null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "MLNetBatchNorm.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException(
            $"No MLNetBatchNorm.sln above {AppContext.BaseDirectory}; these tests need the sources they were built from.");
    }
}
