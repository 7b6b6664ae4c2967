using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Standardizes a regression target for training, <c>t = (y - mean) / deviation</c>, and undoes it in the last linear map, so that the
/// trained network predicts y and nothing else has to be stored.
/// </summary>
/// <param name="Mean">Weighted mean of the training labels.</param>
/// <param name="Deviation">Their weighted standard deviation; 1 where they are all equal.</param>
internal sealed record TargetScale(double Mean, double Deviation)
{
    /// <summary>Leaves everything as it is: for classes.</summary>
    public static readonly TargetScale None = new(0, 1);

    /// <summary>Mean and deviation of a table's labels; in double precision, in two passes, because labels such as years are far from zero.</summary>
    public static TargetScale Of(TrainingTable rows)
    {
        ReadOnlySpan<float> targets = rows.Targets;
        ReadOnlySpan<float> weights = rows.Weights;
        double total = 0;
        double sum = 0;
        for (int row = 0; row < targets.Length; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            total += weight;
            sum += weight * targets[row];
        }

        double mean = sum / total;
        double squares = 0;
        for (int row = 0; row < targets.Length; row++)
        {
            double distance = targets[row] - mean;
            squares += (weights.IsEmpty ? 1 : weights[row]) * distance * distance;
        }

        return Of(mean, squares / total);
    }

    /// <summary>Mean and deviation of the labels of all rows.</summary>
    public static TargetScale Of(RowCollector rows) => rows.Table is { } table ? Of(table) : Of(rows.Targets!.Mean, rows.Targets.Variance);

    /// <summary>A scale of given mean and variance.</summary>
    public static TargetScale Of(double mean, double variance)
    {
        double deviation = Math.Sqrt(variance);
        // Labels that differ by less than a float can hold are equal.
        return new TargetScale(mean, deviation > Math.Abs(mean) * float.Epsilon && float.IsNormal((float)deviation) ? deviation : 1);
    }

    /// <summary>Standardizes the labels of a table in place.</summary>
    public void Standardize(TrainingTable rows)
    {
        if (this == None)
            return;
        foreach (ref float target in rows.Targets)
            target = (float)((target - Mean) / Deviation);
    }

    /// <summary>Standardizes the labels of all rows, in place, or those of a file whenever they are read.</summary>
    public void Standardize(RowCollector rows)
    {
        if (rows.Table is { } table)
            Standardize(table);
        else
            rows.Spilled!.TargetScale = (Mean, Deviation);
    }

    /// <summary>Makes the output layer predict labels instead of standardized ones: <c>W' = deviation W, b' = deviation b + mean</c>, in double precision.</summary>
    public void FoldInto(LinearParameters outputLayer) => Rescale(outputLayer, Deviation, Mean);

    /// <summary>The opposite of <see cref="FoldInto"/>, to go on training a network: <c>W = W' / deviation, b = (b' - mean) / deviation</c>.</summary>
    public void UnfoldFrom(LinearParameters outputLayer) => Rescale(outputLayer, 1 / Deviation, -Mean / Deviation);

    /// <summary>Losses of standardized labels in the label's own units: both regression losses grow with the square of the deviation.</summary>
    public double RestoreLoss(double loss) => loss * Deviation * Deviation;

    /// <inheritdoc cref="RestoreLoss"/>
    public TrainingHistory Restore(TrainingHistory history)
    {
        if (this == None)
            return history;
        return history with
        {
            Epochs =
            [
                .. history.Epochs.Select(epoch => epoch with
                {
                    TrainingLoss = RestoreLoss(epoch.TrainingLoss),
                    ValidationLoss = epoch.ValidationLoss is { } loss ? RestoreLoss(loss) : null,
                }),
            ],
        };
    }

    private void Rescale(LinearParameters outputLayer, double factor, double shift)
    {
        if (this == None)
            return;
        foreach (ref float weight in outputLayer.Weights.Span)
            weight = (float)(weight * factor);
        for (int output = 0; output < outputLayer.Outputs; output++)
        {
            ref float bias = ref outputLayer.Bias!.Span[output];
            bias = (float)(bias * factor + shift);
        }
    }
}
