using System.Text.Json;

namespace WebScoring.Requests;

/// <summary>
/// Takes the rows out of a request's body. Everything that is wrong with the values is collected, up to <see cref="MostErrors"/>, so that a
/// client can repair a batch in one go.
/// </summary>
internal sealed class RowReader(int featureCount)
{
    /// <summary>More errors than this are not listed.</summary>
    public const int MostErrors = 20;

    private readonly List<InputError> _errors = [];
    private ProblemKind? _firstKind;

    /// <summary>Parses the body.</summary>
    /// <exception cref="InputException">It is not JSON, or not declared to be.</exception>
    public static async Task<JsonDocument> ParseAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (!request.HasJsonContentType())
        {
            throw new InputException(
                ProblemKind.NotJson, $"Content-Type is '{request.ContentType}'. Send the header Content-Type: application/json.");
        }

        // At once and whole: the server lets no more through than ScoringOptions.MaximumBodyBytes.
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, cancellationToken);
        return JsonText.Parse(body.ToArray());
    }

    /// <summary>The row of <c>{"features": [...]}</c>.</summary>
    /// <exception cref="InputException">It is not there, or something is wrong with it.</exception>
    public float[] ReadSingle(JsonElement body)
    {
        float[] row = ReadRow(ArrayField(body, "features"), "#/features");
        ThrowIfWrong();
        return row;
    }

    /// <summary>The rows of <c>{"rows": [[...], ...]}</c>.</summary>
    /// <exception cref="InputException">They are not there, none or too many, or something is wrong with one.</exception>
    public float[][] ReadBatch(JsonElement body, int maximumRows)
    {
        JsonElement array = ArrayField(body, "rows");
        int count = array.GetArrayLength();
        if (count == 0)
        {
            throw new InputException(
                ProblemKind.EmptyBatch, "'rows' is empty. Send at least one row.",
                [new InputError("#/rows", "An array of at least one row is needed.")]);
        }
        if (count > maximumRows)
        {
            throw new InputException(
                ProblemKind.TooManyRows, $"'rows' has {count:N0} rows; at most {maximumRows:N0} are scored at once. Send several batches.",
                [new InputError("#/rows", $"{count} rows, at most {maximumRows}.")]);
        }

        var rows = new float[count][];
        int i = 0;
        foreach (JsonElement row in array.EnumerateArray())
        {
            rows[i] = ReadRow(row, $"#/rows/{i}");
            i++;
        }

        ThrowIfWrong();
        return rows;
    }

    private static JsonElement ArrayField(JsonElement body, string name)
    {
        if (body.ValueKind != JsonValueKind.Object || !body.TryGetProperty(name, out JsonElement field))
        {
            throw new InputException(
                ProblemKind.MissingField, $"The body must be an object with the field '{name}'.",
                [new InputError("#", $"The field '{name}' is missing.")]);
        }

        if (field.ValueKind != JsonValueKind.Array)
        {
            throw new InputException(
                ProblemKind.NotAnArray, $"'{name}' must be an array, not {NameOf(field)}.",
                [new InputError($"#/{name}", $"Found {NameOf(field)}, an array is needed.")]);
        }

        return field;
    }

    private float[] ReadRow(JsonElement array, string pointer)
    {
        if (array.ValueKind != JsonValueKind.Array)
        {
            Add(ProblemKind.NotAnArray, pointer, $"Found {NameOf(array)}, an array of {featureCount} numbers is needed.");
            return [];
        }

        int length = array.GetArrayLength();
        if (length != featureCount)
        {
            Add(ProblemKind.WrongLength, pointer, $"Found {length} values, the model needs {featureCount}.");
            return [];
        }

        var values = new float[length];
        int i = 0;
        foreach (JsonElement value in array.EnumerateArray())
        {
            values[i] = ReadValue(value, pointer, i);
            i++;
        }

        return values;
    }

    /// <summary>A number, or null for a missing value: inside, that is NaN, which the network was trained to understand.</summary>
    private float ReadValue(JsonElement value, string pointer, int index)
    {
        if (value.ValueKind == JsonValueKind.Null)
            return float.NaN;
        if (value.ValueKind != JsonValueKind.Number)
        {
            Add(ProblemKind.NotANumber, $"{pointer}/{index}", $"Found {NameOf(value)}, a number is needed, or null for a missing value.");
            return 0;
        }

        float number = value.GetSingle();
        if (!float.IsFinite(number))
            Add(ProblemKind.NotFinite, $"{pointer}/{index}", $"{Excerpt.Of(value.GetRawText())} is beyond the 32-bit range of ±3.4e38.");
        return number;
    }

    private void Add(ProblemKind kind, string pointer, string detail)
    {
        _firstKind ??= kind;
        if (_errors.Count <= MostErrors)
            _errors.Add(new InputError(pointer, detail));
    }

    private void ThrowIfWrong()
    {
        if (_firstKind is null)
            return;
        string first = $"{_errors[0].Pointer}: {_errors[0].Detail}";
        if (_errors.Count == 1)
            throw new InputException(_firstKind, first, _errors);
        string count = _errors.Count > MostErrors ? $"More than {MostErrors}" : _errors.Count.ToString();
        throw new InputException(_firstKind, $"{count} things are wrong; the first: {first}", [.. _errors.Take(MostErrors)]);
    }

    private static string NameOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => $"the string \"{Excerpt.Of(value.GetRawText()[1..^1])}\"",
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.Number => $"the number {Excerpt.Of(value.GetRawText())}",
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => "null",
    };
}
