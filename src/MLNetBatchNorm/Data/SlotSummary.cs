namespace MLNetBatchNorm.Data;

/// <summary>What scaling needs to know of every value of a column: taken row by row, in memory of the size of a few rows.</summary>
internal sealed class SlotSummary
{
    private readonly SortedSet<int> _missing = [];

    /// <summary>No rows yet.</summary>
    public SlotSummary(RowShape shape)
    {
        Inputs = shape.Inputs;
        if (shape.IsSparse)
        {
            Largest = new float[Inputs];
            return;
        }
        Minimum = new float[Inputs];
        Maximum = new float[Inputs];
        HasMissing = new bool[Inputs];
        Minimum.AsSpan().Fill(float.PositiveInfinity);
        Maximum.AsSpan().Fill(float.NegativeInfinity);
    }

    /// <summary>The summary of some rows of a table.</summary>
    public static SlotSummary Of(TrainingTable table, ReadOnlySpan<int> rows)
    {
        var summary = new SlotSummary(table.Shape);
        foreach (int row in rows)
        {
            if (table.Sparse is { } sparse)
                summary.AddSparse(sparse.Indices(row), sparse.Values(row));
            else
                summary.Add(table.Features(row));
        }
        return summary;
    }

    /// <summary>Number of columns.</summary>
    public int Inputs { get; }

    /// <summary>Whether the rows are sparse.</summary>
    public bool IsSparse => HasMissing.Length == 0;

    /// <summary>Whether a column has missing values.</summary>
    public bool IsMissing(int slot) => IsSparse ? _missing.Contains(slot) : HasMissing[slot];

    /// <summary>Smallest value of each column; dense rows only.</summary>
    public float[] Minimum { get; } = [];

    /// <summary>Largest value of each column; dense rows only.</summary>
    public float[] Maximum { get; } = [];

    /// <summary>Whether a column has missing values; dense rows only.</summary>
    public bool[] HasMissing { get; } = [];

    /// <summary>Largest magnitude of each column; sparse rows only.</summary>
    public float[] Largest { get; } = [];

    /// <summary>Columns with missing values, rising; sparse rows only.</summary>
    public IReadOnlyCollection<int> Missing => _missing;

    /// <summary>Takes a dense row.</summary>
    public void Add(ReadOnlySpan<float> features)
    {
        for (int slot = 0; slot < features.Length; slot++)
        {
            float value = features[slot];
            if (float.IsNaN(value))
                HasMissing[slot] = true;
            else
            {
                Minimum[slot] = Math.Min(Minimum[slot], value);
                Maximum[slot] = Math.Max(Maximum[slot], value);
            }
        }
    }

    /// <summary>Takes a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < indices.Length; i++)
        {
            if (float.IsNaN(values[i]))
                _missing.Add(indices[i]);
            else
                Largest[indices[i]] = Math.Max(Largest[indices[i]], Math.Abs(values[i]));
        }
    }
}

/// <summary>Weighted mean and variance of the targets, taken one by one.</summary>
/// <remarks>West's update in double precision: targets such as years are far from zero.</remarks>
internal sealed class TargetSummary
{
    private double _weight;
    private double _squares;

    /// <summary>Mean of the targets so far.</summary>
    public double Mean { get; private set; }

    /// <summary>Their variance, divisor: the sum of weights.</summary>
    public double Variance => _weight > 0 ? _squares / _weight : 0;

    /// <summary>Takes a target.</summary>
    public void Add(double target, double weight)
    {
        _weight += weight;
        double distance = target - Mean;
        Mean += weight / _weight * distance;
        _squares += weight * distance * (target - Mean);
    }
}
