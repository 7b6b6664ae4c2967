using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace WebScoring.Requests;

/// <summary>Parses a body strictly, and says of whatever is wrong with it where that is: line and byte, both counted from 1.</summary>
internal static class JsonText
{
    private const int MaximumDepth = 8;

    private static readonly JsonDocumentOptions s_strict = new() { AllowDuplicateProperties = false, MaxDepth = MaximumDepth };

    /// <summary>The document; it keeps <paramref name="body"/>.</summary>
    /// <exception cref="InputException">It is not JSON, not UTF-8, or a property stands there twice.</exception>
    public static JsonDocument Parse(byte[] body)
    {
        ReadOnlyMemory<byte> text = body.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? body.AsMemory(Encoding.UTF8.Preamble.Length) : body;
        if (!Utf8.IsValid(text.Span))
            throw Malformed(text.Span, FirstInvalid(text.Span), "The text is not UTF-8.");

        try
        {
            return JsonDocument.Parse(text, s_strict);
        }
        catch (JsonException exception) when (exception is { LineNumber: { } line, BytePositionInLine: { } position })
        {
            string reason = exception.Message.Split(" LineNumber:")[0];
            string hint =
                reason.Contains("'N'") || reason.Contains("'I'") ? " JSON has no NaN and no Infinity; write null for a missing value." : "";
            throw Malformed(line + 1, position + 1, reason + hint);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // Well-formed as far as the grammar goes: a property stands there twice, or its name has
            // half a character. Neither exception says where.
            (int position, string reason) = FirstWrongName(text.Span) ?? (0, exception.Message);
            throw Malformed(text.Span, position, reason);
        }
    }

    private static (int Position, string Reason)? FirstWrongName(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text, new JsonReaderOptions { MaxDepth = MaximumDepth });
        var objects = new Stack<HashSet<string>>();
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.StartObject)
                objects.Push([]);
            else if (reader.TokenType == JsonTokenType.EndObject)
                objects.Pop();
            else if (reader.TokenType == JsonTokenType.PropertyName && WhatIsWrong(ref reader, objects.Peek()) is { } reason)
                return ((int)reader.TokenStartIndex, reason);
        }

        return null;
    }

    private static string? WhatIsWrong(ref Utf8JsonReader reader, HashSet<string> names)
    {
        try
        {
            string name = reader.GetString()!;
            return names.Add(name) ? null : $"The property '{Excerpt.Of(name)}' stands there a second time.";
        }
        catch (InvalidOperationException)
        {
            return "The property's name has half a surrogate pair.";
        }
    }

    private static int FirstInvalid(ReadOnlySpan<byte> text)
    {
        int position = 0;
        while (Rune.DecodeFromUtf8(text[position..], out _, out int length) == System.Buffers.OperationStatus.Done)
            position += length;
        return position;
    }

    private static InputException Malformed(ReadOnlySpan<byte> text, int position, string reason)
    {
        ReadOnlySpan<byte> before = text[..position];
        return Malformed(1 + before.Count((byte)'\n'), position - before.LastIndexOf((byte)'\n'), reason);
    }

    private static InputException Malformed(long line, long position, string reason) =>
        new(ProblemKind.MalformedJson, $"Line {line}, byte {position}: {reason}");
}
