using System.Runtime.Intrinsics.X86;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>Rows of features, targets and weights in memory: row-major, each row padded to whole cache lines.</summary>
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
        if (target.Length != TargetColumns)
            throw new ArgumentException($"The table has {TargetColumns} targets, the row {target.Length}.", nameof(target));
        int row = Rows;
        if (row == Array.MaxLength / Math.Max(1, TargetColumns))
            throw new InvalidOperationException($"A table in memory holds at most {row} rows.");
        if (row >> _rowsPerChunkShift == _chunks.Count)
            _chunks.Add(new AlignedBuffer((long)_stride << _rowsPerChunkShift));
        Append(ref _targets, row * TargetColumns, target);
        if (IsWeighted)
            Append(ref _weights, row, [weight]);
        Rows++;
        return Features(row);
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

    /// <summary>A table with every row's features replaced by what <paramref name="encode"/> makes of them. Empties this table as it goes, so that both are never whole in memory.</summary>
    public TrainingTable Transform(int outputs, Action<ReadOnlySpan<float>, Span<float>> encode)
    {
        var result = new TrainingTable(outputs, TargetColumns, IsWeighted);
        for (int row = 0; row < Rows; row++)
        {
            ReadOnlySpan<float> target = _targets.AsSpan(row * TargetColumns, TargetColumns);
            encode(Features(row), result.Add(target, IsWeighted ? _weights[row] : 1));
            int chunk = row >> _rowsPerChunkShift;
            if (chunk > 0 && _chunks[chunk - 1].Length > 0)
                _chunks[chunk - 1] = new AlignedBuffer(0);
        }
        _chunks.Clear();
        Rows = 0;
        return result;
    }

    private static void Append(ref float[] values, int at, ReadOnlySpan<float> added)
    {
        if (at + added.Length > values.Length)
            Array.Resize(ref values, (int)Math.Min(Array.MaxLength, Math.Max(1024, 2L * (at + added.Length))));
        added.CopyTo(values.AsSpan(at));
    }
}

/// <summary>Some rows of a table, in the order in which they are read, and the encoder they pass on their way into a mini-batch.</summary>
/// <remarks>Rows are encoded anew each time they are read: that costs a hundredth of a training step, and the table stays as small as the raw data.</remarks>
internal sealed class TrainingData
{
    /// <summary>All rows in the table's order; without an encoder rows are read as they are.</summary>
    public TrainingData(TrainingTable table, InputEncoder? encoder = null) : this(table, [.. Enumerable.Range(0, table.Rows)], encoder)
    {
    }

    /// <summary>The given rows of a table.</summary>
    public TrainingData(TrainingTable table, int[] rows, InputEncoder? encoder = null)
    {
        Table = table;
        Rows = rows;
        Encoder = encoder ?? InputEncoder.Identity(table.Inputs);
        if (Encoder.RawInputs != table.Inputs)
            throw new ArgumentException($"The table has {table.Inputs} columns, the encoder {Encoder.RawInputs} slots.", nameof(encoder));
    }

    /// <summary>Where the rows live.</summary>
    public TrainingTable Table { get; }

    /// <summary>Row numbers in the table.</summary>
    public int[] Rows { get; }

    /// <summary>From raw rows to the network's inputs.</summary>
    public InputEncoder Encoder { get; }

    /// <summary>The same rows behind another encoder.</summary>
    public TrainingData EncodedBy(InputEncoder encoder) => new(Table, Rows, encoder);

    /// <summary>Number of rows.</summary>
    public int Count => Rows.Length;

    /// <summary>
    /// Sets aside a part of the rows for validation, at random but the same for the same seed; for class numbers every class gives its part.
    /// Neither side is empty if there are two rows or more.
    /// </summary>
    public (TrainingData Training, TrainingData Validation) Split(double fraction, ulong seed, bool byClass)
    {
        const ulong purpose = 2000;
        var random = new RandomStream(seed, purpose);
        int[] order = [.. Rows];
        random.Shuffle(order);
        if (byClass)
        {
            // After a stable sort by class, every k-th row is validation: each class gives its part, to within a row.
            float[] classes = [.. order.Select(row => Table.Targets[row])];
            order = [.. Enumerable.Range(0, order.Length).OrderBy(i => classes[i]).Select(i => order[i])];
        }
        int wanted = Math.Clamp((int)Math.Round(fraction * order.Length), Math.Min(1, order.Length - 1), order.Length - 1);
        var training = new List<int>(order.Length - wanted);
        var validation = new List<int>(wanted);
        for (int i = 0; i < order.Length; i++)
        {
            bool taken = (long)(i + 1) * wanted / order.Length > (long)i * wanted / order.Length;
            (taken ? validation : training).Add(order[i]);
        }
        int[] trainingRows = [.. training], validationRows = [.. validation];
        Array.Sort(trainingRows);
        Array.Sort(validationRows);
        return (new TrainingData(Table, trainingRows, Encoder), new TrainingData(Table, validationRows, Encoder));
    }

    /// <summary>Encodes rows [first, first + count) of this order into the rows [firstRow, ...) of a mini-batch in panels.</summary>
    public void GatherFeatures(int first, int count, Span<float> panels, int rowCapacity, int firstRow)
    {
        ReadOnlySpan<int> rows = Rows.AsSpan(first, count);
        for (int r = 0; r < rows.Length; r++)
        {
            if (r + PrefetchDistance < rows.Length)
                Prefetch(Table.PaddedFeatures(rows[r + PrefetchDistance]));
            Encoder.EncodeToPanels(Table.PaddedFeatures(rows[r]), panels, rowCapacity, firstRow + r);
        }
    }

    // Rows of a shuffled table are cache misses; asking for them this many rows ahead hides most of the memory's latency.
    private const int PrefetchDistance = 4;

    private static unsafe void Prefetch(ReadOnlySpan<float> row)
    {
        if (!Sse.IsSupported)
            return;
        // Chunks are pinned; a prefetch of any address is harmless in any case.
        fixed (float* start = row)
        {
            for (int i = 0; i < row.Length; i += PanelLayout.Width)
                Sse.Prefetch0(start + i);
        }
    }
}
