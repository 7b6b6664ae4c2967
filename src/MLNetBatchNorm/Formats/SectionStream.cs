namespace MLNetBatchNorm.Formats;

/// <summary>The next bytes of a seekable stream as a stream of their own, which ends where they end.</summary>
/// <param name="stream">The stream; read from its position on, and by nobody else meanwhile.</param>
/// <param name="length">Number of bytes.</param>
internal sealed class SectionStream(Stream stream, long length) : Stream
{
    private readonly long _start = stream.Position;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => stream.Position - _start;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer) => stream.Read(buffer[..(int)Math.Min(buffer.Length, length - Position)]);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
