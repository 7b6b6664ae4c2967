using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>How far the labels of new rows are from what a trained model says of these rows.</summary>
/// <remarks>
/// A few epochs at the usual rate move outputs by some deviations of the labels that the model knew. What is farther away is better done
/// at once, in double precision, than learned: the best constant to add to all predictions, which costs no more than scoring some rows,
/// and, where that leaves errors of many deviations, a larger unit. Both ask for most of the rows, so that a few wild labels do not move
/// the others. Errors count and not the labels themselves: where new features explain the new labels already, nothing has to move.
/// </remarks>
/// <param name="Shift">What is added to predictions; 0 where most labels are within a deviation of them, or on both sides.</param>
/// <param name="Deviation">
/// The unit of the labels: the one the model had, or that of the errors, if most are beyond <see cref="ManyDeviations"/>. Never a smaller
/// one: nearly equal labels say nothing of the unit.
/// </param>
internal readonly record struct LabelDrift(double Shift, double Deviation)
{
    /// <summary>Errors that take a training all its steps, in deviations of the labels: normal labels are not spread farther.</summary>
    private const double ManyDeviations = 3;

    /// <summary>Rows that are scored at most: the mean of so many is known to a sixtieth of their deviation.</summary>
    private const int LargestSample = 4096;

    /// <summary>Compares, each target by the rows that have it.</summary>
    /// <param name="rows">The new rows.</param>
    /// <param name="start">The model.</param>
    /// <param name="scales">Mean and deviation of the labels that it knew, of each target.</param>
    public static LabelDrift[] Of(RowStore rows, TrainedNetwork start, TargetScales scales)
    {
        (double[][] errors, float[] weights) = Errors(new EncodedRows(rows.Sample(LargestSample), start.Encoder), start);
        return [.. scales.Select((scale, target) => Of(errors[target], weights, scale))];
    }

    private static LabelDrift Of(double[] errors, float[] weights, TargetScale scale)
    {
        double total = 0, sum = 0, above = 0, below = 0, far = 0;
        for (int row = 0; row < errors.Length; row++)
        {
            double error = errors[row], weight = weights.Length == 0 ? 1 : weights[row];
            if (double.IsNaN(error))
                continue;
            total += weight;
            sum += weight * error;
            above += error > scale.Deviation ? weight : 0;
            below += error < -scale.Deviation ? weight : 0;
            far += Math.Abs(error) > ManyDeviations * scale.Deviation ? weight : 0;
        }

        // Not so where every weight of the sample is 0, or the target is missing.
        double mean = sum / total;
        double shift = Math.Max(above, below) > total / 2 ? mean : 0;
        if (!(far > total / 2))
            return new LabelDrift(shift, scale.Deviation);
        double squares = 0;
        for (int row = 0; row < errors.Length; row++)
        {
            if (!double.IsNaN(errors[row]))
                squares += (weights.Length == 0 ? 1 : weights[row]) * (errors[row] - mean) * (errors[row] - mean);
        }

        double spread = Math.Sqrt(squares / total);
        return new LabelDrift(shift, spread > ManyDeviations * scale.Deviation ? spread : scale.Deviation);
    }

    /// <summary>
    /// Label minus prediction of each target and row, NaN where it is missing, and weight of each row; no weights where all count the same.
    /// </summary>
    private static (double[][] Errors, float[] Weights) Errors(EncodedRows rows, TrainedNetwork start)
    {
        FoldedNetwork network = FoldedNetwork.CreateFor(rows.Shape, start.Encoder, start.Networks);
        ScoringScratch scratch = network.CreateScratch();
        int columns = rows.Shape.TargetColumns;
        float[] targets = new float[rows.Count * columns];
        float[] weights = new float[rows.Shape.IsWeighted ? rows.Count : 0];
        rows.GatherTargets(0, rows.Count, targets, weights);
        float[] outputs = new float[scratch.Rows * network.Outputs];
        double[][] errors = [.. Enumerable.Range(0, columns).Select(_ => new double[rows.Count])];
        for (int first = 0; first < rows.Count; first += scratch.Rows)
        {
            int count = Math.Min(scratch.Rows, rows.Count - first);
            OutputLink.Identity.Apply(network.Forward(scratch, rows, first, count), count, outputs);
            for (int i = 0; i < count * columns; i++)
            {
                (int row, int target) = (i / columns, i % columns);
                float output = outputs[row * network.Outputs + target];
                double prediction = start.Scales is { } known ? known[target].Mean + known[target].Deviation * output : output;
                errors[target][first + row] = targets[first * columns + i] - prediction;
            }
        }

        return (errors, weights);
    }
}
