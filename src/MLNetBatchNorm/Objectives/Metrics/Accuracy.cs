using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Objectives;

/// <summary>The part of the rows, by weight, whose class has the largest output.</summary>
/// <param name="rows">Number of rows.</param>
internal sealed class Accuracy(int rows) : ValidationMetric(rows, 1)
{
    /// <summary>What it is called.</summary>
    public const string Name = "accuracy";

    public override double Compute(ReadOnlySpan<float> targets, ReadOnlySpan<float> weights)
    {
        double sum = 0, total = 0;
        for (int row = 0; row < Values.Length; row++)
        {
            double weight = weights.IsEmpty ? 1 : weights[row];
            sum += weight * Values[row];
            total += weight;
        }

        return total > 0 ? sum / total : double.NaN;
    }

    /// <summary>1 where the class was recognized, else 0.</summary>
    protected override void Keep(PanelMatrix outputs, ReadOnlySpan<float> targets, int count, Span<float> values)
    {
        for (int row = 0; row < count; row++)
            values[row] = LargestOutput(outputs, row) == targets[row] ? 1 : 0;
    }

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
}
