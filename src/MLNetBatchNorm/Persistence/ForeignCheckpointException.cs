using System.Security.Cryptography;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Persistence;

/// <summary>A whole and undamaged checkpoint of another training.</summary>
internal sealed class ForeignCheckpointException(string difference) : Exception(
    $"The checkpoint belongs to another training: {difference}.")
{
    /// <summary>What is different: part of a sentence.</summary>
    public string Difference { get; } = difference;
}
