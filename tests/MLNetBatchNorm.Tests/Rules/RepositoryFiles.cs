using System.Text.RegularExpressions;

namespace MLNetBatchNorm.Tests.Rules;

/// <summary>The rules for the files of the repository, each as a search that returns what breaks it.</summary>
internal static partial class RepositoryFiles
{
    /// <summary>Longer source files say why.</summary>
    public const int LinesWithoutAReason = 500;

    /// <summary>How the reason begins.</summary>
    public const string ReasonMark = "Length:";

    /// <summary>Characters of the longest line that a source file may have.</summary>
    public const int LongestLine = 140;

    // In two parts each, so that this file keeps to its own rule.
    private static readonly string[] s_registryHosts =
    [
        "nu" + "get.org", "nu" + "get.pkg", "my" + "get.org", "py" + "pi.org", "python" + "hosted.org", "np" + "mjs", "yarn" + "pkg",
        "crates" + ".io", "rubygems" + ".org",
        "maven" + ".org", "mvn" + "repository", "proxy.golang" + ".org", "pkgs.dev" + ".azure", "conda" + ".io", "anaconda" + ".org",
    ];

    // A link cannot be broken: xref is the documentation tool's way to name a member.
    private static readonly string[] s_links = ["http://", "https://", "xref:"];

    private static readonly string[] s_foldersOfBuilds =
        [".git", ".vs", ".idea", "bin", "obj", "artifacts", "TestResults", "BenchmarkDotNet.Artifacts"];

    /// <summary>All text files of the working copy, with paths relative to <paramref name="root"/>.</summary>
    public static IEnumerable<(string Path, string Text)> TextFiles(string root)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (string path in Directory.EnumerateFiles(root, "*", options).Order(StringComparer.Ordinal))
        {
            string relative = Path.GetRelativePath(root, path).Replace('\\', '/');
            if (relative.Split('/').Any(s_foldersOfBuilds.Contains))
                continue;
            string text = File.ReadAllText(path);
            if (!text.Contains('\0'))
                yield return (relative, text);
        }
    }

    /// <summary>Names of hosts from which packages come: a reader's build takes them from where it is configured to.</summary>
    public static IEnumerable<string> RegistryHosts(string text) =>
        s_registryHosts.Where(host => text.Contains(host, StringComparison.OrdinalIgnoreCase));

    /// <summary>Types that a source file declares beside the one that it is named after; a part of a type has a second name.</summary>
    public static IEnumerable<string> MisplacedTypes(string path, string text) => DeclaredType().Matches(text)
        .Select(match => match.Groups["name"].Value).Where(name => name != Path.GetFileName(path).Split('.')[0]);

    /// <summary>Absolute paths below the folders in which people and build machines work.</summary>
    public static IEnumerable<string> MachinePaths(string text) => MachinePath().Matches(text).Select(match => match.Value);

    /// <summary>Whether a source file is short, or its first comment says why it is not.</summary>
    public static bool IsShortOrSaysWhyNot(string text)
    {
        string[] lines = text.Split('\n');
        if (lines.Length <= LinesWithoutAReason)
            return true;
        IEnumerable<string> firstComment = lines.SkipWhile(line => !IsComment(line)).TakeWhile(IsComment);
        return firstComment.Any(line => line.Contains(ReasonMark, StringComparison.Ordinal));
    }

    /// <summary>Lines longer than <see cref="LongestLine"/>, but for those with a link.</summary>
    public static IEnumerable<string> LongLines(string text) => text.Split('\n')
        .Select((line, i) => (Text: line, Number: i + 1))
        .Where(line => line.Text.Length > LongestLine && !s_links.Any(line.Text.Contains))
        .Select(line => $"line {line.Number} has {line.Text.Length} characters, more than {LongestLine}");

    /// <summary>Targets of a Markdown file's links that are files, and absent.</summary>
    /// <param name="folder">The folder of the file.</param>
    /// <param name="text">The file's text.</param>
    public static IEnumerable<string> BrokenLinks(string folder, string text) => Link().Matches(text)
        .Select(match => match.Groups["target"].Value.Split('#')[0])
        .Where(target => target.Length > 0 && !target.Contains(':'))
        .Where(target => !Path.Exists(Path.Combine(folder, target)));

    /// <summary>Targets of a Markdown file's links that are parts of documents, and name no heading of them.</summary>
    /// <param name="folder">The folder of the file.</param>
    /// <param name="text">The file's text.</param>
    public static IEnumerable<string> BrokenAnchors(string folder, string text)
    {
        foreach (Match link in Link().Matches(text))
        {
            string target = link.Groups["target"].Value;
            if (target.Contains(':') || target.Split('#') is not [var file, var anchor] || (file.Length > 0 && !file.EndsWith(".md")))
                continue;
            string path = Path.Combine(folder, file);
            if (file.Length == 0 || File.Exists(path))
            {
                string document = file.Length == 0 ? text : File.ReadAllText(path);
                if (!Anchors(document).Contains(anchor))
                    yield return target;
            }
        }
    }

    /// <summary>What the headings of a Markdown file are linked by: small letters, hyphens for spaces, no other signs.</summary>
    private static HashSet<string> Anchors(string text) =>
    [
        .. Heading().Matches(CodeBlock().Replace(text, "")).Select(heading => string.Concat(
            heading.Groups["title"].Value.Trim().ToLowerInvariant().Replace(' ', '-')
                .Where(c => char.IsLetterOrDigit(c) || c is '-' or '_'))),
    ];

    /// <summary>Documents and sources that comments of a file name, from the root of the repository, and that are not there.</summary>
    /// <param name="root">The repository.</param>
    /// <param name="text">The file's text.</param>
    public static IEnumerable<string> AbsentCitations(string root, string text) => text.Split('\n').Where(IsComment)
        .SelectMany(line => Citation().Matches(line).Select(citation => citation.Value))
        .Where(cited => !File.Exists(Path.Combine(root, cited)));

    private static bool IsComment(string line) => line.TrimStart().StartsWith("//", StringComparison.Ordinal);

    [GeneratedRegex(@"(?<![\w.~])/(work|home|root|Users)/\w[^\s""'`),;]*|\b[A-Za-z]:\\Users\\\w+")]
    private static partial Regex MachinePath();

    [GeneratedRegex(
        @"^(?:(?:public|internal|static|sealed|abstract|partial|readonly|ref|unsafe|file)\s+)*"
        + @"(?:class|struct|enum|interface|record(?:\s+struct|\s+class)?|delegate\s+[\w<>\[\],.?]+)\s+(?<name>\w+)",
        RegexOptions.Multiline)]
    private static partial Regex DeclaredType();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^#+ (?<title>.+)$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^```.*?^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex CodeBlock();

    // PACKAGE.md is one of each package.
    [GeneratedRegex(@"(?<![\w/.])((docs|tests|samples|build|src)/[\w./-]+\.(md|cs|tsv|sh|txt)|(?!PACKAGE)[A-Z]+\.md)\b")]
    private static partial Regex Citation();
}
