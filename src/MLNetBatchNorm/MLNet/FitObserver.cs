using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Tells the log, ML.NET's progress channel and the caller's <see cref="IProgress{T}"/> about every epoch.</summary>
internal sealed class FitObserver : ITrainingObserver, IDisposable
{
    /// <summary>
    /// Most checkpoints sent to the progress channel in one training: an <c>MLContext</c> keeps every one of them for as long as it lives.
    /// The log and <see cref="IProgress{T}"/>, which keep nothing, get every epoch.
    /// </summary>
    public const int MaximumNumberOfCheckpoints = 100;

    private readonly IHost _host;
    private readonly IChannel _channel;
    private readonly IProgressChannel _progressChannel;
    private readonly BatchNormNetworkOptions _options;
    private readonly TargetScale _target;
    private readonly int _epochsPerCheckpoint;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly int _members;
    private int _member;
    private long _rowsOfMember;
    private long _trainedRows;
    private EpochRecord? _last;

    public FitObserver(IHost host, IChannel channel, BatchNormNetworkOptions options, TargetScale target)
    {
        _host = host;
        _members = options.NumberOfEnsembleMembers;
        _channel = channel;
        _options = options;
        _target = target;
        _epochsPerCheckpoint = (int)(((long)options.MaximumNumberOfEpochs * _members + MaximumNumberOfCheckpoints - 1) / MaximumNumberOfCheckpoints);
        _progressChannel = host.StartProgressChannel("Training");
        _progressChannel.SetHeader(new ProgressHeader(["training loss", "validation loss"], ["epochs"]), Fill);
    }

    /// <summary>The next network begins.</summary>
    /// <param name="rows">Number of rows that each of its epochs learns from.</param>
    public void BeginMember(long rows)
    {
        _member++;
        _rowsOfMember = rows;
    }

    /// <inheritdoc/>
    public void EpochEnded(EpochRecord epoch, int bestEpoch, int maximumEpochs)
    {
        _host.CheckAlive();
        _trainedRows += _rowsOfMember;
        double trainingLoss = _target.RestoreLoss(epoch.TrainingLoss);
        double? validationLoss = epoch.ValidationLoss is { } loss ? _target.RestoreLoss(loss) : null;
        _last = epoch with { TrainingLoss = trainingLoss, ValidationLoss = validationLoss };
        string which = _members > 1 ? Text($"Network {_member}/{_members}, epoch") : "Epoch";
        string validation = validationLoss is { } shown ? Text($", validation loss {shown:G6}") : "";
        _channel.Info(MessageSensitivity.None, Text($"{which} {epoch.Epoch}/{maximumEpochs}: training loss {trainingLoss:G6}{validation}"));
        if (epoch.Epoch % _epochsPerCheckpoint == 0)
            _progressChannel.Checkpoint(trainingLoss, validationLoss, epoch.Epoch, maximumEpochs);
        _options.Progress?.Report(new TrainingProgress(_last, maximumEpochs, bestEpoch, _member, _members, _trainedRows, Stopwatch.GetElapsedTime(_started)));
    }

    /// <summary>Says how training ended.</summary>
    public void Report(TrainingHistory history)
    {
        string reason = history.StopReason == TrainingStopReason.AllEpochsDone ? "all epochs done" : "the validation loss stopped improving";
        double seconds = Stopwatch.GetElapsedTime(_started).TotalSeconds;
        _channel.Info(
            MessageSensitivity.None, Text($"Training ended after {history.Epochs.Count} epochs and {seconds:0.0} s ({reason}); the model is that of epoch {history.BestEpoch}."));
    }

    public void Dispose() => _progressChannel.Dispose();

    // A channel formats in the culture of its thread; a log is read by programs as well.
    private static string Text(FormattableString message) => message.ToString(CultureInfo.InvariantCulture);

    private void Fill(IProgressEntry entry)
    {
        if (_last is not { } last)
            return;
        entry.SetProgress(0, last.Epoch, _options.MaximumNumberOfEpochs);
        entry.SetMetric(0, last.TrainingLoss);
        if (last.ValidationLoss is { } loss)
            entry.SetMetric(1, loss);
    }
}
