using System.Buffers.Binary;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Stress;

/// <summary>
/// Where the headers of the sections stand in a good block, also of those inside of sections. Lays them over a mutated block, so that what
/// was changed in the sections is reached: a damaged tag or length ends the reading in front of all that stands behind it.
/// </summary>
internal sealed class SectionLayout
{
    /// <summary>Magic number and version.</summary>
    private const int HeadBytes = 8;

    /// <summary>Bytes of a trial without hidden layers.</summary>
    private const int BytesOfTrial = 65;

    private const int TagBytes = Sections.HeaderBytes - sizeof(long);

    private readonly byte[] _block;
    private readonly List<Header> _headers = [];

    // Where blocks begin: this one, and those inside of sections.
    private readonly List<int> _heads = [];

    /// <summary>Walks a good block of sections.</summary>
    public SectionLayout(byte[] block)
    {
        _block = block;
        WalkBlock(0, block.Length);
    }

    /// <summary>Bytes of headers in which <paramref name="input"/> differs: few, if it was made from this block.</summary>
    public int Differences(byte[] input)
    {
        int shift = input.Length - _block.Length;
        return _headers.Sum(header => Math.Min(Differences(input, header, 0), Differences(input, header, shift)));
    }

    /// <summary>A copy of <paramref name="input"/> with the headers of this block.</summary>
    /// <param name="input">Any bytes.</param>
    /// <param name="keepsLength">
    /// Whether bytes that came or went where it first differs stay so, and the lengths of the sections around that place follow; else
    /// others go or come there, so that what stands behind is where it was.
    /// </param>
    /// <returns><paramref name="input"/> itself, if nothing but headers was changed in it.</returns>
    public byte[] LayOver(byte[] input, bool keepsLength)
    {
        int change = _block.AsSpan().CommonPrefixLength(input), shift = input.Length - _block.Length;
        byte[] mended = (byte[])input.Clone();
        if (!keepsLength)
        {
            mended = shift >= 0
                ? [.. input[..change], .. input[(change + shift)..]]
                : [.. input[..change], .. new byte[-shift], .. input[change..]];
            shift = 0;
        }

        foreach (int head in _heads)
            Put(_block.AsSpan(head, HeadBytes), mended, head + (head > change ? shift : 0));
        Span<byte> bytes = stackalloc byte[Sections.HeaderBytes];
        foreach (Header header in _headers)
        {
            _block.AsSpan(header.Start, bytes.Length).CopyTo(bytes);
            bool around = header.Start <= change && change < header.End;
            BinaryPrimitives.WriteInt64LittleEndian(
                bytes[^sizeof(long)..], header.End - header.Start - bytes.Length + (around ? shift : 0));
            Put(bytes, mended, header.Start + (header.Start > change ? shift : 0));
        }

        return mended.AsSpan().SequenceEqual(_block) ? input : mended;
    }

    /// <summary>Tags of all sections, also of those inside of others.</summary>
    public IReadOnlyCollection<string> Tags =>
        [.. _headers.Select(header => System.Text.Encoding.ASCII.GetString(_block, header.Start, TagBytes))];

    private int WalkBlock(int start, int end)
    {
        _heads.Add(start);
        return Walk(start + HeadBytes, end);
    }

    /// <returns>Where the last section ends.</returns>
    private int Walk(int start, int end)
    {
        for (int at = start; at < end;)
        {
            int body = at + Sections.HeaderBytes;
            int next = body + (int)BinaryPrimitives.ReadInt64LittleEndian(_block.AsSpan(body - sizeof(long)));
            string tag = System.Text.Encoding.ASCII.GetString(_block, at, TagBytes);
            _headers.Add(new Header(at, next));
            if (tag == "ENCO")
                Walk(body + sizeof(int), next);       // behind the number of slots stand sections again
            if (tag == "INTV" && BehindIntervals(body) < next)
                WalkBlock(BehindIntervals(body), next);
            if (tag == "TRIA")
                WalkTrials(body, next);
            at = next;
            if (tag == Sections.End)
                return next;
        }

        return end;
    }

    /// <summary>The blocks of the other trials, which stand behind each other: see TrialsFormat.</summary>
    private void WalkTrials(int body, int end)
    {
        int at = body + sizeof(int);
        for (int trials = BinaryPrimitives.ReadInt32LittleEndian(_block.AsSpan(body)); trials > 0; trials--)
            at += sizeof(int) * BinaryPrimitives.ReadInt32LittleEndian(_block.AsSpan(at)) + BytesOfTrial;
        at += sizeof(int) + (sizeof(int) + sizeof(double)) * BinaryPrimitives.ReadInt32LittleEndian(_block.AsSpan(at));
        while (at < end)
            at = WalkBlock(at, end);
    }

    /// <summary>Where the spread of intervals begins, if there is one, behind its flag: see NetworkFormat.Write.</summary>
    private int BehindIntervals(int body)
    {
        int levels = BinaryPrimitives.ReadInt32LittleEndian(_block.AsSpan(body));
        int knots = BinaryPrimitives.ReadInt32LittleEndian(_block.AsSpan(body + sizeof(int)));
        return body + 2 * sizeof(int) + (knots + levels * (1 + 2 * knots)) * sizeof(double) + sizeof(double) + sizeof(long) + sizeof(bool);
    }

    private int Differences(byte[] input, Header header, int shift)
    {
        int differences = 0;
        for (int i = header.Start; i < header.Start + Sections.HeaderBytes; i++)
        {
            if (i + shift < 0 || i + shift >= input.Length || input[i + shift] != _block[i])
                differences++;
        }

        return differences;
    }

    private static void Put(ReadOnlySpan<byte> bytes, byte[] target, int at)
    {
        if (at >= 0 && at < target.Length)
            bytes[..Math.Min(bytes.Length, target.Length - at)].CopyTo(target.AsSpan(at));
    }

    /// <summary>Where a section begins with its header, and where it ends.</summary>
    private readonly record struct Header(int Start, int End);
}
