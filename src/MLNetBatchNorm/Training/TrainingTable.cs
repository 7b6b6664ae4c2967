using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>Rows of features, targets and weights in memory: row-major, each row padded to whole cache lines, or sparse.</summary>
/// <remarks>Rows live in chunks of bounded size, so that the table grows without copying and is not limited by the length of one array.</remarks>
internal sealed class TrainingTable
{
    private const int Width = PanelLayout.Width;

    // 16 MiB: large enough that a chunk's header is nothing, small enough that a chunk of slack is little.
    private const long ChunkBytes = 16L << 20;

    private readonly int _stride;
    private readonly int _rowsPerChunkShift;
    private readonly List<AlignedBuffer> _chunks = [];
    private float[] _targets = [];
    private float[] _weights = [];

    /// <summary>An empty table of <paramref name="inputs"/> feature columns and <paramref name="targetColumns"/> target columns.</summary>
    public TrainingTable(int inputs, int targetColumns, bool weighted)
    {
        Inputs = inputs;
        TargetColumns = targetColumns;
        IsWeighted = weighted;
        _stride = PanelLayout.PanelCount(inputs) * Width;
        long rows = Math.Max(1, ChunkBytes / (sizeof(float) * (long)_stride));
        _rowsPerChunkShift = 63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)rows);
    }

    /// <summary>A table whose rows keep only the entries that are not zero.</summary>
    public static TrainingTable CreateSparse(int inputs, int targetColumns, bool weighted) => new(inputs, targetColumns, weighted) { Sparse = new SparseRows() };

    /// <summary>The features where the table is sparse, else null.</summary>
    public SparseRows? Sparse { get; private init; }

    /// <summary>Number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>Number of feature columns.</summary>
    public int Inputs { get; }

    /// <summary>Number of targets of a row; a class number is one target.</summary>
    public int TargetColumns { get; }

    /// <summary>Whether rows carry weights.</summary>
    public bool IsWeighted { get; }

    /// <summary>Targets of all rows, [rows, targets].</summary>
    public Span<float> Targets => _targets.AsSpan(0, Rows * TargetColumns);

    /// <summary>Weights of all rows, or empty.</summary>
    public Span<float> Weights => IsWeighted ? _weights.AsSpan(0, Rows) : default;

    /// <summary>The features of one row.</summary>
    public Span<float> Features(int row) => PaddedFeatures(row)[..Inputs];

    /// <summary>Adds a row and returns its features, all zero, for the caller to fill.</summary>
    public Span<float> Add(ReadOnlySpan<float> target, float weight)
    {
        if (Sparse is not null)
            throw new InvalidOperationException("The table is sparse.");
        if (Rows >> _rowsPerChunkShift == _chunks.Count)
            _chunks.Add(new AlignedBuffer((long)_stride << _rowsPerChunkShift));
        AddTarget(target, weight);
        return Features(Rows - 1);
    }

    /// <summary>Adds a sparse row; column numbers rise and are below <see cref="Inputs"/>.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        (Sparse ?? throw new InvalidOperationException("The table is not sparse.")).Add(indices, values, Inputs);
        AddTarget(target, weight);
    }

    /// <summary>Adds a row with its features.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight) => features.CopyTo(Add(target, weight));

    /// <summary>The row with its padding, whole cache lines.</summary>
    public Span<float> PaddedFeatures(int row)
    {
        if ((uint)row >= (uint)Rows)
            throw new ArgumentOutOfRangeException(nameof(row), row, $"The table has {Rows} rows.");
        int inChunk = row & ((1 << _rowsPerChunkShift) - 1);
        return _chunks[row >> _rowsPerChunkShift].Span.Slice(inChunk * _stride, _stride);
    }

    private void AddTarget(ReadOnlySpan<float> target, float weight)
    {
        if (target.Length != TargetColumns)
            throw new ArgumentException($"The table has {TargetColumns} targets, the row {target.Length}.", nameof(target));
        if (Rows == Array.MaxLength / Math.Max(1, TargetColumns))
            throw new InvalidOperationException($"A table in memory holds at most {Rows} rows.");
        Append(ref _targets, Rows * TargetColumns, target);
        if (IsWeighted)
            Append(ref _weights, Rows, [weight]);
        Rows++;
    }

    private static void Append(ref float[] values, int at, ReadOnlySpan<float> added)
    {
        if (at + added.Length > values.Length)
            Array.Resize(ref values, (int)Math.Min(Array.MaxLength, Math.Max(1024, 2L * (at + added.Length))));
        added.CopyTo(values.AsSpan(at));
    }
}
