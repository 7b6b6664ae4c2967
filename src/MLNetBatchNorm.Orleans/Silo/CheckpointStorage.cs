using Orleans.Runtime;
using Orleans.Storage;

namespace MLNetBatchNorm.Clustering;

/// <summary>
/// The state of one training in the silo's grain storage, under the name that the training has wherever it runs; so another silo finds it,
/// and another <c>Fit</c> with the same rows and options.
/// </summary>
/// <param name="storage">The storage.</param>
/// <param name="key">The training's name.</param>
internal sealed class CheckpointStorage(IGrainStorage storage, string key)
{
    private const string StateName = "training";

    private readonly GrainId _grain = GrainId.Create("mlnetbatchnorm.training", key);
    private readonly GrainState<TrainingCheckpoint> _state = new() { State = new TrainingCheckpoint() };

    /// <summary>Reads the state, or null if there is none.</summary>
    public byte[]? Read()
    {
        Task.Run(() => storage.ReadStateAsync(StateName, _grain, _state)).GetAwaiter().GetResult();
        return _state.RecordExists && _state.State is { State.Length: > 0 } kept ? kept.State : null;
    }

    /// <summary>Keeps the state.</summary>
    public void Write(byte[] state)
    {
        _state.State = new TrainingCheckpoint { State = state };
        Task.Run(() => storage.WriteStateAsync(StateName, _grain, _state)).GetAwaiter().GetResult();
    }

    /// <summary>Forgets the state, which is of no use any more.</summary>
    public void Clear()
    {
        if (_state.RecordExists)
            Task.Run(() => storage.ClearStateAsync(StateName, _grain, _state)).GetAwaiter().GetResult();
    }
}
