using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace MLNetBatchNorm.Clustering;

/// <summary>Finds the silo that a key names.</summary>
internal sealed class OneSiloPlacementDirector : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        string key = target.GrainIdentity.Key.ToString()!;
        SiloAddress? silo = context.GetCompatibleSilos(target).FirstOrDefault(silo => silo.ToParsableString() == key);
        return silo is null
            ? Task.FromException<SiloAddress>(new SiloUnavailableException($"There is no silo {key} in the cluster any more."))
            : Task.FromResult(silo);
    }
}
