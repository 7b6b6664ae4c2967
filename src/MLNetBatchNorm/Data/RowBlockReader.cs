using System.Runtime.InteropServices;

namespace MLNetBatchNorm.Data;

/// <summary>Goes through the rows of a block that <see cref="RowBlockWriter"/> has made, or something that is to look like one.</summary>
/// <remarks>No row is read beyond the bytes there are, whatever these say.</remarks>
internal ref struct RowBlockReader
{
    private readonly RowShape _shape;
    private readonly ReadOnlySpan<float> _words;
    private int _at;
    private int _left;
    private int _features;
    private int _length;

    /// <param name="bytes">A whole block.</param>
    /// <param name="shape">What a row has.</param>
    /// <param name="number">The number that the block must have.</param>
    /// <exception cref="InvalidDataException">It does not begin as the block of this number does.</exception>
    public RowBlockReader(ReadOnlySpan<byte> bytes, RowShape shape, int number)
    {
        if (bytes.Length < RowBlockWriter.HeaderBytes)
            throw new InvalidDataException($"A block of rows has {bytes.Length} bytes, too few for any.");
        ReadOnlySpan<int> header = MemoryMarshal.Cast<byte, int>(bytes[..RowBlockWriter.HeaderBytes]);
        if ((uint)header[0] != RowBlockWriter.Magic || header[1] < 0 || header[2] != number)
            throw new InvalidDataException($"Block {number} of the rows does not begin as it should.");
        _shape = shape;
        _words = MemoryMarshal.Cast<byte, float>(bytes[RowBlockWriter.HeaderBytes..]);
        Count = _left = header[1];
    }

    /// <summary>Number of rows, as the block says.</summary>
    public int Count { get; }

    /// <summary>Number of bytes behind the last row; known when all have been read.</summary>
    public readonly int BytesLeft => sizeof(float) * (_words.Length - _at - _length);

    /// <summary>Entries of the present row, if rows are sparse.</summary>
    public readonly int Entries => (_features - 1) / 2;

    /// <summary>Features of the present row; rows are dense.</summary>
    public readonly ReadOnlySpan<float> Features => _words.Slice(_at, _features);

    /// <summary>Column numbers of the present row; rows are sparse.</summary>
    public readonly ReadOnlySpan<int> Indices => MemoryMarshal.Cast<float, int>(_words.Slice(_at + 1, Entries));

    /// <summary>Values of the present row; rows are sparse.</summary>
    public readonly ReadOnlySpan<float> Values => _words.Slice(_at + 1 + Entries, Entries);

    /// <summary>Targets of the present row.</summary>
    public readonly ReadOnlySpan<float> Target => _words.Slice(_at + _features, _shape.TargetColumns);

    /// <summary>Weight of the present row.</summary>
    public readonly float Weight => _shape.IsWeighted ? _words[_at + _length - 1] : 1;

    /// <summary>Memory that the present row takes in a table.</summary>
    public readonly long RowBytes => _shape.RowBytes(_shape.IsSparse ? Entries : 0);

    /// <summary>Goes to the next row, the first one at the first call; false behind the last.</summary>
    /// <exception cref="InvalidDataException">The row is longer than what is left.</exception>
    public bool Next()
    {
        if (_left == 0)
            return false;
        _left--;
        _at += _length;
        long features = _shape.Inputs;
        if (_shape.IsSparse)
        {
            int entries = _at < _words.Length ? BitConverter.SingleToInt32Bits(_words[_at]) : -1;
            features = entries >= 0 ? 1 + 2L * entries : long.MaxValue / 2;
        }

        long length = features + _shape.TargetColumns + (_shape.IsWeighted ? 1 : 0);
        if (length > _words.Length - _at)
            throw new InvalidDataException("A row is longer than what is left of its block.");
        (_features, _length) = ((int)features, (int)length);
        return true;
    }

    /// <summary>Adds the present row to a table, with other targets.</summary>
    public readonly void AddTo(TrainingTable table, ReadOnlySpan<float> target)
    {
        if (_shape.IsSparse)
            table.AddSparse(Indices, Values, target, Weight);
        else
            table.Add(Features, target, Weight);
    }
}
