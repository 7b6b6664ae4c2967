using Orleans.Runtime;

namespace MLNetBatchNorm.Clustering;

/// <summary>A grain lives on the silo that its key names.</summary>
[GenerateSerializer, Immutable, Alias("mlnetbatchnorm.one-silo")]
internal sealed class OneSiloPlacement : PlacementStrategy
{
    public static OneSiloPlacement Instance { get; } = new();
}
