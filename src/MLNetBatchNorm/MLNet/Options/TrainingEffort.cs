using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>How much time a model may take, in training and for a row: what options that are left null come to.</summary>
/// <remarks>
/// Chosen by the size of the data, never by a clock, so that the same data give the same model everywhere. What is set stays as it is.
/// docs/defaults.md has the numbers and the experiments behind them.
/// </remarks>
[JsonConverter(typeof(JsonStringEnumConverter<TrainingEffort>))]
public enum TrainingEffort
{
    /// <summary>
    /// Eight networks, or fewer where they would be large or take long: more accurate than boosted trees with their defaults on most
    /// tables, at some times their time. Models of half a megabyte to a few.
    /// </summary>
    Balanced,

    /// <summary>
    /// Four small networks and fewer epochs: a row costs what it costs with boosted trees, training little more, and most of the gain
    /// stays. Models of a megabyte at most, mostly of a fifth of that of <see cref="Balanced"/>.
    /// </summary>
    Fast,

    /// <summary>
    /// Sixteen networks, wider and trained longer, from 3,000 rows on those of the best of sixteen configurations
    /// (<see cref="BatchNormNetworkOptions.NumberOfTrials"/>): many times the time of <see cref="Balanced"/>.
    /// </summary>
    Best,
}
