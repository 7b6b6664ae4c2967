using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>
/// Half a cosine from <c>LearningRate</c> down to <see cref="MinimumRate"/> (Loshchilov and Hutter 2017, arXiv:1608.03983).
/// </summary>
public sealed class CosineSchedule : LearningRateSchedule
{
    /// <summary>The rate at the bottom, at least 0. Default 0.</summary>
    public double MinimumRate { get; init; }

    /// <summary>Steps from the top to the bottom, at least 1; past them the cosine rises again. Default null: all planned steps.</summary>
    public long? Period { get; init; }

    /// <inheritdoc/>
    public override double Rate(long step, long totalSteps, double learningRate) =>
        CosineBetween(learningRate, MinimumRate, step / (double)(Period ?? Math.Max(1, totalSteps)));

    internal override void Validate()
    {
        Require(MinimumRate is >= 0 and < double.PositiveInfinity, nameof(MinimumRate), MinimumRate, "at least 0 and finite");
        Require(Period is null or >= 1, nameof(Period), Period ?? 0, "at least 1");
    }
}
