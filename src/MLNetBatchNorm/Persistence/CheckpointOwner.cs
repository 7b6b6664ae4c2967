using System.Security.Cryptography;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Persistence;

/// <summary>Which training a checkpoint belongs to: three hashes that must all be the same to go on from it.</summary>
/// <param name="Build">The library that wrote it.</param>
/// <param name="Rows">The training and validation rows.</param>
/// <param name="Settings">Options, seed, encoding of the features and initial network.</param>
internal sealed record CheckpointOwner(byte[] Build, byte[] Rows, byte[] Settings)
{
    /// <summary>Bytes of each hash: SHA-256.</summary>
    public const int HashLength = 32;
}
