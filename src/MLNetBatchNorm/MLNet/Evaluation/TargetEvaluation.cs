using Microsoft.ML;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>Measures of the predictions of several targets, each as ML.NET measures those of a single one.</summary>
internal static class TargetEvaluation
{
    /// <summary>Probabilities below are taken for it, so that one that is 0 does not make a log-loss infinite.</summary>
    private const double SmallestProbability = 1e-15;

    /// <summary>Of several numbers.</summary>
    public static MultiOutputRegressionMetrics Regression(IHostEnvironment env, IDataView data, string label, string score)
    {
        ScoredTargets scored = ScoredTargets.Read(env, data, label, score);
        return new MultiOutputRegressionMetrics(
            [.. scored.Names.Select((name, target) => Regression(name, scored.Of(target)))], scored.Rows, scored.RowsWithoutTarget);
    }

    /// <summary>Of several labels.</summary>
    public static MultiLabelClassificationMetrics Labels(
        IHostEnvironment env, IDataView data, string label, string score, string probability)
    {
        ScoredTargets scored = ScoredTargets.Read(env, data, label, score, probability);
        return new MultiLabelClassificationMetrics(
            [.. scored.Names.Select((name, target) => Label(name, scored.Of(target)))], scored.Rows, scored.RowsWithoutTarget);
    }

    private static MultiOutputRegressionTargetMetrics Regression(string name, (float[] Labels, float[] Scores, float[] Probabilities) rows)
    {
        double absolute = 0, squares = 0;
        for (int row = 0; row < rows.Labels.Length; row++)
        {
            double distance = (double)rows.Labels[row] - rows.Scores[row];
            absolute += Math.Abs(distance);
            squares += distance * distance;
        }

        return new MultiOutputRegressionTargetMetrics
        {
            Name = name, NumberOfRows = rows.Labels.Length, RSquared = RSquared.Of(rows.Scores, rows.Labels, []),
            MeanAbsoluteError = absolute / rows.Labels.Length, MeanSquaredError = squares / rows.Labels.Length,
        };
    }

    private static MultiLabelClassificationTargetMetrics Label(string name, (float[] Labels, float[] Scores, float[] Probabilities) rows)
    {
        int count = rows.Labels.Length, positives = 0, taken = 0, found = 0;
        double logLoss = 0;
        for (int row = 0; row < count; row++)
        {
            bool isTrue = rows.Labels[row] > 0.5f, isTaken = rows.Scores[row] > 0;
            positives += isTrue ? 1 : 0;
            taken += isTaken ? 1 : 0;
            found += isTrue && isTaken ? 1 : 0;
            double probability = isTrue ? rows.Probabilities[row] : 1.0 - rows.Probabilities[row];
            logLoss -= Math.Log2(Math.Max(probability, SmallestProbability));
        }

        return new MultiLabelClassificationTargetMetrics
        {
            Name = name, NumberOfRows = count, NumberOfPositives = positives,
            AreaUnderRocCurve = AreaUnderRocCurve.Of(rows.Scores, rows.Labels, [], new ulong[2 * count]),
            LogLoss = logLoss / count,
            Accuracy = (count - positives - taken + 2.0 * found) / count,
            F1Score = 2.0 * found / (positives + taken),
        };
    }
}
