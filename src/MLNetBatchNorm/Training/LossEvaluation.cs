using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Loss of rows whose outputs lie in panels: chooses the kernel, and says how a row's target is read.</summary>
internal static class LossEvaluation
{
    /// <summary>
    /// Unweighted loss of each of the rows [firstRow, endRow) into <paramref name="rowLoss"/>, and the gradient of
    /// <c>gradientScale * sum(weight * loss)</c> with respect to the outputs.
    /// </summary>
    public static void Compute(
        TrainingSettings settings, PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, float gradientScale,
        PanelMatrix gradient, Span<float> rowLoss, int firstRow, int endRow)
    {
        Span<float> z = outputs.Span, dz = gradient.Span;
        int capacity = outputs.RowCapacity, columns = outputs.Columns;
        switch (settings.Loss)
        {
            case LossFunction.SoftmaxCrossEntropy:
                Losses.SoftmaxCrossEntropy(z, capacity, columns, targets, weights, gradientScale, (float)settings.LabelSmoothing, dz, rowLoss, firstRow, endRow);
                break;
            case LossFunction.BinaryCrossEntropy:
                Losses.BinaryCrossEntropy(z, capacity, columns, targets, weights, gradientScale, dz, rowLoss, firstRow, endRow);
                break;
            case LossFunction.SquaredError:
                Losses.SquaredError(z, capacity, columns, targets, weights, gradientScale, dz, rowLoss, firstRow, endRow);
                break;
            case LossFunction.Huber:
                Losses.Huber(z, capacity, columns, targets, weights, gradientScale, (float)settings.HuberDelta, dz, rowLoss, firstRow, endRow);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(settings), settings.Loss, "Unknown loss.");
        }
    }

    /// <summary>Makes the weights of rows those of their classes, times their own if they have any; leaves them alone if classes have no weights.</summary>
    public static void WeighByClass(TrainingSettings settings, ReadOnlySpan<float> targets, Span<float> weights, bool haveOwn)
    {
        if (settings.ClassWeights is not { } ofClass)
            return;
        for (int row = 0; row < weights.Length; row++)
        {
            // A row of weight 0 may hold anything, a class that does not exist included.
            if (!haveOwn)
                weights[row] = ofClass[(int)targets[row]];
            else if (weights[row] != 0)
                weights[row] *= ofClass[(int)targets[row]];
        }
    }

    /// <summary>Weighted sum of row losses, and of the weights, in row order and double precision.</summary>
    public static (double Loss, double Weight) Sum(ReadOnlySpan<float> rowLoss, ReadOnlySpan<float> weights)
    {
        double loss = 0, weight = 0;
        for (int r = 0; r < rowLoss.Length; r++)
        {
            double w = weights.IsEmpty ? 1 : weights[r];
            if (w == 0)
                continue;
            loss += w * rowLoss[r];
            weight += w;
        }
        return (loss, weight);
    }
}

/// <summary>Mean loss over rows in prediction mode, the measure that early stopping goes by, and from the same outputs the metric that people look at.</summary>
internal sealed class Evaluator
{
    private readonly TrainingData _data;
    private readonly TrainingSettings _settings;
    private readonly WorkerTeam _team;
    private readonly FoldedNetwork _folded;
    private readonly ScoringScratch[] _scratches;
    private readonly PanelMatrix[] _gradients;
    private readonly float[] _targets;
    private readonly float[] _weights;
    private readonly float[] _rowLoss;
    private readonly ValidationMetric _metric;
    private readonly Action<Worker> _body;
    private CancellationToken _cancellation;

    /// <summary>Prepares the evaluation of encoded rows.</summary>
    public Evaluator(TrainingData data, NetworkParameters parameters, TrainingSettings settings, WorkerTeam team)
    {
        _data = data;
        _settings = settings;
        _team = team;
        _folded = FoldedNetwork.Create(InputEncoder.Identity(parameters.Definition.Inputs), parameters, sharesFirstLayer: data.Table.Sparse is not null);
        _scratches = [.. Enumerable.Range(0, team.Count).Select(_ => _folded.CreateScratch())];
        _gradients = [.. _scratches.Select(s => new PanelMatrix(s.Rows, parameters.Definition.Outputs))];
        int targetColumns = data.Table.TargetColumns;
        _targets = new float[data.Count * targetColumns];
        for (int r = 0; r < data.Count; r++)
            data.Table.Targets.Slice(data.Rows[r] * targetColumns, targetColumns).CopyTo(_targets.AsSpan(r * targetColumns));
        _weights = data.Table.IsWeighted ? [.. data.Rows.Select(row => data.Table.Weights[row])] : new float[settings.ClassWeights is null ? 0 : data.Count];
        LossEvaluation.WeighByClass(settings, _targets, _weights, data.Table.IsWeighted);
        _rowLoss = new float[data.Count];
        _metric = new ValidationMetric(settings.Loss, data.Count, parameters.Definition.Outputs);
        _body = Run;
    }

    /// <summary>Loss and metric of the parameters as they are now.</summary>
    public (double Loss, double Metric) Evaluate(NetworkParameters parameters, CancellationToken cancellation)
    {
        _cancellation = cancellation;
        _folded.Refold(parameters);
        _team.Run(_body);
        (double loss, double weight) = LossEvaluation.Sum(_rowLoss, _weights);
        return (weight > 0 ? loss / weight : 0, _metric.Compute(_targets, _weights));
    }

    private void Run(Worker worker)
    {
        ScoringScratch scratch = _scratches[worker.Index];
        int targetColumns = _data.Table.TargetColumns;
        int blocks = (_data.Count + scratch.Rows - 1) / scratch.Rows;
        (int firstBlock, int endBlock) = worker.Share(blocks);
        for (int block = firstBlock; block < endBlock; block++)
        {
            _cancellation.ThrowIfCancellationRequested();
            int first = block * scratch.Rows;
            int count = Math.Min(scratch.Rows, _data.Count - first);
            PanelMatrix outputs;
            if (_data.Table.Sparse is not null)
            {
                SparseBatch sparse = scratch.SparseInput;
                _data.GatherSparse(first, count, sparse);
                outputs = _folded.ForwardSparse(scratch);
            }
            else
            {
                _data.GatherFeatures(first, count, scratch.Input.Span, scratch.Rows, 0);
                outputs = _folded.Forward(scratch, count);
            }
            ReadOnlySpan<float> targets = _targets.AsSpan(first * targetColumns, count * targetColumns);
            _metric.Take(outputs, targets, first, count);
            // With the weights, because a row of weight 0 may hold anything, a class that does not exist included.
            ReadOnlySpan<float> weights = _weights.Length == 0 ? default : _weights.AsSpan(first, count);
            LossEvaluation.Compute(
                _settings, outputs, targets, weights, 0,
                _gradients[worker.Index], _rowLoss.AsSpan(first, count), 0, count);
        }
    }
}
