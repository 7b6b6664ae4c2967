using System.Numerics.Tensors;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Mean loss over rows in prediction mode, the measure that early stopping goes by, and from
/// the same outputs the metric that people look at.
/// </summary>
/// <remarks>
/// With <see cref="Objective.ScalesTemperature"/> it is the loss at the temperature that suits the rows best. A network that trains on goes
/// on to separate the classes better long after it has become too sure of itself; the plain loss would stop it there, and one division of
/// its outputs mends the certainty later (Berta et al. 2025, arXiv:2501.19195; the division is Guo et al. 2017, arXiv:1706.04599).
/// </remarks>
internal sealed class Evaluator
{
    /// <summary>
    /// Temperatures beside 1: none below, because few validation rows make an early, timid network look best, and close enough to each
    /// other that the one between two of them would not change a loss by anything that matters.
    /// </summary>
    private static readonly double[] Temperatures = [.. Enumerable.Range(1, 16).Select(eighth => Math.Pow(2, eighth / 8.0))];

    private readonly EncodedRows _data;
    private readonly TrainingSettings _settings;
    private readonly WorkerTeam _team;
    private readonly FoldedNetwork _folded;
    private readonly ScoringScratch[] _scratches;
    private readonly PanelMatrix[] _gradients;
    private readonly float[] _targets;
    private readonly float[] _weights;
    // What rows count for in the loss: in the metric of a target each that has it counts for its own weight.
    private readonly float[] _lossWeights;
    private readonly float[] _rowLoss;
    private readonly ValidationMetric _metric;
    private readonly float[][] _scaledRowLoss;
    private readonly double[] _scaledBlockLoss;
    private readonly Action<Worker> _body;
    private CancellationToken _cancellation;

    /// <summary>Prepares the evaluation of encoded rows.</summary>
    /// <param name="data">The rows.</param>
    /// <param name="parameters">A network of the shape of those to evaluate.</param>
    /// <param name="settings">How it is trained.</param>
    /// <param name="team">Threads that share the rows.</param>
    /// <param name="other">
    /// Another evaluator of the same networks and team, never at work at the same time; where its rows are of the same kind its folded
    /// network and scratch serve for these too. May be null.
    /// </param>
    public Evaluator(
        EncodedRows data, NetworkParameters parameters, TrainingSettings settings, WorkerTeam team, Evaluator? other = null)
    {
        _data = data;
        _settings = settings;
        _team = team;
        if (other is not null && other._data.Encoder == data.Encoder && other._data.Shape.IsSparse == data.Shape.IsSparse)
        {
            (_folded, _scratches) = (other._folded, other._scratches);
        }
        else
        {
            _folded =
                FoldedNetwork.Create(data.Encoder, parameters, sharesFirstLayer: data.Shape.IsSparse || SharesInput(data, parameters));
            // Few rows need no room for a whole block; they are one block in any case.
            int rows = Math.Clamp(data.Count, 1, FoldedNetwork.BlockRows);
            _scratches = [.. Enumerable.Range(0, team.Count).Select(_ => _folded.CreateScratch(rows))];
        }
        _gradients = [.. _scratches.Select(s => new PanelMatrix(s.Rows, parameters.Definition.Outputs))];
        RowShape shape = data.Shape;
        _targets = new float[data.Count * shape.TargetColumns];
        _weights = new float[shape.IsWeighted || settings.ClassWeights is not null ? data.Count : 0];
        data.GatherTargets(0, data.Count, _targets, shape.IsWeighted ? _weights : default);
        RowLosses.WeighByClass(settings, _targets, _weights, shape.IsWeighted);
        _lossWeights = _weights;
        if (settings.TargetWeights is not null)
        {
            _lossWeights = shape.IsWeighted ? [.. _weights] : new float[data.Count];
            RowLosses.WeighByTargets(settings, _targets, _lossWeights, shape.IsWeighted);
        }
        _rowLoss = new float[data.Count];
        _metric = RowLosses.CreateMetric(settings, data.Count, parameters.Definition.Outputs);
        _scaledRowLoss = [.. _scratches.Select(s => new float[ScalesTemperature ? s.Rows : 0])];
        _scaledBlockLoss = new double[ScalesTemperature ? Blocks * Temperatures.Length : 0];
        _body = Run;
    }

