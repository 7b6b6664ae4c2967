namespace MLNetBatchNorm.Reporting;

/// <summary>How often each class was taken for each: <c>Counts[truth, decision]</c>.</summary>
internal sealed class ConfusionMatrix
{
    private readonly IReadOnlyList<int> _labels;
    private readonly IReadOnlyList<int> _decisions;
    private readonly int[] _truthsOf;
    private readonly int[] _decisionsFor;
    private readonly int[] _rightOf;

    public ConfusionMatrix(IReadOnlyList<string> names, IReadOnlyList<int> labels, IReadOnlyList<int> decisions)
    {
        Names = names;
        _labels = labels;
        _decisions = decisions;
        _truthsOf = new int[names.Count];
        _decisionsFor = new int[names.Count];
        _rightOf = new int[names.Count];
        for (int i = 0; i < labels.Count; i++)
        {
            _truthsOf[labels[i]]++;
            _decisionsFor[decisions[i]]++;
            if (labels[i] == decisions[i])
                _rightOf[labels[i]]++;
        }
    }

    public IReadOnlyList<string> Names { get; }

    /// <summary>Made when it is asked for: of ten thousand classes it would be larger than all else.</summary>
    public int[,] Counts => field ??= Count();

    public int Rows => _labels.Count;

    /// <summary>Rows that were recognized.</summary>
    public int Right => _rightOf.Sum();

    public int Classes => Names.Count;

    /// <summary>Rows that are of a class.</summary>
    public int Truths(int index) => _truthsOf[index];

    /// <summary>Rows that were taken for a class.</summary>
    public int Decisions(int index) => _decisionsFor[index];

    /// <summary>Part of all rows that was recognized.</summary>
    public double Accuracy => Right / (double)Rows;

    /// <summary>Right among those taken for the class; null if none was.</summary>
    public double? Precision(int index) => _decisionsFor[index] is var n and > 0 ? _rightOf[index] / (double)n : null;

    /// <summary>Recognized among those of the class; null if there are none.</summary>
    public double? Recall(int index) => _truthsOf[index] is var n and > 0 ? _rightOf[index] / (double)n : null;

    private int[,] Count()
    {
        var counts = new int[Classes, Classes];
        for (int i = 0; i < Rows; i++)
            counts[_labels[i], _decisions[i]]++;
        return counts;
    }
}

/// <summary>One bin of a reliability diagram.</summary>
/// <param name="Count">Rows in it.</param>
/// <param name="Predicted">The mean of what was predicted for them.</param>
/// <param name="Observed">What was true of them: the part for which it came true, or the mean label.</param>
internal sealed record ReliabilityBin(int Count, double Predicted, double Observed);

/// <summary>Whether predictions mean what they say: rows with like predictions together, the prediction against what came true.</summary>
internal static class Reliability
{
    /// <summary>Bins of equal width over probabilities from 0 to 1; empty ones are left out.</summary>
    public static IReadOnlyList<ReliabilityBin> OfProbabilities(
        IReadOnlyList<double> probabilities, IReadOnlyList<bool> cameTrue, int bins = 10)
    {
        var groups = Enumerable.Range(0, probabilities.Count).GroupBy(i => Math.Min((int)(probabilities[i] * bins), bins - 1))
            .OrderBy(group => group.Key);
        return [.. groups.Select(
            group => new ReliabilityBin(group.Count(), group.Average(i => probabilities[i]), group.Average(i => cameTrue[i] ? 1.0 : 0.0)))];
    }

    /// <summary>Bins of (nearly) equally many rows over predictions in ascending order.</summary>
    public static IReadOnlyList<ReliabilityBin> OfNumbers(IReadOnlyList<double> predictions, IReadOnlyList<double> labels, int bins = 10)
    {
        int[] order = [.. Enumerable.Range(0, predictions.Count).OrderBy(i => predictions[i])];
        var groups = order.Select((row, rank) => (row, bin: (int)((long)rank * bins / order.Length))).GroupBy(
            pair => pair.bin, pair => pair.row);
        return [.. groups.Select(
            group => new ReliabilityBin(group.Count(), group.Average(i => predictions[i]), group.Average(i => labels[i])))];
    }

    /// <summary>Mean distance between predicted and observed, each bin weighing by its rows: the expected calibration error.</summary>
    public static double Error(IReadOnlyList<ReliabilityBin> bins)
        => bins.Sum(bin => bin.Count * Math.Abs(bin.Predicted - bin.Observed)) / bins.Sum(bin => bin.Count);
}

/// <summary>The curve of the rate of true positives over that of false positives, and the area under it.</summary>
internal static class RocCurve
{
    /// <summary>The corners of the curve from (0, 0) to (1, 1): one for each different score.</summary>
    public static IReadOnlyList<(double FalsePositives, double TruePositives)> Points(
        IReadOnlyList<double> scores, IReadOnlyList<bool> labels)
    {
        int positives = labels.Count(label => label), negatives = labels.Count - positives;
        if (positives == 0 || negatives == 0)
            return [];
        var points = new List<(double, double)> { (0, 0) };
        int truePositives = 0, falsePositives = 0;
        foreach (var equal in Enumerable.Range(0, scores.Count).GroupBy(i => scores[i]).OrderByDescending(group => group.Key))
        {
            int found = equal.Count(i => labels[i]);
            truePositives += found;
            falsePositives += equal.Count() - found;
            points.Add((falsePositives / (double)negatives, truePositives / (double)positives));
        }

        return points;
    }

    /// <summary>The area under the points, joined by straight lines; equal scores count half.</summary>
    public static double Area(IReadOnlyList<(double FalsePositives, double TruePositives)> points)
        => Enumerable.Range(1, Math.Max(0, points.Count - 1)).Sum(
            i => (points[i].FalsePositives - points[i - 1].FalsePositives) * (points[i].TruePositives + points[i - 1].TruePositives) / 2);
}

/// <summary>How numbers are distributed.</summary>
/// <param name="Edges">The edges of the bins, one more than there are bins.</param>
/// <param name="Counts">The numbers in each bin; the last edge belongs to the last bin.</param>
internal sealed record Histogram(IReadOnlyList<double> Edges, IReadOnlyList<int> Counts)
{
    /// <summary>Bins of equal width from the least number to the greatest; a single one if all are equal.</summary>
    public static Histogram Of(IReadOnlyList<double> values, int bins)
    {
        double least = values.Min(), greatest = values.Max();
        if (!(greatest > least))
            return new Histogram([least - 0.5, least + 0.5], [values.Count]);
        var counts = new int[bins];
        foreach (double value in values)
            counts[Math.Min((int)((value - least) / (greatest - least) * bins), bins - 1)]++;
        return new Histogram([.. Enumerable.Range(0, bins + 1).Select(i => least + (greatest - least) * i / bins)], counts);
    }

    /// <summary>The number below which the given part of the values lies, between two of them in proportion.</summary>
    public static double Quantile(IReadOnlyList<double> values, double part)
    {
        double[] sorted = [.. values.Order()];
        double position = part * (sorted.Length - 1);
        int below = (int)position;
        return below + 1 < sorted.Length ? sorted[below] + (position - below) * (sorted[below + 1] - sorted[below]) : sorted[below];
    }
}
