using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>Rows of features, targets and weights in memory: row-major, each row padded to whole cache lines, or sparse.</summary>
/// <remarks>
/// Rows live in chunks of bounded size, so that the table grows without copying and is not limited by the length of one array.
/// </remarks>
internal sealed class TrainingTable
{
    private const int Width = PanelLayout.Width;

    // 16 MiB: large enough that a chunk's header is nothing, small enough that a chunk of slack is little.
    public const int LargestChunkBytes = 16 << 20;

    // Of the first chunk as it is made; it doubles until it is as large as others are, so that a small table is small.
    private const int SmallestChunkBytes = 1 << 16;

    private readonly int _stride;
    private readonly int _rowsPerChunkShift;
    private readonly List<AlignedBuffer> _chunks = [];
    private float[] _targets = [];
    private float[] _weights = [];

    /// <summary>An empty table of <paramref name="inputs"/> feature columns and <paramref name="targetColumns"/> target columns.</summary>
    public TrainingTable(int inputs, int targetColumns, bool weighted, int chunkBytes = LargestChunkBytes)
    {
        Inputs = inputs;
        TargetColumns = targetColumns;
        IsWeighted = weighted;
        _stride = PanelLayout.PanelCount(inputs) * Width;
        long rows = Math.Max(1, chunkBytes / (sizeof(float) * (long)_stride));
        _rowsPerChunkShift = 63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)rows);
    }

    /// <summary>A table whose rows keep only the entries that are not zero.</summary>
    public static TrainingTable CreateSparse(
        int inputs, int targetColumns, bool weighted, int chunkBytes = LargestChunkBytes, CategoryRanges? ranges = null) =>
        new(inputs, targetColumns, weighted) { Sparse = new SparseRows(chunkBytes), Ranges = ranges };

    /// <summary>What a row has.</summary>
    public RowShape Shape => new(Inputs, TargetColumns, IsWeighted, Sparse is not null, Ranges);

    /// <summary>Which columns are numbers of categories; null: none.</summary>
    public CategoryRanges? Ranges { get; init; }

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

    /// <summary>Memory that the rows take, as <see cref="RowShape.RowBytes"/> counts it.</summary>
    public long MemoryBytes =>
        Rows * Shape.RowBytes(0) + (Sparse is null ? 0 : (Shape.RowBytes(1) - Shape.RowBytes(0)) * Sparse.Entries);

    /// <summary>Memory of dense rows, with the room behind the last one.</summary>
    public long ReservedBytes => sizeof(float) * (_chunks.Sum(chunk => (long)chunk.Length) + _targets.Length + _weights.Length);

    /// <summary>Targets of all rows, [rows, targets].</summary>
    public Span<float> Targets => _targets.AsSpan(0, Rows * TargetColumns);

    /// <summary>Weights of all rows, or empty.</summary>
    public Span<float> Weights => IsWeighted ? _weights.AsSpan(0, Rows) : default;

    /// <summary>The features of one row.</summary>
    public Span<float> Features(int row) => PaddedFeatures(row)[..Inputs];

    /// <summary>One feature of one row.</summary>
    public float Value(int row, int column)
    {
        if (Sparse is null)
            return PaddedFeatures(row)[column];
        int at = Sparse.Indices(row).BinarySearch(column);
        return at < 0 ? 0 : Sparse.Values(row)[at];
    }

    /// <summary>Forgets all rows, and keeps the memory.</summary>
    public void Clear()
    {
        Rows = 0;
        Sparse?.Clear();
    }

    /// <summary>Adds a row and returns its features for the caller to fill: zero, unless the table was cleared.</summary>
    public Span<float> Add(ReadOnlySpan<float> target, float weight)
    {
        if (Sparse is not null)
            throw new InvalidOperationException("The table is sparse.");
        Reserve(Rows);
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

    /// <summary>Adds a row of another table of the same shape.</summary>
    public void AddFrom(TrainingTable source, int row)
    {
        ReadOnlySpan<float> target = source.Targets.Slice(row * TargetColumns, TargetColumns);
        float weight = IsWeighted ? source.Weights[row] : 1;
        if (source.Sparse is { } sparse)
            AddSparse(sparse.Indices(row), sparse.Values(row), target, weight);
        else
            Add(source.Features(row), target, weight);
    }

    /// <summary>The row with its padding, whole cache lines.</summary>
    public Span<float> PaddedFeatures(int row)
    {
        if ((uint)row >= (uint)Rows)
            throw new ArgumentOutOfRangeException(nameof(row), row, $"The table has {Rows} rows.");
        return _chunks[row >> _rowsPerChunkShift].Span.Slice(InChunk(row) * _stride, _stride);
    }

    /// <summary>Gives back the room that is left behind the last row: up to half of what a table takes.</summary>
    public void Trim()
    {
        Array.Resize(ref _targets, Rows * TargetColumns);
        Array.Resize(ref _weights, IsWeighted ? Rows : 0);
        int last = (Rows - 1) >> _rowsPerChunkShift;
        if (_chunks.Count <= last || Rows == 0)
            return;
        _chunks.RemoveRange(last + 1, _chunks.Count - last - 1);
        int length = (InChunk(Rows - 1) + 1) * _stride;
        if (length == _chunks[last].Length)
            return;
        var trimmed = new AlignedBuffer(length);
        _chunks[last].Span[..length].CopyTo(trimmed.Span);
        _chunks[last] = trimmed;
    }

    private int InChunk(int row) => row & ((1 << _rowsPerChunkShift) - 1);

    /// <summary>Makes room for a row.</summary>
    private void Reserve(int row)
    {
        long wholeChunk = (long)_stride << _rowsPerChunkShift;
        int chunk = row >> _rowsPerChunkShift;
        if (_chunks.Count == 0)
            _chunks.Add(new AlignedBuffer(Math.Min(wholeChunk, Math.Max(SmallestChunkBytes / sizeof(float) / _stride, 1) * (long)_stride)));
        else if (chunk == _chunks.Count)
            _chunks.Add(new AlignedBuffer(wholeChunk));
        else if ((InChunk(row) + 1L) * _stride > _chunks[chunk].Length)
            _chunks[chunk] = Enlarged(_chunks[chunk], Math.Min(wholeChunk, 2L * _chunks[chunk].Length));
    }

    private static AlignedBuffer Enlarged(AlignedBuffer chunk, long length)
    {
        var larger = new AlignedBuffer(length);
        chunk.Span.CopyTo(larger.Span);
        return larger;
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
