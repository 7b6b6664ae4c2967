using System.Text.Json.Serialization;
using WebScoring.Models;
using WebScoring.Requests;

namespace WebScoring.Endpoints;

/// <summary>What POST /score answers. Numbers are written with as many digits as it takes to read the same 32 bits back.</summary>
internal sealed record ScoreResponse(string ModelVersion, IReadOnlyList<string> Classes, string Prediction, float[] Probabilities);

/// <summary>What POST /score/batch answers: the rows in the order in which they came, all from the same model.</summary>
internal sealed record BatchResponse(string ModelVersion, IReadOnlyList<string> Classes, IReadOnlyList<ScoredRow> Rows);

/// <summary>What GET /model answers.</summary>
internal sealed record ModelResponse(
    string Version, DateTimeOffset LoadedAt, long Bytes, int FeatureCount, IReadOnlyList<string> FeatureNames,
    IReadOnlyList<string> Classes, int MaximumRows, int MaximumBodyBytes);

/// <summary>What GET /health answers.</summary>
internal sealed record HealthResponse(string Status, string Detail, string? ModelVersion, ModelFault? Fault);

/// <summary>The JSON code of the responses, written by the compiler.</summary>
[JsonSourceGenerationOptions(System.Text.Json.JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(ScoreResponse))]
[JsonSerializable(typeof(BatchResponse))]
[JsonSerializable(typeof(ModelResponse))]
[JsonSerializable(typeof(HealthResponse))]
[JsonSerializable(typeof(IReadOnlyList<InputError>))]
[JsonSerializable(typeof(List<InputError>))]
[JsonSerializable(typeof(InputError[]))]
internal sealed partial class ResponseJson : JsonSerializerContext;
