namespace MLNetBatchNorm.Data;

/// <summary>Rows of a table in a temporary file, in blocks that are read whole.</summary>
/// <remarks>Written by one thread, then read by one thread; <see cref="Complete"/> stands between. A block is one of
/// <see cref="RowBlockWriter"/>.</remarks>
internal sealed class SpilledRows : IDisposable
{
    private readonly SpillFile _file;
    private readonly int _blockBytes;
    private readonly List<Block> _blocks = [];
    private RowBlockWriter _writer;

    /// <param name="file">Where rows go; disposed with this object.</param>
    /// <param name="shape">What a row has.</param>
    /// <param name="blockBytes">Memory that the rows of a block take once they are read, roughly.</param>
    public SpilledRows(SpillFile file, RowShape shape, int blockBytes)
    {
        _file = file;
        _blockBytes = blockBytes;
        _writer = new RowBlockWriter(shape, Math.Min(blockBytes, 1 << 16));
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

    /// <summary>
    /// What each target becomes when it is read: <c>(target - Mean) / Deviation</c>, as a table's are standardized; none: what it is.
    /// </summary>
    public (double Mean, double Deviation)[] TargetScales { get; set; } = [];

    /// <summary>Adds a dense row.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        BeginRow();
        _writer.Add(features, target, weight);
    }

    /// <summary>Adds a sparse row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        BeginRow();
        _writer.AddSparse(indices, values, target, weight);
    }

    /// <summary>Adds a block that <see cref="Copy"/> gave of other rows of the same shape; all come in order, and nothing else.</summary>
    /// <param name="bytes">The block.</param>
    /// <param name="rows">Number of its rows.</param>
    /// <param name="memoryBytes">Memory that its rows take in a table.</param>
    public void AddBlock(ReadOnlySpan<byte> bytes, int rows, long memoryBytes)
    {
        CheckCount(rows);
        _blocks.Add(new Block(_file.Length, bytes.Length, Rows, rows));
        _file.Append(bytes);
        Rows += rows;
        MemoryBytes += memoryBytes;
    }

    /// <summary>Writes what is still in memory. No rows may follow; once it is done it does nothing.</summary>
    public void Complete()
    {
        if (_writer is null)
            return;
        WriteBlock();
        _writer = null!;
    }

    /// <summary>The bytes of a block as they are in the file, targets not scaled. For any thread.</summary>
    public byte[] Copy(int block)
    {
        byte[] bytes = new byte[_blocks[block].Bytes];
        _file.Read(_blocks[block].Offset, bytes);
        return bytes;
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
        try
        {
            var reader = new RowBlockReader(bytes, Shape, block);
            if (reader.Count != found.Rows)
                throw new InvalidDataException($"The block has {reader.Count} rows instead of {found.Rows}.");
            Span<float> target = stackalloc float[Shape.TargetColumns];
            for (int row = found.FirstRow; reader.Next(); row++)
            {
                if (!part.Contains(row))
                    continue;
                Scale(reader.Target, target);
                reader.AddTo(destination, target);
                count++;
            }
        }
        catch (InvalidDataException e)
        {
            throw new SpillException(
                $"Block {block} of the temporary file of the training rows is not what was written. Something else has changed the file.",
                e);
        }
        return count;
    }

    public void Dispose() => _file.Dispose();

    private void Scale(ReadOnlySpan<float> stored, Span<float> target)
    {
        stored.CopyTo(target);
        for (int i = 0; i < TargetScales.Length; i++)
        {
            (double mean, double deviation) = TargetScales[i];
            target[i] = (float)((stored[i] - mean) / deviation);
        }
    }

    private void BeginRow()
    {
        if (_writer.MemoryBytes >= _blockBytes)
            WriteBlock();
        CheckCount(1);
        Rows++;
    }

    private void CheckCount(int added)
    {
        if (Rows > int.MaxValue - added)
            throw new SpillException($"There are more than {int.MaxValue} training rows, the most that can be counted.");
    }

    private void WriteBlock()
    {
        int rows = _writer.Rows;
        if (rows == 0)
            return;
        MemoryBytes += _writer.MemoryBytes;
        ReadOnlySpan<byte> bytes = _writer.Close(_blocks.Count);
        _blocks.Add(new Block(_file.Length, bytes.Length, Rows - rows, rows));
        _file.Append(bytes);
    }

    private readonly record struct Block(long Offset, int Bytes, int FirstRow, int Rows);
}
