using System.Buffers.Binary;

namespace MLNetBatchNorm.Clustering;

/// <summary>
/// What a training has to tell, as a stream of bytes: each news with its length in front. Kept until the client says that it has come.
/// </summary>
internal sealed class NewsBuffer
{
    private readonly Queue<byte[]> _parts = new();
    private long _first;
    private long _end;

    /// <summary>Adds a news.</summary>
    public void Add(byte[] news)
    {
        lock (_parts)
        {
            byte[] part = new byte[sizeof(int) + news.Length];
            BinaryPrimitives.WriteInt32LittleEndian(part, news.Length);
            news.CopyTo(part, sizeof(int));
            _parts.Enqueue(part);
            _end += part.Length;
        }
    }

    /// <summary>The bytes from an offset on, at most so many; those before it are forgotten.</summary>
    public byte[] Read(long offset, int atMost)
    {
        lock (_parts)
        {
            while (_parts.TryPeek(out byte[]? first) && _first + first.Length <= offset)
            {
                _parts.Dequeue();
                _first += first.Length;
            }

            if (offset < _first || offset > _end)
                return [];
            byte[] bytes = new byte[(int)Math.Min(atMost, _end - offset)];
            int done = 0;
            long at = _first;
            foreach (byte[] part in _parts)
            {
                int skip = (int)Math.Max(0, offset - at), count = Math.Min(part.Length - skip, bytes.Length - done);
                if (count <= 0)
                    break;
                part.AsSpan(skip, count).CopyTo(bytes.AsSpan(done));
                done += count;
                at += part.Length;
            }

            return bytes;
        }
    }

    /// <summary>Whether there are bytes behind an offset.</summary>
    public bool HasMore(long offset)
    {
        lock (_parts)
            return _end > offset;
    }
}
