using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Extensions.Options;

namespace WebScoring.Requests;

/// <summary>Answers what the server itself refuses while a body is read, above all one that is too large, as problem details too.</summary>
internal sealed class BadRequestHandler(IOptions<ScoringOptions> options) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        if (exception is not BadHttpRequestException refused)
            return false;
        IResult answer = refused.StatusCode == StatusCodes.Status413PayloadTooLarge
            ? ProblemKind.BodyTooLarge.Answer($"At most {options.Value.MaximumBodyBytes:N0} bytes are read. Send several batches.")
            : TypedResults.Problem(refused.Message, statusCode: refused.StatusCode);
        await answer.ExecuteAsync(httpContext);
        return true;
    }
}
