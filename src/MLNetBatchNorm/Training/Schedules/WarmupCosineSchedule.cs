using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>A straight rise over the first steps, then half a cosine down (Goyal et al. 2017; Loshchilov and Hutter 2017).</summary>
public sealed class WarmupCosineSchedule : LearningRateSchedule
{
    /// <summary>
    /// Part of the steps spent rising, in [0, 1), rounded down to whole steps. Default 0.05.
    /// Ignored where <see cref="WarmupSteps"/> is given.
    /// </summary>
    public double WarmupFraction { get; init; } = 0.05;

    /// <summary>Number of rising steps, at least 0. Default null: <see cref="WarmupFraction"/> of all.</summary>
    public long? WarmupSteps { get; init; }

    /// <summary>The first rate as a part of <c>LearningRate</c>, in [0, 1]. Default 0.1.</summary>
    public double StartFactor { get; init; } = 0.1;

    /// <summary>The rate at the bottom, at least 0. Default 0.</summary>
    public double MinimumRate { get; init; }

    /// <inheritdoc/>
    public override double Rate(long step, long totalSteps, double learningRate)
    {
        long warmup = WarmupSteps ?? (long)(WarmupFraction * totalSteps);
        return step < warmup
            ? learningRate * (StartFactor + (1 - StartFactor) * step / warmup)
            : CosineBetween(learningRate, MinimumRate, (step - warmup) / (double)Math.Max(1, totalSteps - warmup));
    }

    internal override void Validate()
    {
        Require(WarmupFraction is >= 0 and < 1, nameof(WarmupFraction), WarmupFraction, "in [0, 1)");
        Require(WarmupSteps is null or >= 0, nameof(WarmupSteps), WarmupSteps ?? 0, "at least 0");
        Require(StartFactor is >= 0 and <= 1, nameof(StartFactor), StartFactor, "in [0, 1]");
        Require(MinimumRate is >= 0 and < double.PositiveInfinity, nameof(MinimumRate), MinimumRate, "at least 0 and finite");
    }
}
