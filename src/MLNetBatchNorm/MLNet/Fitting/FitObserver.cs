using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Tells the log, ML.NET's progress channel and the caller's <see cref="IProgress{T}"/> about every epoch.</summary>
internal sealed class FitObserver : IDisposable
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
    private readonly string _metricName;
    private readonly int _epochs;
    private readonly int[] _epochsDone;
    private readonly bool[] _ended;
    private long _trainedRows;
    private EpochRecord? _last;

    public FitObserver(IHost host, IChannel channel, BatchNormNetworkOptions options, TargetScale target, string metricName, AutomaticOptions chosen)
    {
        int trainings = chosen.Members * (1 + options.NumberOfRestarts);
        _host = host;
        _epochs = chosen.Epochs;
        _epochsDone = new int[trainings];
        _ended = new bool[trainings];
        _channel = channel;
        _options = options;
        _target = target;
        _metricName = metricName;
        _epochsPerCheckpoint = (int)(((long)_epochs * trainings + MaximumNumberOfCheckpoints - 1) / MaximumNumberOfCheckpoints);
        _progressChannel = host.StartProgressChannel("Training");
        _progressChannel.SetHeader(new ProgressHeader(["training loss", "validation loss", $"validation {metricName}"], ["epochs"]), Fill);
    }

    /// <summary>Where messages go.</summary>
    public IChannel Channel => _channel;

    /// <summary>An epoch of one training is done.</summary>
    /// <param name="training">Which training.</param>
    /// <param name="rows">Rows the epoch has learned from.</param>
    /// <param name="epoch">What the epoch came to.</param>
    /// <param name="bestEpoch">The training's best epoch so far.</param>
    /// <param name="maximumEpochs">Epochs planned for it.</param>
    public void EpochEnded(TrainingNumber training, long rows, EpochRecord epoch, int bestEpoch, int maximumEpochs)
    {
        _host.CheckAlive();
        _epochsDone[training.Index] = epoch.Epoch;
        _trainedRows += rows;
        double trainingLoss = _target.RestoreLoss(epoch.TrainingLoss);
        double? validationLoss = epoch.ValidationLoss is { } loss ? _target.RestoreLoss(loss) : null;
        _last = epoch with { TrainingLoss = trainingLoss, ValidationLoss = validationLoss };
        var progress = new TrainingProgress(_last, _metricName, maximumEpochs, bestEpoch, training, FractionDone(), _trainedRows, Stopwatch.GetElapsedTime(_started));
        string validation = validationLoss is { } shown ? Text($", validation loss {shown:G6}") : "";
        if (epoch.ValidationMetric is { } metric)
            validation += Text($", {_metricName} {(double.IsNaN(metric) ? "-" : Text($"{metric:F4}"))}");
        _channel.Info(
            MessageSensitivity.None,
            Text($"{training.Text}{(training.Text.Length > 0 ? "epoch" : "Epoch")} {epoch.Epoch}/{maximumEpochs}: training loss {trainingLoss:G6}{validation}; {progress.EstimatedRemainingSeconds:0} s left"));
        if (_epochsDone.Sum() % _epochsPerCheckpoint == 0)
            _progressChannel.Checkpoint(trainingLoss, validationLoss, Defined(epoch.ValidationMetric), epoch.Epoch, maximumEpochs);
        _options.Progress?.Report(progress);
    }

    /// <summary>Says how a training ended.</summary>
    public void Ended(TrainingNumber training, TrainingHistory history)
    {
        _ended[training.Index] = true;
        _epochsDone[training.Index] = history.Epochs.Count;
        string reason = history.StopReason == TrainingStopReason.AllEpochsDone ? "all epochs done" : "the validation loss stopped improving";
        double seconds = Stopwatch.GetElapsedTime(_started).TotalSeconds;
        _channel.Info(
            MessageSensitivity.None, Text($"Training ended after {history.Epochs.Count} epochs and {seconds:0.0} s ({reason}); the model is that of epoch {history.BestEpoch}."));
    }

    /// <summary>Says which of a network's trainings is kept, where there are several.</summary>
    public void Kept(TrainingNumber training, double loss)
    {
        if (training.Restarts > 0)
        {
            string what = training.Restart == 0 ? "its first training" : Text($"its restart {training.Restart}/{training.Restarts}");
            _channel.Info(MessageSensitivity.None, Text($"Network {training.Member + 1}/{training.Members} is that of {what}, with loss {loss:G6}."));
        }
    }

    /// <summary>Epochs done, of those planned for all trainings; one that has stopped early has no others planned.</summary>
    private double FractionDone()
    {
        double done = _epochsDone.Sum(epochs => (double)epochs);
        double stillPlanned = Enumerable.Range(0, _ended.Length).Where(training => !_ended[training]).Sum(training => (double)(_epochs - _epochsDone[training]));
        return done / (done + stillPlanned);
    }

    public void Dispose() => _progressChannel.Dispose();

    // A channel formats in the culture of its thread; a log is read by programs as well.
    private static string Text(FormattableString message) => message.ToString(CultureInfo.InvariantCulture);

    private void Fill(IProgressEntry entry)
    {
        if (_last is not { } last)
            return;
        entry.SetProgress(0, last.Epoch, _epochs);
        entry.SetMetric(0, last.TrainingLoss);
        if (last.ValidationLoss is { } loss)
            entry.SetMetric(1, loss);
        if (Defined(last.ValidationMetric) is { } metric)
            entry.SetMetric(2, metric);
    }

    private static double? Defined(double? metric) => metric is double.NaN ? null : metric;
}
