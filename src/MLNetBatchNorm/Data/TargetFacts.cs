namespace MLNetBatchNorm.Data;

/// <summary>Which of several targets have values, and values that differ: taken row by row.</summary>
/// <param name="targets">Number of targets.</param>
internal sealed class TargetFacts(int targets)
{
    private readonly float[] _first = new float[targets];
    private readonly bool[] _differ = new bool[targets];

    /// <summary>Number of rows in which each target has a value.</summary>
    public int[] Rows { get; } = new int[targets];

    /// <summary>The first target without a value in any row, or null.</summary>
    public int? FirstWithoutValue => Find(target => Rows[target] == 0);

    /// <summary>The first target that has the same value wherever it has one, and that value; or null.</summary>
    public (int Target, float Value)? FirstConstant =>
        Find(target => Rows[target] > 0 && !_differ[target]) is { } constant ? (constant, _first[constant]) : null;

    /// <summary>Takes the targets of a row; NaN where one is missing.</summary>
    public void Add(ReadOnlySpan<float> values)
    {
        for (int target = 0; target < values.Length; target++)
        {
            float value = values[target];
            if (float.IsNaN(value))
                continue;
            if (Rows[target]++ == 0)
                _first[target] = value;
            _differ[target] |= value != _first[target];
        }
    }

    private int? Find(Predicate<int> condition) =>
        Enumerable.Range(0, Rows.Length).Where(target => condition(target)).Select(target => (int?)target).FirstOrDefault();
}
