using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>A saved model whose bytes can be changed before it is loaded: what a damaged or hostile file holds.</summary>
internal sealed class ModelZip
{
    // The header of ML.NET's model streams: ulong magic, uint written, uint readable, then where the model's own bytes are.
    private const int OffsetOfModelStart = 16;
    private const int OffsetOfModelSize = 24;

    private readonly byte[] _zip;

    /// <param name="context">The context the model was made in.</param>
    /// <param name="model">The model to save.</param>
    /// <param name="schema">Its input schema.</param>
    /// <param name="signature">The loader signature of the part to change, alone in the model.</param>
    public ModelZip(MLContext context, ITransformer model, DataViewSchema schema, string signature)
    {
        using var stream = new MemoryStream();
        context.Model.Save(model, schema, stream);
        _zip = stream.ToArray();

        byte[] pattern = System.Text.Encoding.ASCII.GetBytes(signature);
        using var archive = new ZipArchive(new MemoryStream(_zip));
        (string Name, byte[] Bytes)[] found = archive.Entries
            .Where(e => e.Name == ModelLoadContext.ModelStreamName)
            .Select(e => (Name: e.FullName, Bytes: ReadAll(e)))
            .Where(e => e.Bytes.AsSpan().IndexOf(pattern) >= 0)
            .ToArray();
        Assert.HasCount(1, found, $"{found.Length} parts of the model have the signature {signature}");
        (EntryName, Entry) = found[0];
        Start = (int)BinaryPrimitives.ReadInt64LittleEndian(Entry.AsSpan(OffsetOfModelStart));
        Size = (int)BinaryPrimitives.ReadInt64LittleEndian(Entry.AsSpan(OffsetOfModelSize));
    }

    public string EntryName { get; }

    /// <summary>All bytes of the part.</summary>
    public byte[] Entry { get; }

    /// <summary>Where the model's own bytes start in <see cref="Entry"/>, after ML.NET's header.</summary>
    public int Start { get; }

    /// <summary>How many bytes are the model's own; strings and loader names follow them.</summary>
    public int Size { get; }

    /// <summary>Loads the model with the part replaced, in a fresh context.</summary>
    public ITransformer LoadWith(byte[] entry)
    {
        using var stream = new MemoryStream();
        stream.Write(_zip);
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
        {
            archive.GetEntry(EntryName)!.Delete();
            using Stream replaced = archive.CreateEntry(EntryName).Open();
            replaced.Write(entry);
        }

        stream.Position = 0;
        return new MLContext().Model.Load(stream, out _);
    }

    /// <summary>A copy of the part with the model's own bytes overwritten from an offset on.</summary>
    public byte[] WithPayload(int offset, params ReadOnlySpan<byte> bytes)
    {
        byte[] changed = (byte[])Entry.Clone();
        bytes.CopyTo(changed.AsSpan(Start + offset));
        return changed;
    }

    /// <summary>A copy of the part that claims another size of the model's own bytes.</summary>
    public byte[] WithSize(int size)
    {
        byte[] changed = (byte[])Entry.Clone();
        BinaryPrimitives.WriteInt64LittleEndian(changed.AsSpan(OffsetOfModelSize), size);
        return changed;
    }

    /// <summary>
    /// Fails unless loading is refused as ML.NET's loader refuses: a marked FormatException at the bottom of what is thrown.
    /// </summary>
    /// <returns>The message of that exception.</returns>
    public string MustRefuse(byte[] entry, string what)
    {
        try
        {
            LoadWith(entry);
        }
        catch (Exception e)
        {
            return CheckRefusal(e, what);
        }

        Assert.Fail($"{what}: the model was loaded");
        return "";
    }

    /// <summary>
    /// Fails unless the model loads, or is refused as by <see cref="MustRefuse"/>, without large allocations. True if it loads.
    /// </summary>
    public bool MayRefuse(byte[] entry, string what, long maximumBytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool loaded = true;
        try
        {
            LoadWith(entry);
        }
        catch (Exception e)
        {
            loaded = false;
            CheckRefusal(e, what);
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.IsLessThanOrEqualTo(maximumBytes, allocated, $"{what}: {allocated} bytes were allocated");
        return loaded;
    }

    private static string CheckRefusal(Exception exception, string what)
    {
        Exception innermost = exception;
        while (innermost.InnerException != null)
            innermost = innermost.InnerException;
        if (innermost is not FormatException || !innermost.IsMarked())
        {
            Assert.Fail(
                $"{what}: loading failed with {(innermost.IsMarked() ? "a marked" : "an unmarked")} {innermost.GetType().Name} "
                + $"({innermost.Message}) instead of a marked FormatException");
        }
        return innermost.Message;
    }

    private static byte[] ReadAll(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }
}
