using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Model parameters that hold a network: what all kinds have in common for the code in this folder.</summary>
internal interface INetworkModel
{
    /// <summary>The network as it is saved.</summary>
    TrainedNetwork Network { get; }
}
