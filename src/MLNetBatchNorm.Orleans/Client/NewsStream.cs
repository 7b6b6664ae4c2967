using System.Buffers.Binary;

namespace MLNetBatchNorm.Clustering;

/// <summary>Puts the news of a training together of the pieces in which they come.</summary>
internal sealed class NewsStream
{
    private byte[] _bytes = [];
    private int _used;

    /// <summary>Bytes that have come.</summary>
    public long Offset { get; private set; }

    /// <summary>Takes a piece, and gives the news that are whole with it.</summary>
    /// <exception cref="InvalidDataException">A length is negative.</exception>
    public IReadOnlyList<byte[]> Add(byte[] piece)
    {
        if (_bytes.Length < _used + piece.Length)
            Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max(_used + (long)piece.Length, 2L * _bytes.Length)));
        piece.CopyTo(_bytes, _used);
        _used += piece.Length;
        Offset += piece.Length;
        var news = new List<byte[]>();
        int at = 0;
        while (_used - at >= sizeof(int))
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(_bytes.AsSpan(at));
            if (length < 0)
                throw new InvalidDataException("A silo sent news of a negative length.");
            if (length > _used - at - sizeof(int))
                break;
            news.Add(_bytes.AsSpan(at + sizeof(int), length).ToArray());
            at += sizeof(int) + length;
        }

        _bytes.AsSpan(at, _used - at).CopyTo(_bytes);
        _used -= at;
        return news;
    }
}
