namespace MLNetBatchNorm.Reporting;

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
