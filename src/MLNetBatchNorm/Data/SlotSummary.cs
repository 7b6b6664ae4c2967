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

    /// <summary>The summary of all rows of a table.</summary>
    public static SlotSummary Of(TrainingTable table)
    {
        var summary = new SlotSummary(table.Shape);
        for (int row = 0; row < table.Rows; row++)
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
