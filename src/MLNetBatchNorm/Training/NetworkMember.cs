using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>One network of an ensemble, and how its training went.</summary>
internal sealed record NetworkMember(NetworkParameters Parameters, TrainingHistory History);
