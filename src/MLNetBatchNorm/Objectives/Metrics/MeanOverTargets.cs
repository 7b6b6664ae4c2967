namespace MLNetBatchNorm.Objectives;

/// <summary>
/// The mean over the targets of a metric of each, taken of the rows that have the target: every target counts alike, whatever its unit and
/// however many rows have it. A target whose metric is not defined is left out.
/// </summary>
internal sealed class MeanOverTargets : ValidationMetric
{
    /// <summary>What it is called, of whatever metric it is the mean.</summary>
    public const string Name = "mean over targets";

    private readonly ITargetwiseLoss _loss;
    private readonly float[] _targetWeights;
    private readonly float[] _outputs;
    private readonly float[] _targets;
    private readonly float[] _weights;
    private readonly ulong[] _memory;
    private double[] _ofTargets = [];

    /// <param name="rows">Number of rows.</param>
    /// <param name="targets">Number of targets.</param>
    /// <param name="loss">Whose metric it is.</param>
    /// <param name="targetWeights">What each target counts for; one that counts for nothing is not learned, and is left out.</param>
    public MeanOverTargets(int rows, int targets, ITargetwiseLoss loss, float[] targetWeights)
        : base(rows, targets)
    {
        _loss = loss;
        _targetWeights = targetWeights;
        _outputs = new float[rows];
        _targets = new float[rows];
        _weights = new float[rows];
        _memory = new ulong[2L * rows];
    }

    /// <inheritdoc/>
    public override IReadOnlyList<double> OfTargets => _ofTargets;

    public override double Compute(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights)
    {
        double sum = 0;
        int defined = 0;
        // A new array each time: the one before is kept in the history.
        _ofTargets = new double[Columns];
        for (int target = 0; target < Columns; target++)
        {
            double metric = _ofTargets[target] = _targetWeights[target] == 0 ? double.NaN : OfTarget(target, targets, weights);
            if (double.IsNaN(metric))
                continue;
            sum += metric;
            defined++;
        }

        return defined > 0 ? sum / defined : double.NaN;
    }

    private double OfTarget(int target, ReadOnlySpan<float> targets, ReadOnlySpan<float> weights)
    {
        int count = 0;
        for (int row = 0, i = target; i < Values.Length; row++, i += Columns)
        {
            if (float.IsNaN(targets[i]))
                continue;
            (_outputs[count], _targets[count], _weights[count]) = (Values[i], targets[i], weights.IsEmpty ? 1 : weights[row]);
            count++;
        }

        return _loss.MetricOfTarget(
            _outputs.AsSpan(0, count), _targets.AsSpan(0, count), weights.IsEmpty ? default : _weights.AsSpan(0, count), _memory);
    }
}
