using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>The threshold of a score above which saying yes cost least on scored rows, as <c>FindDecisionThreshold</c> found it.</summary>
public sealed class DecisionThreshold
{
    private DecisionThreshold(float threshold, double meanCost, double meanCostAtZero) =>
        (Threshold, MeanCost, MeanCostAtZero) = (threshold, meanCost, meanCostAtZero);

    /// <summary>For <c>ChangeModelThreshold</c>: a row is taken for true where its score is above.</summary>
    public float Threshold { get; }

    /// <summary>Cost of a row of mean weight with this threshold, on the rows that it was found on: a little too low for others.</summary>
    public double MeanCost { get; }

    /// <summary>The same with a threshold of 0, which a probability of one half is.</summary>
    public double MeanCostAtZero { get; }

    /// <summary>Reads the rows, and finds it.</summary>
    internal static DecisionThreshold Find(
        IHostEnvironment env, IDataView scored, double falsePositiveCost, double falseNegativeCost, string label, string score,
        string? weight)
    {
        env.CheckValue(scored, nameof(scored));
        CheckCost(env, nameof(falsePositiveCost), falsePositiveCost);
        CheckCost(env, nameof(falseNegativeCost), falseNegativeCost);
        DataViewSchema.Column labels = Column(env, scored, label, nameof(label), BooleanDataViewType.Instance);
        DataViewSchema.Column scores = Column(env, scored, score, nameof(score), NumberDataViewType.Single);
        DataViewSchema.Column? weights =
            weight is null ? null : Column(env, scored, weight, nameof(weight), NumberDataViewType.Single);
        var rows = new List<(float Score, double Cost)>();
        bool[] seen = new bool[2];
        double total = 0, always = 0;
        using (DataViewRowCursor cursor = scored.GetRowCursor(new[] { labels, scores, weights }.OfType<DataViewSchema.Column>()))
        {
            ValueGetter<bool> getLabel = cursor.GetGetter<bool>(labels);
            ValueGetter<float> getScore = cursor.GetGetter<float>(scores);
            ValueGetter<float>? getWeight = weights is { } column ? cursor.GetGetter<float>(column) : null;
            bool isTrue = false;
            float value = 0, counts = 1;
            while (cursor.MoveNext())
            {
                getLabel(ref isTrue);
                getScore(ref value);
                getWeight?.Invoke(ref counts);
                if (!(counts >= 0) || float.IsPositiveInfinity(counts))
                {
                    throw env.Except(FormattableString.Invariant(
                        $"Weight column '{weight}' is {counts} in row {cursor.Position}; weights must be finite and not negative."));
                }

                if (counts == 0)
                    continue;
                seen[isTrue ? 1 : 0] = true;
                total += counts;
                // What the row costs more where it is taken for false, as it always is below every threshold and without a number.
                double cost = counts * (isTrue ? falseNegativeCost : -falsePositiveCost);
                always += isTrue ? 0 : counts * falsePositiveCost;
                if (float.IsNaN(value) || float.IsNegativeInfinity(value))
                    always += cost;
                else
                    rows.Add((value, cost));
            }
        }

        if (!seen[0] || !seen[1])
        {
            throw env.Except(
                $"Label column '{label}' is {(seen[0] ? "false" : seen[1] ? "true" : "nothing")} in all rows that count: any threshold "
                + "beyond all scores costs nothing. Give rows of both classes.");
        }
        return Find([.. rows.OrderBy(row => row.Score)], always, total);
    }

    /// <summary>Of thresholds that cost the same, the middle of the widest gap between scores: most is needed to fall out of it.</summary>
    /// <param name="rows">By score; what each costs more where it is taken for false than for true.</param>
    /// <param name="cost">What all cost where each with a score is taken for true.</param>
    /// <param name="total">Sum of the weights.</param>
    private static DecisionThreshold Find((float Score, double Cost)[] rows, double cost, double total)
    {
        double atZero = cost + rows.Where(row => row.Score <= 0).Sum(row => row.Cost);
        (double Cost, float Gap, float Threshold) best = rows.Length == 0
            ? (cost, 0, 0)
            : (cost, 0, MathF.BitDecrement(rows[0].Score));
        // Sums in another order differ by roundings, which are no lower costs.
        double rounding = 1e-12 * rows.Sum(row => Math.Abs(row.Cost));
        for (int i = 0; i < rows.Length; i++)
        {
            cost += rows[i].Cost;
            bool isLast = i == rows.Length - 1;
            if (!isLast && rows[i + 1].Score == rows[i].Score)
                continue;
            float gap = isLast || float.IsInfinity(rows[i + 1].Score) ? 0 : rows[i + 1].Score - rows[i].Score;
            // Never the upper score itself, which would no longer be above.
            float threshold = gap == 0 ? rows[i].Score : Math.Min(rows[i].Score + gap / 2, MathF.BitDecrement(rows[i + 1].Score));
            if (cost < best.Cost - rounding || (cost <= best.Cost + rounding && gap > best.Gap))
                best = (Math.Min(cost, best.Cost), gap, threshold);
        }

        return new DecisionThreshold(best.Threshold, best.Cost / total, atZero / total);
    }

    private static void CheckCost(IHostEnvironment env, string name, double cost)
    {
        if (!(cost > 0) || double.IsPositiveInfinity(cost))
            throw env.ExceptUserArg(name, FormattableString.Invariant($"{name} is {cost}; it must be a finite number above 0."));
    }

    private static DataViewSchema.Column Column(
        IHostEnvironment env, IDataView data, string name, string parameter, DataViewType type)
    {
        env.CheckNonEmpty(name, parameter);
        if (data.Schema.GetColumnOrNull(name) is not { } column)
            throw env.ExceptSchemaMismatch(nameof(data), parameter, name);
        return column.Type.Equals(type)
            ? column
            : throw env.ExceptSchemaMismatch(nameof(data), parameter, name, type.ToString()!, column.Type.ToString());
    }
}
