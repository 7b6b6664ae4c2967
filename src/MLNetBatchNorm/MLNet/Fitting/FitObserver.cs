using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>
/// Tells the log and the caller's <see cref="IProgress{T}"/> about every epoch.
/// </summary>
/// <remarks>
/// No progress channel of ML.NET's is opened: an <c>MLContext</c>, which has nobody to read it, keeps each for as long as it lives, 2 KB
/// and 270 bytes for every checkpoint.
/// </remarks>
internal sealed class FitObserver : ITrainingsObserver
{
    private readonly IHost _host;
    private readonly IChannel _channel;
    private readonly BatchNormNetworkOptions _options;
    private readonly FitPlan _plan;
    private readonly string _inputs;
    private readonly LabelUnits _target;
    private readonly Action<NetworkTraining, NetworkMember> _keep;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly string _metricName;
    private readonly int[] _epochsPlanned;
    private readonly long[] _rows;
    private readonly int[] _epochsDone;
    private readonly bool[] _ended;
    private bool _hasSaidThatRowsAreFew;
    private long _trainedRows;
    private double _laterEpochs;

    /// <param name="host">The trainer's host.</param>
    /// <param name="channel">The log.</param>
    /// <param name="options">Whose progress handler is told.</param>
    /// <param name="plan">What is trained.</param>
    /// <param name="rows">On what.</param>
    /// <param name="keep">Given the results, but for that of a network which the others teach.</param>
    public FitObserver(
        IHost host, IChannel channel, BatchNormNetworkOptions options, FitPlan plan, FitRows rows,
        Action<NetworkTraining, NetworkMember> keep)
    {
        int trainings = plan.NumberOfTrainings + (plan.Compact is null ? 0 : 1);
        _host = host;
        _channel = channel;
        _options = options;
        _plan = plan;
        _inputs = InputText(rows, plan.Encoder);
        _target = rows.Target;
        _keep = keep;
        _epochsPlanned = new int[trainings];
        _rows = new long[trainings];
        _epochsDone = new int[trainings];
        _ended = new bool[trainings];
        string metric = plan.Settings.Objective.MetricName;
        _metricName = plan.Settings.TargetWeights is null ? metric : $"mean {metric}";
    }

    /// <summary>The trial that has judged best so far, and its loss; null as long as none has.</summary>
    public int? BestTrial { get; set; }

    /// <inheritdoc cref="BestTrial"/>
    public double? BestTrialScore { get; set; }

    /// <summary>The network that the others have taught, once it is trained.</summary>
    public NetworkMember? Compact { get; private set; }

    /// <summary>Trainings that are about to begin, and epochs that will be trained behind them, as far as is known.</summary>
    public void Announce(IEnumerable<NetworkTraining> trainings, double laterEpochs = 0)
    {
        foreach (NetworkTraining training in trainings)
            _epochsPlanned[training.Number.Index] = training.Settings.EpochsOfAllRungs;
        _laterEpochs = laterEpochs;
    }

