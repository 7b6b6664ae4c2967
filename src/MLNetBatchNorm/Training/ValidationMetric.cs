using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>
/// The measure of the validation rows that people look at beside the loss: area under the ROC curve, accuracy or R squared, as the loss has it. It is made from the outputs
/// that the loss is made from, which any number of threads hand over, and summed by one thread in an order of its own: the same for any number of threads.
/// </summary>
internal sealed class ValidationMetric
{
    private readonly LossFunction _loss;

    /// <summary>The outputs of each row; for classes 1 where the right one was recognized, else 0.</summary>
    private readonly float[] _values;
    private readonly int _columns;
    private readonly ulong[] _order;

    /// <summary>Takes all the memory that is ever needed.</summary>
    public ValidationMetric(LossFunction loss, int rows, int outputs)
    {
        _loss = loss;
        _columns = loss == LossFunction.SoftmaxCrossEntropy ? 1 : outputs;
        _values = new float[rows * _columns];
        _order = loss == LossFunction.BinaryCrossEntropy ? new ulong[2L * _values.Length] : [];
    }

    /// <summary>What a loss's metric is called where it is shown.</summary>
    public static string NameFor(LossFunction loss) => loss switch
    {
        LossFunction.BinaryCrossEntropy => "AUC",
        LossFunction.SoftmaxCrossEntropy => "accuracy",
        _ => "R2",
    };

    /// <summary>Takes the outputs of rows [first, first + count), which lie in the first rows of a block; on any thread.</summary>
    public void Take(PanelMatrix outputs, ReadOnlySpan<float> targets, int first, int count)
    {
        Span<float> values = _values.AsSpan(first * _columns, count * _columns);
        if (_loss != LossFunction.SoftmaxCrossEntropy)
        {
            Kernels.PanelLayout.Unpack(outputs.Span, outputs.RowCapacity, count, _columns, values);
            return;
        }

        for (int row = 0; row < count; row++)
            values[row] = LargestOutput(outputs, row) == targets[row] ? 1 : 0;
    }

    /// <summary>The metric of all rows; NaN where it is not defined.</summary>
    /// <param name="targets">Their targets; those of a row of weight 0 may be anything.</param>
    /// <param name="weights">Their weights, or empty: all 1.</param>
    public double Compute(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights) => _loss switch
    {
        LossFunction.SoftmaxCrossEntropy => Mean(_values, weights),
        LossFunction.BinaryCrossEntropy when _columns == 1 => AreaUnderRocCurve.Of(_values, targets, weights, _order),
        LossFunction.BinaryCrossEntropy => AreaUnderRocCurve.Of(_values, targets, Repeat(weights), _order),
        _ => RSquared(targets, weights),
    };

    /// <summary>Number of the largest output, the first of equal ones; -1 where one is not a number.</summary>
    private static int LargestOutput(PanelMatrix outputs, int row)
    {
        int largest = -1;
        float most = float.NegativeInfinity;
        for (int panel = 0; panel < outputs.Panels; panel++)
        {
            Span<float> lanes = outputs.Rows(panel, row, 1);
            int used = Math.Min(lanes.Length, outputs.Columns - panel * lanes.Length);
            for (int lane = 0; lane < used; lane++)
            {
                if (float.IsNaN(lanes[lane]))
                    return -1;
                if (lanes[lane] > most || largest < 0)
                    (largest, most) = (panel * lanes.Length + lane, lanes[lane]);
            }
        }

        return largest;
    }

    private static double Mean(ReadOnlySpan<float> values, ReadOnlySpan<float> weights)
    {
        double sum = 0, total = 0;
        for (int row = 0; row < values.Length; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            sum += weight * values[row];
            total += weight;
        }

        return total > 0 ? sum / total : double.NaN;
    }

    /// <summary><c>1 - sum w (y - output)^2 / sum w (y - mean)^2</c>, both sums over all outputs, each with a mean of its own.</summary>
    private double RSquared(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights)
    {
        double residual = 0, total = 0;
        for (int column = 0; column < _columns; column++)
        {
            double mean = MeanOfTargets(targets, weights, column);
            for (int row = 0; row < _values.Length / _columns; row++)
            {
                double weight = weights.IsEmpty ? 1 : weights[row];
                if (weight == 0)
                    continue;
                double target = targets[row * _columns + column];
                double error = target - _values[row * _columns + column], distance = target - mean;
                residual += weight * error * error;
                total += weight * distance * distance;
            }
        }

        return total > 0 && !double.IsNaN(residual) ? 1 - residual / total : double.NaN;
    }

    // From the first row's target on, so that the mean of equal numbers is that number.
    private double MeanOfTargets(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights, int column)
    {
        double? origin = null;
        double sum = 0, total = 0;
        for (int row = 0; row < _values.Length / _columns; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            if (weight == 0)
                continue;
            double target = targets[row * _columns + column];
            origin ??= target;
            sum += weight * (target - origin.Value);
            total += weight;
        }

        return (origin ?? 0) + (total > 0 ? sum / total : 0);
    }

    /// <summary>The weight of a row for each of its outputs. Not for the trainers, whose networks for two classes have one output.</summary>
    private float[] Repeat(ReadOnlySpan<float> weights)
    {
        float[] repeated = new float[weights.Length * _columns];
        for (int i = 0; i < repeated.Length; i++)
            repeated[i] = weights[i / _columns];
        return repeated;
    }
}
