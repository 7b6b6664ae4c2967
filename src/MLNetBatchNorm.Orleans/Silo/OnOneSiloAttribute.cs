using Orleans.Placement;

namespace MLNetBatchNorm.Clustering;

/// <summary>Marks a grain that lives on the silo that its key names.</summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class OnOneSiloAttribute() : PlacementAttribute(OneSiloPlacement.Instance);
