using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using WebScoring.Models;

namespace WebScoring.Endpoints;

/// <summary>The routes that tell about the program: is it well, and which model does it have?</summary>
internal static class StatusEndpoints
{
    public static void MapStatus(this IEndpointRouteBuilder routes)
    {
        routes.MapHealthChecks("/health", new HealthCheckOptions { ResponseWriter = WriteHealth });
        routes.MapGet("/model", DescribeModel);
    }

    /// <summary>The page is made of its own files and nothing else: a browser is told so.</summary>
    public static void UsePageHeaders(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.ContentSecurityPolicy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        return next(context);
    });

    private static IResult DescribeModel(HttpRequest request, ModelStore store, IOptions<ScoringOptions> options) =>
        store.State.Model is { } model
        ? TypedResults.Ok(new ModelResponse(
            model.Version, model.LoadedAt, model.Bytes, model.FeatureCount, model.FeatureNames, model.Classes,
            options.Value.MaximumRows, options.Value.MaximumBodyBytes))
        : ScoringEndpoints.NoModel(request, store);

    private static Task WriteHealth(HttpContext context, HealthReport report)
    {
        HealthReportEntry entry = report.Entries[ModelHealthCheck.Name];
        var state = (ModelState)entry.Data[ModelHealthCheck.StateKey];
        var response = new HealthResponse(
            entry.Status.ToString().ToLowerInvariant(), entry.Description ?? "", state.Model?.Version, state.Fault);
        return context.Response.WriteAsJsonAsync(response, ResponseJson.Default.HealthResponse, cancellationToken: context.RequestAborted);
    }
}
