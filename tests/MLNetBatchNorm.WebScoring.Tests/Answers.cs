namespace MLNetBatchNorm.WebScoring.Tests;

// What the service answers, written down once more: the tests read the JSON that clients see, not the service's own classes.

internal sealed record ScoreAnswer(string ModelVersion, string[] Classes, string Prediction, float[] Probabilities);

internal sealed record BatchAnswer(string ModelVersion, string[] Classes, RowAnswer[] Rows);

internal sealed record RowAnswer(string Prediction, float[] Probabilities);

internal sealed record ModelAnswer(
    string Version, DateTimeOffset LoadedAt, long Bytes, int FeatureCount, string[] FeatureNames, string[] Classes,
    int MaximumRows, int MaximumBodyBytes);

internal sealed record HealthAnswer(string Status, string Detail, string? ModelVersion, FaultAnswer? Fault);

internal sealed record FaultAnswer(string File, string Reason, DateTimeOffset Since);

internal sealed record ProblemAnswer(string Type, string Title, int Status, string Detail, PlaceAnswer[]? Errors);

internal sealed record PlaceAnswer(string Pointer, string Detail);
