namespace WebScoring.Requests;

/// <summary>So much of what a client sent as an answer repeats.</summary>
internal static class Excerpt
{
    private const int MostCharacters = 20;

    public static string Of(string text) => text.Length <= MostCharacters
        ? text
        : $"{text[..(char.IsHighSurrogate(text[MostCharacters - 1]) ? MostCharacters - 1 : MostCharacters)]}...";
}
