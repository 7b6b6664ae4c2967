namespace MLNetBatchNorm.Data;

/// <summary>Which targets have values, and values that differ: taken row by row.</summary>
/// <param name="targets">Number of targets.</param>
internal sealed class TargetFacts(int targets)
{
    private readonly float[] _first = new float[targets];
    private readonly bool[] _differ = new bool[targets];

    /// <summary>Number of rows in which each target has a value.</summary>
    public int[] Rows { get; } = new int[targets];

    /// <summary>The first target without a value in any row, or null.</summary>
    public int? FirstWithoutValue => Array.IndexOf(Rows, 0) is >= 0 and var target ? target : null;

    /// <summary>The targets that have the same value wherever they have one.</summary>
    public IReadOnlyList<ConstantTarget> Constants =>
    [
        .. Enumerable.Range(0, Rows.Length).Where(target => Rows[target] > 0 && !_differ[target])
            .Select(target => new ConstantTarget(target, _first[target], Rows[target])),
    ];

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
}
