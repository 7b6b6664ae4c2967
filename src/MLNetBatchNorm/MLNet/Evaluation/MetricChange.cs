namespace MLNetBatchNorm;

/// <summary>By how much a metric changes, over several repetitions.</summary>
public sealed class MetricChange
{
    private readonly double[] _changes;

    internal MetricChange(IEnumerable<double> changes) => _changes = [.. changes];

    /// <summary>Number of repetitions.</summary>
    public int Count => _changes.Length;

    /// <summary>Mean change: the metric afterwards less the metric before, as in ML.NET, below 0 where it falls.</summary>
    public double Mean => _changes.Average();

    /// <summary>Standard deviation of the changes; 0 of a single one.</summary>
    public double StandardDeviation => Count < 2 ? 0 : Math.Sqrt(_changes.Sum(change => (change - Mean) * (change - Mean)) / (Count - 1));

    /// <summary>Standard error of <see cref="Mean"/>; 0 of a single one.</summary>
    public double StandardError => StandardDeviation / Math.Sqrt(Count);
}
