namespace WebScoring.Requests;

/// <summary>
/// A kind of refused request: the anchor in problems.html that explains it, its title, and the status it is answered with.
/// </summary>
internal sealed record ProblemKind(string Anchor, string Title, int Status)
{
    public static readonly ProblemKind NotJson = new(
        "not-json", "The body is not declared to be JSON", StatusCodes.Status415UnsupportedMediaType);
    public static readonly ProblemKind MalformedJson = new(
        "malformed-json", "The body is not well-formed JSON", StatusCodes.Status400BadRequest);
    public static readonly ProblemKind MissingField = new("missing-field", "A field is missing", StatusCodes.Status400BadRequest);
    public static readonly ProblemKind NotAnArray = new("not-an-array", "An array is needed", StatusCodes.Status400BadRequest);
    public static readonly ProblemKind EmptyBatch = new("empty-batch", "The batch has no rows", StatusCodes.Status400BadRequest);
    public static readonly ProblemKind WrongLength = new(
        "wrong-length", "A row does not have as many values as the model has features", StatusCodes.Status400BadRequest);
    public static readonly ProblemKind NotANumber = new("not-a-number", "A value is not a number", StatusCodes.Status400BadRequest);
    public static readonly ProblemKind NotFinite = new(
        "not-finite", "A value is not a finite 32-bit number", StatusCodes.Status400BadRequest);
    public static readonly ProblemKind TooManyRows = new(
        "too-many-rows", "The batch has too many rows", StatusCodes.Status413PayloadTooLarge);
    public static readonly ProblemKind BodyTooLarge = new("body-too-large", "The body is too large", StatusCodes.Status413PayloadTooLarge);
    public static readonly ProblemKind NoModel = new("no-model", "There is no model yet", StatusCodes.Status503ServiceUnavailable);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<ProblemKind> All { get; } =
    [
        NotJson, MalformedJson, MissingField, NotAnArray, EmptyBatch, WrongLength, NotANumber, NotFinite, TooManyRows, BodyTooLarge,
        NoModel,
    ];

    /// <summary>The answer to the client.</summary>
    public IResult Answer(string detail, IReadOnlyList<InputError>? errors = null) => TypedResults.Problem(
        detail, type: $"/problems.html#{Anchor}", title: Title, statusCode: Status,
        extensions: errors is null ? null : [new KeyValuePair<string, object?>("errors", errors)]);
}

/// <summary>One thing that is wrong, and where.</summary>
/// <param name="Pointer">A JSON pointer into the request's body, as in the example of RFC 9457.</param>
/// <param name="Detail">What was found, what is needed.</param>
internal sealed record InputError(string Pointer, string Detail);

/// <summary>
/// A request that is refused. Thrown while the body is read; <see cref="Endpoints.ScoringEndpoints"/> turns it into its answer.
/// </summary>
internal sealed class InputException(ProblemKind kind, string detail, IReadOnlyList<InputError>? errors = null) : Exception(detail)
{
    public IResult Answer() => kind.Answer(Message, errors);
}
