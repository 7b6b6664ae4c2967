using System.Globalization;
using System.Text;

namespace MLNetBatchNorm.Reporting;

/// <summary>
/// Names that come from the data - of classes and of slots - as a page can show them. Text of a table may hold anything: characters that no
/// document may have, such that turn the text around them, nothing at all.
/// </summary>
internal static class Names
{
    /// <summary>The longest that stands beside a picture or in a sentence, in characters as one sees them.</summary>
    private const int ShortLength = 24;

    /// <summary>
    /// The name with all that cannot be seen made visible, and in quotation marks where one would not see where it begins or ends.
    /// </summary>
    public static string Readable(string name)
    {
        string shown = Escape(name, char.IsControl);
        return shown.Length == 0 || char.IsWhiteSpace(shown[0]) || char.IsWhiteSpace(shown[^1]) ? $"\"{shown}\"" : shown;
    }

    /// <summary>Text that may have several lines, without what a document cannot hold.</summary>
    public static string Text(string text) => Escape(text, c => char.IsControl(c) && c is not ('\t' or '\n' or '\r'));

    /// <summary>The names as <see cref="Readable"/> shows them; those that look the same are told apart by their places.</summary>
    /// <param name="names">The names.</param>
    /// <param name="place">What is said of a name's place, as "slot 3".</param>
    public static IReadOnlyList<string> Distinct(IEnumerable<string> names, Func<int, string> place)
    {
        string[] shown = [.. names.Select(Readable)];
        Dictionary<string, int> counts = shown.CountBy(name => name).ToDictionary();
        return [.. shown.Select((name, i) => counts[name] > 1 ? $"{name} ({place(i)})" : name)];
    }

    /// <summary>The beginning of a name, for where there is little room.</summary>
    public static string Short(string name)
    {
        var characters = new StringInfo(name);          // a cut between two halves of a character would leave no character
        return characters.LengthInTextElements <= ShortLength ? name : characters.SubstringByTextElements(0, ShortLength - 1) + "…";
    }

    /// <summary>
    /// A short name for the midst of a sentence: one that is written from right to left leaves the order of the words around it.
    /// </summary>
    public static string InSentence(string name)
    {
        string shown = Short(name);
        return shown.EnumerateRunes().Any(IsRightToLeft) ? $"\u2068{shown}\u2069" : shown;
    }

    private static string Escape(string text, Func<char, bool> isHidden)
    {
        var shown = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                shown.Append(c).Append(text[++i]);
            else if (isHidden(c) || char.IsSurrogate(c) || IsNoCharacter(c) || TurnsText(c))
                shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else
                shown.Append(c);
        }

        return shown.ToString();
    }

    private static bool IsNoCharacter(char c) => c is '\uFFFE' or '\uFFFF' or (>= '\uFDD0' and <= '\uFDEF');

    // Line and paragraph separators, and the embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9).
    private static bool TurnsText(char c) => c is '\u2028' or '\u2029' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');

    // The blocks of Hebrew, Arabic, Syriac and their neighbours (UAX #9, classes R and AL).
    private static bool IsRightToLeft(Rune rune)
        => rune.Value is (>= 0x590 and <= 0x8FF) or (>= 0xFB1D and <= 0xFDFF) or (>= 0xFE70 and <= 0xFEFF) or (>= 0x10800 and <= 0x10FFF)
            or (>= 0x1E800 and <= 0x1EFFF);
}
