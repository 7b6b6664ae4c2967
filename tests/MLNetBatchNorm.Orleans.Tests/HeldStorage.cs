using Orleans;
using Orleans.Runtime;
using Orleans.Storage;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>
/// Grain storage that holds a training when it has kept a number of states, and says so: a silo that is killed then is lost in the middle
/// of a training, with a checkpoint, however busy the machine is.
/// </summary>
/// <param name="storage">What keeps the states.</param>
/// <param name="states">Number of states to keep before that.</param>
/// <param name="released">Lets the training go on, for good.</param>
internal sealed class HeldStorage(IGrainStorage storage, int states, Task released) : IGrainStorage
{
    /// <summary>What the process writes when it holds a training.</summary>
    public const string Line = "held";

    private int _kept;

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        storage.ReadStateAsync(stateName, grainId, grainState);

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        await storage.WriteStateAsync(stateName, grainId, grainState);
        if (++_kept < states || released.IsCompleted)
            return;
        Console.WriteLine(Line);
        await Console.Out.FlushAsync();
        await released;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) =>
        storage.ClearStateAsync(stateName, grainId, grainState);
}
