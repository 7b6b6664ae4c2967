using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>How the learning rate changes over training: a pure function of the step. One of the sealed classes of this file.</summary>
[JsonDerivedType(typeof(ConstantSchedule), "constant")]
[JsonDerivedType(typeof(OneCycleSchedule), "one cycle")]
[JsonDerivedType(typeof(CosineSchedule), "cosine")]
[JsonDerivedType(typeof(WarmupCosineSchedule), "warmup cosine")]
[JsonDerivedType(typeof(StepSchedule), "step")]
[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)]
public abstract class LearningRateSchedule
{
    private protected LearningRateSchedule()
    {
    }

    /// <summary>The rate of one step.</summary>
    /// <param name="step">Number of the step, counted from 0.</param>
    /// <param name="totalSteps">Steps planned in all: batches of an epoch times the maximum number of epochs.</param>
    /// <param name="learningRate">The option <c>LearningRate</c>.</param>
    /// <returns>The rate, at least 0.</returns>
    public abstract double Rate(long step, long totalSteps, double learningRate);

    /// <summary>Throws if a value is outside its range.</summary>
    internal abstract void Validate();

    /// <summary>Half a cosine from <paramref name="from"/> (at 0) to <paramref name="to"/> (at 1).</summary>
    private protected static double CosineBetween(double from, double to, double progress) =>
        to + (from - to) * (1 + Math.Cos(Math.PI * progress)) / 2;

    private protected static void Require(bool condition, string name, double found, string needed)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, found, $"{name} is {found}; it must be {needed}.");
    }
}

/// <summary>The same rate for every step.</summary>
public sealed class ConstantSchedule : LearningRateSchedule
{
    /// <inheritdoc/>
    public override double Rate(long step, long totalSteps, double learningRate) => learningRate;

    internal override void Validate()
    {
    }
}

/// <summary>
/// One cycle (Smith and Topin 2018, arXiv:1708.07120): up from a small rate to <c>LearningRate</c>, then down to a tiny one.
/// </summary>
/// <remarks>The formulation of PyTorch's OneCycleLR with two phases. The peak lies at step <c>PeakFraction * totalSteps - 1</c>.</remarks>
public sealed class OneCycleSchedule : LearningRateSchedule
{
    /// <summary>Part of the steps spent rising, in (0, 1). Default 0.3.</summary>
    public double PeakFraction { get; init; } = 0.3;

    /// <summary>The first rate is <c>LearningRate / InitialDivisor</c>; at least 1. Default 25.</summary>
    public double InitialDivisor { get; init; } = 25;

    /// <summary>The last rate is the first one divided by this; at least 1. Default 10,000.</summary>
    public double FinalDivisor { get; init; } = 1e4;

    /// <summary>Straight lines instead of half cosines. Default false.</summary>
    public bool Linear { get; init; }

    /// <inheritdoc/>
    public override double Rate(long step, long totalSteps, double learningRate)
    {
        double initial = learningRate / InitialDivisor;
        double final = initial / FinalDivisor;
        double peak = PeakFraction * totalSteps - 1;
        double last = totalSteps - 1;
        if (step <= peak)
            return peak == 0 ? learningRate : Between(initial, learningRate, step / peak);
        return last <= peak ? learningRate : Between(learningRate, final, (step - peak) / (last - peak));
    }

    internal override void Validate()
    {
        Require(PeakFraction is > 0 and < 1, nameof(PeakFraction), PeakFraction, "in (0, 1)");
        Require(InitialDivisor is >= 1 and < double.PositiveInfinity, nameof(InitialDivisor), InitialDivisor, "at least 1 and finite");
        Require(FinalDivisor is >= 1 and < double.PositiveInfinity, nameof(FinalDivisor), FinalDivisor, "at least 1 and finite");
    }

    private double Between(double from, double to, double progress) =>
        Linear ? from + (to - from) * progress : CosineBetween(from, to, progress);
}

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
