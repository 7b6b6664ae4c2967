using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>The checkpoints of one call of <c>Fit</c>: one file for each training of each network, removed when all are trained.</summary>
internal sealed class FitCheckpoints : IDisposable
{
    private readonly IHost _host;
    private readonly IChannel _channel;
    private readonly BatchNormNetworkOptions _options;
    private readonly CheckpointFile[] _files;

    private FitCheckpoints(IHost host, IChannel channel, BatchNormNetworkOptions options, string path, int trainings)
    {
        _host = host;
        _channel = channel;
        _options = options;
        _files = [.. Enumerable.Range(1, trainings).Select(
            number => new CheckpointFile(number == 1 ? path : string.Create(CultureInfo.InvariantCulture, $"{path}.{number}")))];
    }

    /// <summary>Sees all rows as they are read, so that a checkpoint of other rows is recognized.</summary>
    public FitFingerprint Fingerprint { get; } = new();

    /// <summary>The checkpoints the options ask for, or null. Fails before any row is read if the folder cannot be written to, or the file is something else.</summary>
    public static FitCheckpoints? Create(IHost host, IChannel channel, BatchNormNetworkOptions options, int trainings)
    {
        if (options.CheckpointPath is null)
            return null;
        var checkpoints = new FitCheckpoints(host, channel, options, Path.GetFullPath(options.CheckpointPath), trainings);
        checkpoints.CheckFiles();
        return checkpoints;
    }

    /// <summary>The checkpoints of one training, with what an interrupted training has left of it.</summary>
    /// <param name="member">The training.</param>
    /// <param name="settings">How the network is trained.</param>
    /// <param name="encoder">What encodes its features.</param>
    /// <param name="initial">Its parameters before the first step.</param>
    public MemberCheckpoints Of(MemberTraining member, TrainingSettings settings, InputEncoder encoder, NetworkParameters initial)
    {
        CheckpointOwner owner = Fingerprint.OwnerOf(_options, settings, encoder, initial, member.Number.Index);
        var checkpoints = new MemberCheckpoints(_host, member, _options, _files[member.Number.Index], owner);
        checkpoints.Load(initial.Definition);
        return checkpoints;
    }

    /// <summary>Removes all files. What cannot be removed is reported: the trained model is worth more than a tidy folder.</summary>
    public void Delete()
    {
        try
        {
            foreach (CheckpointFile file in _files)
                file.Delete();
        }
        catch (Exception e) when (IsFileTrouble(e))
        {
            _channel.Warning(MessageSensitivity.None, "The checkpoint '{0}' cannot be removed: {1}", _options.CheckpointPath, e.Message);
        }
    }

    public void Dispose() => Fingerprint.Dispose();

    /// <summary>Whether an exception is about a file, and not a mistake of this library.</summary>
    public static bool IsFileTrouble(Exception exception) => exception is IOException or UnauthorizedAccessException;

    private void CheckFiles()
    {
        try
        {
            foreach (CheckpointFile file in _files)
            {
                file.CheckWritable();
                CheckOurs(file.CurrentPath);
                CheckOurs(file.PreviousPath);
            }
        }
        catch (Exception e) when (IsFileTrouble(e))
        {
            throw _host.ExceptIO(e, $"The checkpoint '{_options.CheckpointPath}' cannot be written: {e.Message} Set CheckpointPath to a file in a folder that exists and can be written to, or to null.");
        }
    }

    private void CheckOurs(string path)
    {
        if (!File.Exists(path))
            return;
        using FileStream stream = File.OpenRead(path);
        if (!CheckpointFormat.IsCheckpoint(stream))
            throw _host.Except($"The file '{path}' is no checkpoint of this library, and is not overwritten. Set CheckpointPath to another file, or remove this one.");
    }
}

/// <summary>Writes the state of one network's training as often as the options say, and reads it again.</summary>
internal sealed class MemberCheckpoints : ITrainingCheckpoints
{
    private readonly IHost _host;
    private readonly MemberTraining _member;
    private readonly BatchNormNetworkOptions _options;
    private readonly CheckpointFile _file;
    private readonly CheckpointOwner _owner;
    private TrainingState? _restored;
    private int _lastEpoch;
    private long _lastTime = Stopwatch.GetTimestamp();

    public MemberCheckpoints(IHost host, MemberTraining member, BatchNormNetworkOptions options, CheckpointFile file, CheckpointOwner owner)
    {
        _host = host;
        _member = member;
        _options = options;
        _file = file;
        _owner = owner;
    }

    /// <summary>The network, if an earlier run has trained it to the end.</summary>
    public NetworkMember? Finished { get; private set; }

    /// <summary>Reads what an earlier run has left: the newest file that is whole.</summary>
    public void Load(NetworkDefinition definition)
    {
        foreach (string path in new[] { _file.CurrentPath, _file.PreviousPath })
        {
            if (!TryRead(path, definition))
                continue;
            int epochs = (Finished?.History.Epochs ?? _restored!.Epochs).Count;
            _member.Tell(channel => channel.Info(MessageSensitivity.None, "Training goes on from the checkpoint '{0}', after {1} epochs.", path, epochs));
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
            throw _host.ExceptDecode($"The checkpoint '{_file.CurrentPath}' holds another optimizer's memory. Remove it to train from the beginning.");
        state.CopyFrom(restored);
        _lastEpoch = state.Epochs.Count;
        return true;
    }

    /// <inheritdoc/>
    public void EpochEnded(TrainingState state)
    {
        int epochs = state.Epochs.Count - _lastEpoch;
        if (!(epochs >= _options.CheckpointIntervalInEpochs) && !(Stopwatch.GetElapsedTime(_lastTime).TotalSeconds >= _options.CheckpointIntervalInSeconds))
            return;
        Write(stream => CheckpointFormat.Write(stream, _owner, state));
        _lastEpoch = state.Epochs.Count;
        _lastTime = Stopwatch.GetTimestamp();
    }

    /// <summary>Keeps the trained network while others are trained.</summary>
    public void Finish(NetworkMember member) => Write(stream => CheckpointFormat.Write(stream, _owner, member));

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
            _member.Tell(channel => channel.Error(MessageSensitivity.None, "The checkpoint '{0}' is damaged and is not used: {1}", path, e.Message));
            return false;
        }
        catch (ForeignCheckpointException e)
        {
            throw Refusal(path, e);
        }
        catch (Exception e) when (FitCheckpoints.IsFileTrouble(e))
        {
            throw _host.ExceptIO(e, $"The checkpoint '{path}' cannot be read: {e.Message} Make it readable, or remove it to train from the beginning.");
        }
    }

    private Exception Refusal(string path, ForeignCheckpointException reason)
    {
        string seed = _options.Seed is null ? " Seed is not set, so that every trainer draws another one: set it." : "";
        return _host.Except(
            reason,
            $"The checkpoint '{path}' belongs to another training: {reason.Difference}.{seed} To go on with that training, give it what it was started with; "
            + "to train from the beginning, remove the file or set CheckpointPath to another one.");
    }

    private void Write(Action<Stream> write)
    {
        try
        {
            _file.Write(write);
        }
        catch (Exception e) when (FitCheckpoints.IsFileTrouble(e))
        {
            _member.Tell(channel => channel.Warning(MessageSensitivity.None, "The checkpoint '{0}' cannot be written, and training goes on without it: {1}", _file.CurrentPath, e.Message));
        }
    }
}
