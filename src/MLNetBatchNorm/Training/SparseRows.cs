namespace MLNetBatchNorm.Training;

/// <summary>The features of a sparse table: compressed rows in chunks, so that the table grows without copying.</summary>
internal sealed class SparseRows
{
    // Entries of a chunk: 16 MiB of column numbers and values. A longer row gets a chunk of its own length.
    private const int ChunkEntries = 1 << 21;

    private readonly List<(int[] Indices, float[] Values)> _chunks = [];
    private readonly List<(int Chunk, int Start, int Count)> _rows = [];
    private int _used;

    /// <summary>Number of entries of all rows.</summary>
    public long Entries { get; private set; }

    /// <summary>Column numbers of a row, rising.</summary>
    public ReadOnlySpan<int> Indices(int row) => _chunks[_rows[row].Chunk].Indices.AsSpan(_rows[row].Start, _rows[row].Count);

    /// <summary>Values of a row.</summary>
    public ReadOnlySpan<float> Values(int row) => _chunks[_rows[row].Chunk].Values.AsSpan(_rows[row].Start, _rows[row].Count);

    /// <summary>Adds a row of <paramref name="columns"/> columns.</summary>
    public void Add(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, int columns)
    {
        if (indices.Length != values.Length)
            throw new ArgumentException($"The row has {indices.Length} column numbers and {values.Length} values.", nameof(values));
        for (int i = 0; i < indices.Length; i++)
        {
            if (indices[i] >= columns || indices[i] < (i == 0 ? 0 : indices[i - 1] + 1))
                throw new ArgumentException($"Column numbers must rise and be below {columns}; entry {i} is column {indices[i]}.", nameof(indices));
        }

        if (_chunks.Count == 0 || _used + indices.Length > _chunks[^1].Indices.Length)
        {
            int length = Math.Max(ChunkEntries, indices.Length);
            _chunks.Add((new int[length], new float[length]));
            _used = 0;
        }
        indices.CopyTo(_chunks[^1].Indices.AsSpan(_used));
        values.CopyTo(_chunks[^1].Values.AsSpan(_used));
        _rows.Add((_chunks.Count - 1, _used, indices.Length));
        _used += indices.Length;
        Entries += indices.Length;
    }
}
