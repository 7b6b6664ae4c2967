using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>One mini-batch: gather the rows, forward, loss, backward, update. Allocates nothing.</summary>
internal sealed class TrainingStep
{
    private readonly TrainingSettings _settings;
    private readonly TrainingSettings _weighing;
    private readonly EncodedRows _data;
    private readonly FeedForwardNetwork _network;
    private readonly OptimizerState _optimizer;
    private readonly WorkerTeam _team;
    private readonly float[] _targets;
    private readonly float[] _weights;
    private readonly float[] _rowLoss;
    private readonly PictureChanges _changes;
    private readonly Lessons? _lessons;
    private readonly Action<Worker> _trainBody;
    private readonly Action<Worker> _forwardBody;
    private int _first;
    private int _rows;
    private PictureChanges _changesNow;
    private ulong _changesKey;

    /// <summary>A step over mini-batches of up to the network's row capacity, taken from <paramref name="data"/>.</summary>
    public TrainingStep(TrainingSettings settings, EncodedRows data, FeedForwardNetwork network, OptimizerState optimizer, WorkerTeam team)
    {
        _settings = settings;
        _data = data;
        _network = network;
        _optimizer = optimizer;
        _team = team;
        // Every target of every row is taught, whichever labels are missing.
        _weighing = settings.Teacher is null ? settings : settings with { TargetWeights = null };
        int capacity = network.Output.RowCapacity;
        _targets = new float[capacity * data.Shape.TargetColumns];
        _weights = RowLosses.AreWeighted(_weighing, data.Shape) ? new float[capacity] : [];
        _rowLoss = new float[capacity];
        _changes = new PictureChanges(settings.RandomShift, settings.RandomHorizontalFlip);
        _lessons = settings.Teacher is { } teacher ? new Lessons(teacher, settings, data, capacity, team.Count) : null;
        _trainBody = Train;
        _forwardBody = Forward;
    }

    /// <summary>Trains on rows [first, first + rows) of the data's order.</summary>
    /// <param name="first">First row.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="learningRate">Rate of this step.</param>
    /// <param name="dropoutKey">Chooses the dropout masks.</param>
    /// <param name="changesKey">Chooses how pictures are changed; null: not at all.</param>
    /// <returns>Weighted sum of the rows' losses before the update, in training mode, and the sum of their weights.</returns>
    public (double Loss, double Weight) Run(int first, int rows, double learningRate, ulong dropoutKey, ulong? changesKey = null)
    {
        (_changesNow, _changesKey) = (changesKey is null ? default : _changes, changesKey ?? 0);
        _network.Input.Change(_changesNow, _changesKey);
        Begin(first, rows);
        _network.SetDropout(dropoutKey);
        _optimizer.BeginStep(learningRate);
        _team.Run(_trainBody);
        return RowLosses.Sum(_rowLoss.AsSpan(0, rows), _weights.AsSpan(0, Math.Min(rows, _weights.Length)));
    }

    /// <summary>Begins a pass over the rows in the order they are in.</summary>
    public void BeginPass() => _data.Source.Restart();

    /// <summary>
    /// Only sends the rows through the layers, without dropout and without changes of pictures, so that these see them and take their
    /// statistics.
    /// </summary>
    public void RunForward(int first, int rows)
    {
        _network.Input.Change(default, 0);
        Begin(first, rows);
        _network.SetDropout(null);
        _team.Run(_forwardBody);
    }

    private void Begin(int first, int rows)
    {
        _first = first;
        _rows = rows;
        _data.Source.Prepare(first, rows);
        _network.Input.Prepare(_data, first, rows);
    }

    private void Train(Worker worker)
    {
        if (_lessons is not null)
        {
            (int begin, int end) = worker.Share(_rows);
            _lessons.Fill(worker.Index, _first, begin, end, _changesNow, _changesKey);
        }

        Forward(worker);

        (int firstRow, int endRow) = FeedForwardNetwork.OutputRows(_rows, worker);
        ReadOnlySpan<float> weights = _weights.AsSpan(0, Math.Min(_rows, _weights.Length));
        float scale = GradientScale(weights);
        if (_lessons is null)
        {
            RowLosses.Compute(_settings, _network.Output, _targets, weights, scale, _network.OutputGradient, _rowLoss, firstRow, endRow);
        }
        else
        {
            RowLosses.ComputeTaught(
                _settings, _network.Output, _lessons.Targets, weights, scale, _network.OutputGradient, _rowLoss, firstRow, endRow);
        }

        _network.Backward(_rows, worker, _team, _optimizer);
    }

    private void Forward(Worker worker)
    {
        (int begin, int end) = worker.Share(_rows);
        _network.Input.Fill(_data, _first, begin, end);
        int targetColumns = _data.Shape.TargetColumns;
        Span<float> targets = _targets.AsSpan(begin * targetColumns, (end - begin) * targetColumns);
        Span<float> weights = _weights.Length > 0 ? _weights.AsSpan(begin, end - begin) : default;
        _data.GatherTargets(_first + begin, end - begin, targets, _data.Shape.IsWeighted ? weights : default);
        RowLosses.WeighByClass(_weighing, targets, weights, _data.Shape.IsWeighted);
        RowLosses.WeighByTargets(_weighing, targets, weights, _data.Shape.IsWeighted);
        _team.Barrier();
        _network.Forward(_rows, worker, _team);
    }

    /// <summary>1 / sum of weights: the batch's loss is the weighted mean. Every worker adds in the same order.</summary>
    private float GradientScale(ReadOnlySpan<float> weights)
    {
        if (weights.IsEmpty)
            return 1f / _rows;
        double sum = 0;
        foreach (float weight in weights)
            sum += weight;
        // A batch of rows that count for next to nothing must not count for more than float can say.
        return sum > 0 ? (float)Math.Min(1 / sum, float.MaxValue) : 0;
    }
}