    /// <summary>Says once what all trainings have in common.</summary>
    public void Begin()
    {
        if (_plan.Trials.Count > 0)
        {
            _channel.Info(MessageSensitivity.None, Text(
                $"Trying {_plan.Trials.Count} configurations of {_plan.Chosen.Members} networks each, for a model of at most ")
                + Text($"{_plan.MostNetworks} networks; what follows is trial 1."));
        }
        NetworkDefinition definition = _plan.Definition;
        string networks = _plan.Chosen.Members == 1 ? "a network" : Text($"{_plan.Chosen.Members} networks, each");
        string times = _plan.Restarts == 0 ? "" : Text($", {(_plan.Chosen.Members == 1 ? "" : "each ")}{1 + _plan.Restarts} times");
        string units = string.Join(" + ", definition.HiddenUnits);
        string pictures = definition.Picture is { } picture
            ? Text($" as pictures of {picture}, {definition.Convolutions.Length} convolutional layers") : "";
        string shape = Text($"{_plan.Encoder.RawInputs} features{pictures}, {units} hidden units, {definition.Outputs} outputs");
        string steps = Text($"{_plan.Chosen.Epochs} epochs in batches of {_plan.Settings.BatchSize}");
        string rate = Text($"a learning rate of at most {_plan.Settings.LearningRate:G4}; seed {unchecked((int)_plan.Seed)}");
        string parameters = Text($"{definition.ParameterCount} parameters");
        _channel.Info(
            MessageSensitivity.None, $"Training {networks} of {shape} ({parameters}){times}, for {steps} at {rate}. {_inputs}");
        if (_plan.ChosenOptions.Count > 0)
            _channel.Info(MessageSensitivity.None, $"Chosen where the options leave it open: {string.Join(", ", _plan.ChosenOptions)}.");
        if (_options.CompactModel && _plan.Compact is null)
            _channel.Info(MessageSensitivity.None, "CompactModel has no effect: the model is one network already.");
    }

    /// <summary>Says that one network is about to be taught by all others.</summary>
    public void BeginCompact(NetworkTraining training)
    {
        NetworkDefinition definition = training.Definition;
        _channel.Info(MessageSensitivity.None, Text(
            $"Compacting: one network of {string.Join(" + ", definition.HiddenUnits)} hidden units ({definition.ParameterCount} ")
            + Text($"parameters) learns what the {training.Number.Members} networks say."));
        Announce([training]);
    }

    /// <summary>How rows are kept, and what the first layer reads of them.</summary>
    private static string InputText(FitRows rows, InputEncoder encoder)
    {
        string form = rows.IsSparse ? Text($"sparse, {rows.EntriesOfRow:0.#} entries a row") : "dense";
        IEnumerable<string> columns = encoder.Describe().GroupBy(column => column.Kind)
            .Select(group => Text($"{group.Count()} {Words(group.Key)}"));
        return $"Rows are kept {form}; columns of the first layer: {string.Join(", ", columns)}.";
    }

    private static string Words(EncodedColumnKind kind) => kind switch
    {
        EncodedColumnKind.Untouched => "untouched",
        EncodedColumnKind.Scaled => "scaled",
        EncodedColumnKind.Missing => "missing",
        EncodedColumnKind.NoCategory => "no category",
        EncodedColumnKind.OtherCategory => "other categories",
        EncodedColumnKind.Piece => "piece",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown kind of encoded column."),
    };

    /// <inheritdoc/>
    public void Started(NetworkTraining training, int rows, int validationRows)
    {
        _rows[training.Number.Index] = rows;
        if (validationRows == 0 && _plan.Split.Fraction > 0 && !training.Number.IsCompact && !_hasSaidThatRowsAreFew)
        {
            _hasSaidThatRowsAreFew = true;
            string why = rows < 3
                ? Text($"{rows} rows are too few to set some aside for validation")
                : "No row can be set aside for validation";
            _channel.Warning(MessageSensitivity.None, $"{why}; all of them train.");
        }

        _channel.Info(MessageSensitivity.None, About(training, Text($"training on {rows} rows, {validationRows} for validation.")));
    }

    /// <inheritdoc/>
    public void Noted(NetworkTraining training, TrainingNote note)
    {
        string text = training.Number.IsOnly ? note.Text : $"{training.Number.Name}: {note.Text}";
        switch (note.Kind)
        {
            case TrainingNoteKind.Error:
                _channel.Error(MessageSensitivity.None, text);
                break;
            case TrainingNoteKind.Warning:
                _channel.Warning(MessageSensitivity.None, text);
                break;
            case TrainingNoteKind.Information:
                _channel.Info(MessageSensitivity.None, text);
                break;
            default:
                throw new ArgumentException($"Notes of kind {note.Kind} are not known.", nameof(note));
        }
    }

