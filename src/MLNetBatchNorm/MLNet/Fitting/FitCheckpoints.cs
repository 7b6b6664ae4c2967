using System.Globalization;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Persistence;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>The checkpoints of one call of <c>Fit</c>: one file for each training of each network, removed when all are trained.</summary>
internal sealed class FitCheckpoints : ITrainingStore, IDisposable
{
    private readonly IHost _host;
    private readonly IChannel _channel;
    private readonly BatchNormNetworkOptions _options;
    private readonly string _path;
    private readonly CheckpointFile[] _files;

    private FitCheckpoints(IHost host, IChannel channel, BatchNormNetworkOptions options, string path, int trainings)
    {
        _host = host;
        _channel = channel;
        _options = options;
        _path = path;
        _files = [.. Enumerable.Range(1, trainings).Select(
            number => new CheckpointFile(number == 1 ? path : string.Create(CultureInfo.InvariantCulture, $"{path}.{number}")))];
    }

    /// <summary>Sees all rows as they are read, so that a checkpoint of other rows is recognized.</summary>
    public FitFingerprint Fingerprint { get; } = new();

    /// <summary>
    /// The checkpoints the options ask for, or null. Fails before any row is read if the folder cannot
    /// be written to, or the file is something else.
    /// </summary>
    public static FitCheckpoints? Create(IHost host, IChannel channel, BatchNormNetworkOptions options, int trainings)
    {
        if (options.Checkpoint?.Path is not { } path)
            return null;
        var checkpoints = new FitCheckpoints(host, channel, options, Path.GetFullPath(path), trainings);
        checkpoints.CheckFiles();
        return checkpoints;
    }

    /// <inheritdoc/>
    public IKeptTraining Open(NetworkTraining training, NetworkParameters initial, INetworkTrainingObserver observer)
    {
        CheckpointOwner owner = Fingerprint.OwnerOf(_options, training, initial);
        var checkpoints = new MemberCheckpoints(_host, training.Number, observer, _options, _files[training.Number.Index], owner);
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
            _channel.Warning(MessageSensitivity.None, "The checkpoint '{0}' cannot be removed: {1}", _path, e.Message);
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
            throw _host.ExceptIO(
                e,
                $"The checkpoint '{_path}' cannot be written: {e.Message} "
                + "Set Checkpoint.Path to a file in a folder that exists and can be written to, or Checkpoint to null.");
        }
    }

    private void CheckOurs(string path)
    {
        if (!File.Exists(path))
            return;
        using FileStream stream = File.OpenRead(path);
        if (!CheckpointFormat.IsCheckpoint(stream))
        {
            throw _host.Except(
                $"The file '{path}' is no checkpoint of this library, and is not overwritten. "
                + "Set Checkpoint.Path to another file, or remove this one.");
        }
    }
}
