using System.Diagnostics;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Writes the state of one network's training as often as the options say, and reads it again.</summary>
internal sealed class MemberCheckpoints : IKeptTraining
{
    private readonly IHost _host;
    private readonly TrainingNumber _number;
    private readonly INetworkTrainingObserver _observer;
    private readonly BatchNormNetworkOptions _options;
    private readonly CheckpointFile _file;
    private readonly CheckpointOwner _owner;
    private TrainingState? _restored;
    private int _lastEpoch;
    private long _lastTime = Stopwatch.GetTimestamp();

    public MemberCheckpoints(
        IHost host, TrainingNumber number, INetworkTrainingObserver observer, BatchNormNetworkOptions options,
        CheckpointFile file, CheckpointOwner owner)
    {
        _host = host;
        _number = number;
        _observer = observer;
        _options = options;
        _file = file;
        _owner = owner;
    }

    /// <inheritdoc/>
    public NetworkMember? Finished { get; private set; }

    /// <summary>Reads what an earlier run has left: the newest file that is whole.</summary>
    public void Load(NetworkDefinition definition)
    {
        foreach (string path in new[] { _file.CurrentPath, _file.PreviousPath })
        {
            if (!TryRead(path, definition))
                continue;
            int epochs = (Finished?.History.Epochs ?? _restored!.Epochs).Count;
            Note(TrainingNoteKind.Information, $"Training goes on from the checkpoint '{path}', after {epochs} epochs.");
            return;
        }
    }

    /// <inheritdoc/>
    public bool Restore(TrainingState state)
    {
        if (_restored is not { } restored)
            return false;
        _restored = null;
        if (!restored.HasShapeOf(state))
        {
            throw _host.ExceptDecode(
                $"The checkpoint '{_file.CurrentPath}' holds another optimizer's memory. Remove it to train from the beginning.");
        }
        state.CopyFrom(restored);
        _lastEpoch = state.Epochs.Count;
        return true;
    }

    /// <inheritdoc/>
    public void EpochEnded(TrainingState state)
    {
        int epochs = state.Epochs.Count - _lastEpoch;
        CheckpointOptions interval = _options.Checkpoint!;
        if (!(epochs >= interval.IntervalInEpochs) && !(Stopwatch.GetElapsedTime(_lastTime).TotalSeconds >= interval.IntervalInSeconds))
            return;
        Write(stream => CheckpointFormat.Write(stream, _owner, state));
        _lastEpoch = state.Epochs.Count;
        _lastTime = Stopwatch.GetTimestamp();
    }

    /// <summary>Keeps the trained network while others are trained.</summary>
    public void Finish(NetworkMember result)
    {
        if (!_number.IsOnly)
            Write(stream => CheckpointFormat.Write(stream, _owner, result));
    }

    private bool TryRead(string path, NetworkDefinition definition)
    {
        if (!File.Exists(path))
            return false;
        try
        {
            using FileStream stream = File.OpenRead(path);
            (_restored, Finished) = CheckpointFormat.Read(stream, _owner, definition);
            return true;
        }
        catch (NetworkFormatException e)
        {
            if (path == _file.CurrentPath)
                _file.KeepCurrent = false;
            Note(TrainingNoteKind.Error, $"The checkpoint '{path}' is damaged and is not used: {e.Message}");
            return false;
        }
        catch (ForeignCheckpointException e)
        {
            throw Refusal(path, e);
        }
        catch (Exception e) when (FitCheckpoints.IsFileTrouble(e))
        {
            throw _host.ExceptIO(
                e, $"The checkpoint '{path}' cannot be read: {e.Message} Make it readable, or remove it to train from the beginning.");
        }
    }

    private Exception Refusal(string path, ForeignCheckpointException reason)
    {
        string seed = _options.Seed is null ? " Seed is not set, so that every trainer draws another one: set it." : "";
        return _host.Except(
            reason,
            $"The checkpoint '{path}' belongs to another training: {reason.Difference}.{seed} To go on with that training, "
            + "give it what it was started with; to train from the beginning, remove the file or set Checkpoint.Path to another one.");
    }

    private void Write(Action<Stream> write)
    {
        try
        {
            _file.Write(write);
        }
        catch (Exception e) when (FitCheckpoints.IsFileTrouble(e))
        {
            Note(
                TrainingNoteKind.Warning,
                $"The checkpoint '{_file.CurrentPath}' cannot be written, and training goes on without it: {e.Message}");
        }
    }

    private void Note(TrainingNoteKind kind, FormattableString text) =>
        _observer.Noted(new TrainingNote(kind, FormattableString.Invariant(text)));
}
