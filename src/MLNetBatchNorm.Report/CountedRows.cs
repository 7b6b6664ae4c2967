namespace MLNetBatchNorm.Reporting;

/// <summary>Which of the held-out rows count: those that have a label and a score.</summary>
internal sealed class CountedRows
{
    private readonly int[] _rows;

    public CountedRows(int count, Func<int, bool> isLabelled, Func<int, bool> isScored)
    {
        int[] labelled = [.. Enumerable.Range(0, count).Where(isLabelled)];
        _rows = [.. labelled.Where(isScored)];
        Unlabelled = count - labelled.Length;
        Unscored = labelled.Length - _rows.Length;
    }

    /// <summary>Number of rows that count.</summary>
    public int Count => _rows.Length;

    /// <summary>Rows that have no label.</summary>
    public int Unlabelled { get; }

    /// <summary>
    /// Rows that have a label and no score: a network gives no number where a feature is missing that it knows no stand-in for.
    /// </summary>
    public int Unscored { get; }

    /// <summary>What the rows that count have of something.</summary>
    public IReadOnlyList<TResult> Take<T, TResult>(IReadOnlyList<T> all, Func<T, TResult> read) => [.. _rows.Select(row => read(all[row]))];
}
