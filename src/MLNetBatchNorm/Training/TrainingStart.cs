using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>The trained network that a training goes on from.</summary>
/// <param name="Parameters">What it has learned.</param>
/// <param name="Scale">What its model makes labels of its outputs with; null where outputs are scores already.</param>
internal sealed record TrainingStart(NetworkParameters Parameters, TargetScale? Scale);
