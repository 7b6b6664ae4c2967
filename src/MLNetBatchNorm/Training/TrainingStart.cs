using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>The trained network that a training goes on from.</summary>
/// <param name="Parameters">What it has learned.</param>
/// <param name="Scales">What its model makes labels of its outputs with; null where outputs are scores already.</param>
internal sealed record TrainingStart(NetworkParameters Parameters, TargetScales? Scales)
{
    /// <summary>The scale where there is one target, or null.</summary>
    public TargetScale? Scale => Scales?.Only;
}
