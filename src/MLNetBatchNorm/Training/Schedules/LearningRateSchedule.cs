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
