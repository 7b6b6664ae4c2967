using System.Text.Json;
using Microsoft.Extensions.Options;
using WebScoring.Models;
using WebScoring.Requests;

namespace WebScoring.Endpoints;

/// <summary>The routes that score rows.</summary>
internal static class ScoringEndpoints
{
    public static void MapScoring(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/score", ScoreOne);
        routes.MapPost("/score/batch", ScoreBatch);
    }

    private static Task<IResult> ScoreOne(HttpRequest request, ModelStore store, CancellationToken cancellationToken) =>
        Answer(request, store, cancellationToken, (body, model) =>
        {
            ScoredRow scored = model.Score([new RowReader(model.FeatureCount).ReadSingle(body)])[0];
            return TypedResults.Ok(new ScoreResponse(model.Version, model.Classes, scored.Prediction, scored.Probabilities));
        });

    private static Task<IResult> ScoreBatch(
        HttpRequest request, ModelStore store, IOptions<ScoringOptions> options, CancellationToken cancellationToken) =>
        Answer(request, store, cancellationToken, (body, model) =>
        {
            float[][] rows = new RowReader(model.FeatureCount).ReadBatch(body, options.Value.MaximumRows);
            return TypedResults.Ok(new BatchResponse(model.Version, model.Classes, model.Score(rows)));
        });

    private static async Task<IResult> Answer(
        HttpRequest request, ModelStore store, CancellationToken cancellationToken, Func<JsonElement, LoadedModel, IResult> score)
    {
        try
        {
            using JsonDocument body = await RowReader.ParseAsync(request, cancellationToken);
            // The model is taken once, after the body is there: the same one says how long a row
            // is, scores it, and names itself in the answer.
            return store.State is { Model: { } model } ? score(body.RootElement, model) : NoModel(request, store);
        }
        catch (InputException refused)
        {
            return refused.Answer();
        }
    }

    /// <summary>The answer while there is no model, with the time after which it is worth asking again.</summary>
    public static IResult NoModel(HttpRequest request, ModelStore store)
    {
        ModelState state = store.State;
        request.HttpContext.Response.Headers.RetryAfter = "5";
        return ProblemKind.NoModel.Answer(state.Fault?.Reason ?? state.Activity);
    }
}
