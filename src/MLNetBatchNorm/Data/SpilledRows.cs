using System.Runtime.InteropServices;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>Rows of a table in a temporary file, in blocks that are read whole.</summary>
/// <remarks>
/// <para>The format, in the byte order of the machine, since no other process reads it. A block:</para>
/// <code>
/// uint32  0x4B4C4E42 ("BNLK")
/// int32   number of rows
/// int32   number of the block, from 0
/// rows    dense:  float[inputs] features, float[targets] targets, float weight if there are weights
///         sparse: int32 entries, int32[entries] column numbers, float[entries] values, then targets and weight as above
/// </code>
/// <para>Written by one thread, then read by one thread; <see cref="Complete"/> stands between.</para>
/// </remarks>
internal sealed class SpilledRows : IDisposable
{
    private const uint Magic = 0x4B4C4E42;
    private const int HeaderBytes = 12;

    private readonly SpillFile _file;
    private readonly int _blockBytes;
    private readonly List<Block> _blocks = [];
    private byte[] _buffer;
    private int _used = HeaderBytes;
    private int _rowsInBlock;
    private long _memoryInBlock;

    /// <param name="file">Where rows go; disposed with this object.</param>
    /// <param name="shape">What a row has.</param>
    /// <param name="blockBytes">Memory that the rows of a block take once they are read, roughly.</param>
    public SpilledRows(SpillFile file, RowShape shape, int blockBytes)
    {
        _file = file;
        _blockBytes = blockBytes;
        _buffer = new byte[HeaderBytes + Math.Min(blockBytes, 1 << 16)];
        Shape = shape;
    }

    /// <summary>What a row has.</summary>
    public RowShape Shape { get; }

    /// <summary>Number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>Number of blocks.</summary>
    public int Blocks => _blocks.Count;

    /// <summary>Bytes of the file.</summary>
    public long FileBytes => _file.Length;

    /// <summary>Memory that all rows would take in a table.</summary>
    public long MemoryBytes { get; private set; }

    /// <summary>What targets become when they are read: <c>(target - Mean) / Deviation</c>, as a table's are standardized.</summary>
    public (double Mean, double Deviation) TargetScale { get; set; } = (0, 1);

    /// <summary>Adds a dense row.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        BeginRow(sizeof(float) * (features.Length + target.Length + 1));
        Write(MemoryMarshal.AsBytes(features));
        EndRow(target, weight, Shape.RowBytes(0));
    }

    /// <summary>Adds a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        BeginRow(sizeof(float) * (2 * indices.Length + target.Length + 2));
        Write(MemoryMarshal.AsBytes<int>([indices.Length]));
        Write(MemoryMarshal.AsBytes(indices));
        Write(MemoryMarshal.AsBytes(values));
        EndRow(target, weight, Shape.RowBytes(indices.Length));
    }

    /// <summary>Writes what is still in memory. No rows may follow.</summary>
    public void Complete()
    {
        WriteBlock();
        _buffer = [];
    }

    /// <summary>Number of the first row of a block, and the number of its rows.</summary>
    public (int First, int Count) RowsOf(int block) => (_blocks[block].FirstRow, _blocks[block].Rows);

    /// <summary>Adds the rows of a block for which <paramref name="part"/> says so to a table, and returns their number.</summary>
    /// <param name="block">Number of the block.</param>
    /// <param name="part">Which rows are wanted.</param>
    /// <param name="buffer">Memory for the bytes; grows to the largest block.</param>
    /// <param name="destination">Null: the rows are only counted, and nothing is read.</param>
    public int Read(int block, RowPart part, ref byte[] buffer, TrainingTable? destination)
    {
        Block found = _blocks[block];
        int count = 0;
        if (destination is null)
        {
            for (int row = 0; row < found.Rows; row++)
                count += part.Contains(found.FirstRow + row) ? 1 : 0;
            return count;
        }

        if (buffer.Length < found.Bytes)
            buffer = new byte[found.Bytes];
        Span<byte> bytes = buffer.AsSpan(0, found.Bytes);
        _file.Read(found.Offset, bytes);
        Span<int> header = MemoryMarshal.Cast<byte, int>(bytes[..HeaderBytes]);
        if ((uint)header[0] != Magic || header[1] != found.Rows || header[2] != block)
        {
            throw new SpillException(
                $"Block {block} of the temporary file of the training rows is not what was written. Something else has changed the file.");
        }
        Span<float> words = MemoryMarshal.Cast<byte, float>(bytes[HeaderBytes..]);
        Span<float> target = stackalloc float[Shape.TargetColumns];
        for (int row = 0; row < found.Rows; row++)
        {
            bool wanted = part.Contains(found.FirstRow + row);
            int length = Shape.IsSparse ? 1 + 2 * BitConverter.SingleToInt32Bits(words[0]) : Shape.Inputs;
            if (wanted)
            {
                Scale(words.Slice(length, target.Length), target);
                float weight = Shape.IsWeighted ? words[length + target.Length] : 1;
                AddTo(destination, words[..length], target, weight);
                count++;
            }
            words = words[(length + target.Length + (Shape.IsWeighted ? 1 : 0))..];
        }
        return count;
    }

    public void Dispose() => _file.Dispose();

    private void AddTo(TrainingTable destination, Span<float> features, ReadOnlySpan<float> target, float weight)
    {
        if (!Shape.IsSparse)
        {
            destination.Add(features, target, weight);
            return;
        }
        int entries = (features.Length - 1) / 2;
        destination.AddSparse(
            MemoryMarshal.Cast<float, int>(features.Slice(1, entries)), features.Slice(1 + entries, entries), target, weight);
    }

    private void Scale(ReadOnlySpan<float> stored, Span<float> target)
    {
        (double mean, double deviation) = TargetScale;
        for (int i = 0; i < target.Length; i++)
            target[i] = mean == 0 && deviation == 1 ? stored[i] : (float)((stored[i] - mean) / deviation);
    }

    private void BeginRow(int bytes)
    {
        if (Rows == int.MaxValue)
            throw new SpillException($"There are more than {int.MaxValue} training rows, the most that can be counted.");
        if (_memoryInBlock >= _blockBytes)
            WriteBlock();
        if (_buffer.Length < _used + bytes)
            Array.Resize(ref _buffer, Math.Max(_used + bytes, 2 * _buffer.Length));
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_buffer.AsSpan(_used));
        _used += bytes.Length;
    }

    private void EndRow(ReadOnlySpan<float> target, float weight, long memory)
    {
        Write(MemoryMarshal.AsBytes(target));
        if (Shape.IsWeighted)
            Write(MemoryMarshal.AsBytes<float>([weight]));
        Rows++;
        _rowsInBlock++;
        _memoryInBlock += memory;
        MemoryBytes += memory;
    }

    private void WriteBlock()
    {
        if (_rowsInBlock == 0)
            return;
        Span<int> header = MemoryMarshal.Cast<byte, int>(_buffer.AsSpan(0, HeaderBytes));
        (header[0], header[1], header[2]) = (unchecked((int)Magic), _rowsInBlock, _blocks.Count);
        _blocks.Add(new Block(_file.Length, _used, Rows - _rowsInBlock, _rowsInBlock));
        _file.Append(_buffer.AsSpan(0, _used));
        (_used, _rowsInBlock, _memoryInBlock) = (HeaderBytes, 0, 0);
    }

    private readonly record struct Block(long Offset, int Bytes, int FirstRow, int Rows);
}
