using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

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