    /// <summary>
    /// What the outputs have to be divided by to get the last result of <see cref="Evaluate"/>; at least 1, and 1 without temperatures.
    /// </summary>
    public double Temperature { get; private set; } = 1;

    /// <summary>What the metric of the last <see cref="Evaluate"/> is for each of several targets; empty where there is one.</summary>
    public IReadOnlyList<double> MetricsOfTargets => _metric.OfTargets;

    /// <summary>
    /// Whether any row counts: none does where they all lack the targets that are learned. Then there is nothing to choose an epoch by.
    /// </summary>
    public bool HasWeight => _lossWeights.Length == 0 || Array.Exists(_lossWeights, weight => weight > 0);

    private bool ScalesTemperature => _settings.Objective.ScalesTemperature;

    private static bool SharesInput(EncodedRows data, NetworkParameters parameters) =>
        parameters.Definition.Plan.StartsWithLinear && data.Encoder.HasEntries && FoldedNetwork.HasWideInput(data.Encoder);

    private int Blocks => (_data.Count + _scratches[0].Rows - 1) / _scratches[0].Rows;

    /// <summary>
    /// Loss, at the best temperature if there are any, and metric of the parameters as they are now. No metric depends on the temperature.
    /// </summary>
    public (double Loss, double Metric) Evaluate(NetworkParameters parameters, CancellationToken cancellation)
    {
        _cancellation = cancellation;
        _folded.Refold(parameters);
        _team.Run(_body);
        (double loss, double weight) = RowLosses.Sum(_rowLoss, _lossWeights);
        Temperature = 1;
        for (int t = 0; t < Temperatures.Length && ScalesTemperature; t++)
        {
            double scaled = 0;
            for (int block = 0; block < Blocks; block++)
                scaled += _scaledBlockLoss[block * Temperatures.Length + t];
            if (scaled < loss)
                (loss, Temperature) = (scaled, Temperatures[t]);
        }
        return (weight > 0 ? loss / weight : 0, _metric.Compute(_targets, _weights));
    }

    private void Run(Worker worker)
    {
        ScoringScratch scratch = _scratches[worker.Index];
        int targetColumns = _data.Shape.TargetColumns;
        (int firstBlock, int endBlock) = worker.Share(Blocks);
        for (int block = firstBlock; block < endBlock; block++)
        {
            _cancellation.ThrowIfCancellationRequested();
            int first = block * scratch.Rows;
            int count = Math.Min(scratch.Rows, _data.Count - first);
            PanelMatrix outputs = _folded.Forward(scratch, _data, first, count);
            ReadOnlySpan<float> targets = _targets.AsSpan(first * targetColumns, count * targetColumns);
            _metric.Take(outputs, targets, first, count);
            // With the weights, because a row of weight 0 may hold anything, a class that does not exist included.
            ReadOnlySpan<float> weights = _lossWeights.Length == 0 ? default : _lossWeights.AsSpan(first, count);
            RowLosses.Compute(_settings, outputs, targets, weights, 0, _gradients[worker.Index], _rowLoss.AsSpan(first, count), 0, count);
            if (ScalesTemperature)
                MeasureTemperatures(block, count, outputs, targets, weights, worker.Index);
        }
    }

    /// <summary>Sums of a block's losses at each temperature: as many numbers as blocks, not as rows.</summary>
    private void MeasureTemperatures(
        int block, int rows, PanelMatrix outputs, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, int worker)
    {
        PanelMatrix scaled = _gradients[worker];
        Span<float> rowLoss = _scaledRowLoss[worker].AsSpan(0, rows);
        for (int t = 0; t < Temperatures.Length; t++)
        {
            TensorPrimitives.Multiply(outputs.Span, (float)(1 / Temperatures[t]), scaled.Span);
            RowLosses.Compute(_settings, scaled, targets, weights, 0, scaled, rowLoss, 0, rows);
            _scaledBlockLoss[block * Temperatures.Length + t] = RowLosses.Sum(rowLoss, weights).Loss;
        }
    }
}
