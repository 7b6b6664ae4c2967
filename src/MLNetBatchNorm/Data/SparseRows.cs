namespace MLNetBatchNorm.Data;

/// <summary>The features of a sparse table: compressed rows in chunks, so that the table grows without copying.</summary>
internal sealed class SparseRows(int chunkBytes)
{
    // Entries of a chunk: column numbers and values. A longer row gets a chunk of its own length.
    private readonly int _chunkEntries = chunkBytes / 8;

    // Of the first chunk as it is made; it doubles until it is as large as others are, so that a small table is small.
    private const int SmallestChunkEntries = 1 << 13;

    private readonly List<(int[] Indices, float[] Values)> _chunks = [];
    private readonly List<(int Chunk, int Start, int Count)> _rows = [];
    private int _chunk = -1;
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
            {
                throw new ArgumentException(
                    $"Column numbers must rise and be below {columns}; entry {i} is column {indices[i]}.", nameof(indices));
            }
        }

        if (_chunk < 0 || _used + indices.Length > _chunks[_chunk].Indices.Length)
            Reserve(indices.Length);
        indices.CopyTo(_chunks[_chunk].Indices.AsSpan(_used));
        values.CopyTo(_chunks[_chunk].Values.AsSpan(_used));
        _rows.Add((_chunk, _used, indices.Length));
        _used += indices.Length;
        Entries += indices.Length;
    }

    /// <summary>Forgets all rows, and keeps the memory.</summary>
    public void Clear()
    {
        _rows.Clear();
        _chunk = -1;
        _used = 0;
        Entries = 0;
    }

    private void Reserve(int entries)
    {
        if (_chunk == 0 && _chunks[0].Indices.Length < _chunkEntries && _used + entries <= _chunkEntries)
        {
            int enlarged = (int)Math.Min(_chunkEntries, Math.Max(2L * _chunks[0].Indices.Length, _used + entries));
            (int[] indices, float[] values) = _chunks[0];
            Array.Resize(ref indices, enlarged);
            Array.Resize(ref values, enlarged);
            _chunks[0] = (indices, values);
            return;
        }

        _chunk++;
        _used = 0;
        int length = Math.Max(_chunks.Count == 0 ? Math.Min(SmallestChunkEntries, _chunkEntries) : _chunkEntries, entries);
        if (_chunk == _chunks.Count)
            _chunks.Add((new int[length], new float[length]));
        else if (_chunks[_chunk].Indices.Length < entries)
            _chunks[_chunk] = (new int[length], new float[length]);
    }
}
