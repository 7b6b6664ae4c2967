using MLNetBatchNorm.Network;

namespace MLNetBatchNorm;

/// <summary>A layer that reads all units of the layer before: x is their values, and W a matrix.</summary>
public sealed class BatchNormNetworkDenseLayer : BatchNormNetworkLayer
{
    internal BatchNormNetworkDenseLayer(NetworkParameters parameters, IEnumerable<Node> nodes, LinearParameters linear)
        : base(parameters, nodes, linear)
    {
        Weights = new BatchNormNetworkWeights(linear);
    }

    /// <summary>The matrix W, one row for each unit of the layer and one column for each unit of the layer before.</summary>
    public BatchNormNetworkWeights Weights { get; }
}