    /// <inheritdoc/>
    public void EpochEnded(NetworkTraining training, EpochRecord epoch, int bestEpoch, int maximumEpochs)
    {
        _host.CheckAlive();
        TrainingNumber number = training.Number;
        _epochsDone[number.Index] = epoch.Epoch;
        _trainedRows += _rows[number.Index];
        double trainingLoss = _target.RestoreLoss(epoch.TrainingLoss);
        double? validationLoss = epoch.ValidationLoss is { } loss ? _target.RestoreLoss(loss) : null;
        EpochRecord restored = epoch with { TrainingLoss = trainingLoss, ValidationLoss = validationLoss };
        var progress = new TrainingProgress(
            restored, _metricName, maximumEpochs, bestEpoch, number, FractionDone(), _trainedRows, Stopwatch.GetElapsedTime(_started))
        {
            BestTrial = BestTrial + 1, BestTrialScore = BestTrialScore,
        };
        string validation = validationLoss is { } shown ? Text($", validation loss {shown:G6}") : "";
        if (epoch.ValidationMetric is { } metric)
            validation += Text($", {_metricName} {(double.IsNaN(metric) ? "-" : Text($"{metric:F4}"))}");
        string left = Text($"{progress.EstimatedRemainingSeconds:0} s left");
        _channel.Info(MessageSensitivity.None, About(training, Text(
            $"epoch {epoch.Epoch}/{maximumEpochs}: training loss {trainingLoss:G6}{validation}; {left}")));
        _options.Progress?.Report(progress);
    }

    /// <inheritdoc/>
    public void Ended(NetworkTraining training, NetworkMember result)
    {
        if (training.Number.IsCompact)
            Compact = result;
        else
            _keep(training, result);
        TrainingHistory history = result.History;
        _ended[training.Number.Index] = true;
        _epochsDone[training.Number.Index] = history.Epochs.Count;
        string reason =
            history.StopReason == TrainingStopReason.AllEpochsDone ? "all epochs done" : "the validation loss stopped improving";
        double seconds = Stopwatch.GetElapsedTime(_started).TotalSeconds;
        string kept = training.Number.IsOnly ? "model" : "network";
        int best = history.BestEpoch;
        _channel.Info(MessageSensitivity.None, About(training, Text(
            $"training ended after {history.Epochs.Count} epochs and {seconds:0.0} s ({reason}); the {kept} is that of epoch {best}.")));
    }

    /// <summary>All trainings are over: says which of a network's is kept, where there are several.</summary>
    public void AllEnded(BestOfRestarts best)
    {
        foreach ((TrainingNumber number, double loss) in best.Kept.Where(kept => kept.Number.Restarts > 0))
        {
            string what = number.Restart == 0 ? "its first training" : Text($"its restart {number.Restart}/{number.Restarts}");
            _channel.Info(
                MessageSensitivity.None, Text($"Network {number.Member + 1}/{number.Members} is that of {what}, with loss {loss:G6}."));
        }
    }

    /// <summary>Epochs done, of those planned for all trainings; one that has stopped early has no others planned.</summary>
    private double FractionDone()
    {
        double done = _epochsDone.Sum(epochs => (double)epochs);
        double stillPlanned = Enumerable.Range(0, _ended.Length).Where(training => !_ended[training])
            .Sum(training => (double)(_epochsPlanned[training] - _epochsDone[training])) + _laterEpochs;
        return done / (done + stillPlanned);
    }

    /// <summary>A sentence about one training, which it names if there are others.</summary>
    private static string About(NetworkTraining training, string sentence) =>
        training.Number.IsOnly ? char.ToUpperInvariant(sentence[0]) + sentence[1..] : $"{training.Number.Name}, {sentence}";

    // A channel formats in the culture of its thread; a log is read by programs as well.
    private static string Text(FormattableString message) => message.ToString(CultureInfo.InvariantCulture);
}
