using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>The rate is multiplied by <see cref="Factor"/> at regular steps or at given milestones.</summary>
public sealed class StepSchedule : LearningRateSchedule
{
    /// <summary>The multiplier, in (0, 1]. Default 0.1.</summary>
    public double Factor { get; init; } = 0.1;

    /// <summary>
    /// Steps between multiplications, at least 1. Default null: a third of all planned steps.
    /// Ignored where <see cref="Milestones"/> are given.
    /// </summary>
    public long? StepSize { get; init; }

    /// <summary>Steps, in rising order, from which on one more multiplication applies. Default empty.</summary>
    public IReadOnlyList<long> Milestones { get; init; } = [];

    /// <inheritdoc/>
    public override double Rate(long step, long totalSteps, double learningRate)
    {
        long size = StepSize ?? Math.Max(1, totalSteps / 3);
        long drops = Milestones.Count > 0 ? Milestones.Count(milestone => milestone <= step) : step / size;
        return learningRate * Math.Pow(Factor, drops);
    }

    internal override void Validate()
    {
        Require(Factor is > 0 and <= 1, nameof(Factor), Factor, "in (0, 1]");
        Require(StepSize is null or >= 1, nameof(StepSize), StepSize ?? 0, "at least 1");
        for (int i = 0; i < Milestones.Count; i++)
        {
            Require(
                Milestones[i] >= (i == 0 ? 0 : Milestones[i - 1]), nameof(Milestones), Milestones[i],
                "at least 0 and not below the one before it");
        }
    }
}
