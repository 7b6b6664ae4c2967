using Orleans.Concurrency;
using Orleans.Runtime;

namespace MLNetBatchNorm.Clustering;

/// <summary>Answers on the silo that a client is connected to, without asking another.</summary>
[StatelessWorker]
internal sealed class TrainingDirectoryGrain(ISiloStatusOracle silos) : Grain, ITrainingDirectory
{
    public Task<string[]> Silos() =>
        Task.FromResult(silos.GetApproximateSiloStatuses(onlyActive: true).Keys.Select(silo => silo.ToParsableString()).ToArray());
}
