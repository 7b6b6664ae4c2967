using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>The same rate for every step.</summary>
public sealed class ConstantSchedule : LearningRateSchedule
{
    /// <inheritdoc/>
    public override double Rate(long step, long totalSteps, double learningRate) => learningRate;

    internal override void Validate()
    {
    }
}
