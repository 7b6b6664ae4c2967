using System.Runtime.InteropServices;

namespace MLNetBatchNorm.Data;

/// <summary>Puts rows into blocks of bytes: those of a temporary file, and those in which rows travel to other machines.</summary>
/// <remarks>
/// <para>The format, in the byte order of the machine. A block:</para>
/// <code>
/// uint32  0x4B4C4E42 ("BNLK")
/// int32   number of rows
/// int32   number of the block, from 0
/// rows    dense:  float[inputs] features, float[targets] targets, float weight if there are weights
///         sparse: int32 entries, int32[entries] column numbers, float[entries] values, then targets and weight as above
/// </code>
/// <para><see cref="RowBlockReader"/> reads it.</para>
/// </remarks>
/// <param name="shape">What a row has.</param>
/// <param name="capacity">Bytes for which there is room at first.</param>
internal sealed class RowBlockWriter(RowShape shape, int capacity)
{
    /// <summary>First word of a block.</summary>
    public const uint Magic = 0x4B4C4E42;

    /// <summary>Bytes in front of the rows.</summary>
    public const int HeaderBytes = 12;

    private byte[] _buffer = new byte[HeaderBytes + capacity];
    private int _used = HeaderBytes;

    /// <summary>Rows of the block that is being filled.</summary>
    public int Rows { get; private set; }

    /// <summary>Memory that its rows take in a table.</summary>
    public long MemoryBytes { get; private set; }

    /// <summary>Adds a dense row.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        MakeRoom(sizeof(float) * (features.Length + target.Length + 1));
        Write(MemoryMarshal.AsBytes(features));
        EndRow(target, weight, shape.RowBytes(0));
    }

    /// <summary>Adds a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        MakeRoom(sizeof(float) * (2 * indices.Length + target.Length + 2));
        Write(MemoryMarshal.AsBytes<int>([indices.Length]));
        Write(MemoryMarshal.AsBytes(indices));
        Write(MemoryMarshal.AsBytes(values));
        EndRow(target, weight, shape.RowBytes(indices.Length));
    }

    /// <summary>Adds a row of a table of the same shape.</summary>
    public void AddFrom(TrainingTable table, int row)
    {
        ReadOnlySpan<float> target = table.Targets.Slice(row * table.TargetColumns, table.TargetColumns);
        float weight = table.IsWeighted ? table.Weights[row] : 1;
        if (table.Sparse is { } sparse)
            AddSparse(sparse.Indices(row), sparse.Values(row), target, weight);
        else
            Add(table.Features(row), target, weight);
    }

    /// <summary>The block's bytes, valid until the next row is added; that row begins another block.</summary>
    /// <param name="number">The number of the block.</param>
    public ReadOnlySpan<byte> Close(int number)
    {
        Span<int> header = MemoryMarshal.Cast<byte, int>(_buffer.AsSpan(0, HeaderBytes));
        (header[0], header[1], header[2]) = (unchecked((int)Magic), Rows, number);
        ReadOnlySpan<byte> block = _buffer.AsSpan(0, _used);
        (_used, Rows, MemoryBytes) = (HeaderBytes, 0, 0);
        return block;
    }

    private void MakeRoom(int bytes)
    {
        if (_buffer.Length < _used + bytes)
            Array.Resize(ref _buffer, Math.Max(_used + bytes, (int)Math.Min(Array.MaxLength, 2L * _buffer.Length)));
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_used));
        _used += bytes.Length;
    }

    private void EndRow(ReadOnlySpan<float> target, float weight, long memory)
    {
        Write(MemoryMarshal.AsBytes(target));
        if (shape.IsWeighted)
            Write(MemoryMarshal.AsBytes<float>([weight]));
        Rows++;
        MemoryBytes += memory;
    }
}
