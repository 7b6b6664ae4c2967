using System.Diagnostics;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>Which silos a cluster has, and what they are doing.</summary>
internal static class ClusterState
{
    public static async Task<SiloDescription[]> Describe(TrainingCluster cluster)
    {
        string[] addresses = await FitSession.Silos(cluster.Client.GetGrain<ITrainingDirectory>(0), CancellationToken.None) ?? [];
        SiloDescription?[] silos = await Task.WhenAll(addresses.Select(async address =>
        {
            try
            {
                return await cluster.Client.GetGrain<ITrainingSilo>(address).Describe();
            }
            catch (Exception e) when (SiloLink.IsOfTheNetwork(e))
            {
                return null;
            }
        }));
        return [.. silos.OfType<SiloDescription>()];
    }

    /// <summary>Waits until the cluster has so many silos, neither more nor fewer.</summary>
    public static async Task WaitForSilos(TrainingCluster cluster, int count)
    {
        long began = Stopwatch.GetTimestamp();
        while ((await Describe(cluster)).Length != count)
        {
            if (Stopwatch.GetElapsedTime(began).TotalSeconds > 120)
                throw new TimeoutException($"There are still not {count} silos.");
            await Task.Delay(100);
        }
    }
}
