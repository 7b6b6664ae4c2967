using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>A trained network whose rows that it set aside are looked at again.</summary>
/// <param name="Training">Its training.</param>
/// <param name="Parameters">What it came to.</param>
/// <param name="Share">What its predictions count for beside those of others that set the same rows aside; 1 where it is alone.</param>
internal sealed record HeldOutNetwork(NetworkTraining Training, NetworkParameters Parameters, double Share);
