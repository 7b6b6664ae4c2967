using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm.Stress;

/// <summary>
/// Whole model files: what the library reads must be borne by the library; what ML.NET reads itself is ML.NET's, and only counted.
/// </summary>
internal abstract class ModelFileTarget : FuzzTarget
{
    private static long s_loadBytes;

    protected static byte[][] Models { get; } = [.. SampleModels()];

    /// <summary>Loading a good model costs that much whatever its size: a context, its catalog of components, the zip.</summary>
    private static long LoadBytes => s_loadBytes != 0 ? s_loadBytes : s_loadBytes = Measure();

    public override bool IsDocumented(Exception exception) =>
        exception is not OutOfMemoryException && (!IsOurs(exception) || (exception is FormatException && exception.IsMarked()));

    public override long AllowedBytes(int length) => 2 * LoadBytes + 10L * length;

    /// <summary>Whether it was thrown by the library, or by something the library called.</summary>
    private static bool IsOurs(Exception exception) =>
        new StackTrace(exception).GetFrames().Any(frame => frame.GetMethod()?.Module.Assembly == typeof(BatchNormNetworkOptions).Assembly);

    protected static void Load(byte[] zip) => new MLContext(1).Model.Load(new MemoryStream(zip), out _);

    private static long Measure()
    {
        Load(Models[0]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (byte[] model in Models)
            Load(model);
        return (GC.GetAllocatedBytesForCurrentThread() - before) / Models.Length;
    }

    /// <summary>One model of each task, one of pictures and one with intervals, with uncompressed entries.</summary>
    private static IEnumerable<byte[]> SampleModels()
    {
        // Of so many rows enough are held out for a network that says how large errors are.
        const int rows = 40, rowsForIntervals = 1200;
        var context = new MLContext(1);
        foreach (IEstimator<ITransformer> trainer in new IEstimator<ITransformer>[]
        {
            context.BinaryClassification.Trainers.BatchNormNetwork(
                Small(new BatchNormNetworkBinaryTrainer.Options { LabelColumnName = "Flag" })),
            context.MulticlassClassification.Trainers.BatchNormNetwork(
                Small(new BatchNormNetworkMulticlassTrainer.Options { LabelColumnName = "Class" })),
            context.Regression.Trainers.BatchNormNetwork(Small(new BatchNormNetworkRegressionTrainer.Options
            {
                LabelColumnName = "Number", NumberOfEnsembleMembers = 2, NumberOfInputPieces = 3,
            })),
            context.Transforms.BatchNormalize("Features"),
            context.Regression.Trainers.BatchNormNetworkMultiOutput(Small(
                new BatchNormNetworkMultiOutputRegressionTrainer.Options { LabelColumnName = "Numbers" })),
            context.BinaryClassification.Trainers.BatchNormNetworkMultiLabel(Small(
                new BatchNormNetworkMultiLabelTrainer.Options { LabelColumnName = "Flags" })),
            context.BinaryClassification.Trainers.BatchNormNetwork(Small(new BatchNormNetworkBinaryTrainer.Options
            {
                LabelColumnName = "Flag", InputShape = new ImageShape(1, 3, 1), Convolutions = [new ConvolutionLayer(2, 3)],
            })),
        })
        {
            yield return Save(trainer, rows);
        }
        yield return Save(
            context.Regression.Trainers.BatchNormNetwork(Small(new BatchNormNetworkRegressionTrainer.Options
            {
                LabelColumnName = "Number", IntervalLevels = [0.8], ValidationFraction = 0.5, NumberOfEnsembleMembers = 1,
            })),
            rowsForIntervals);

        byte[] Save(IEstimator<ITransformer> trainer, int count)
        {
            IDataView view = context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Row(i)));
            view = context.Transforms.Conversion.MapValueToKey("Class").Fit(view).Transform(view);
            using var stream = new MemoryStream();
            context.Model.Save(trainer.Fit(view), view.Schema, stream);
            return ZipFile.Store(ZipFile.Entries(stream.ToArray()));
        }
    }

    private static T Small<T>(T options)
        where T : BatchNormNetworkOptions
    {
        options.HiddenUnits = [5, 3];
        options.MaximumNumberOfEpochs = 2;
        options.NumberOfThreads = 1;
        options.Seed = 1;
        return options;
    }

    private sealed class Row(int i)
    {
        [VectorType(3)]
        public float[] Features { get; } = [i, i % 7, i % 3 == 0 ? float.NaN : i % 5];

        public bool Flag { get; } = i % 2 == 0;

        [VectorType(2)]
        public bool[] Flags { get; } = [i % 2 == 0, i % 5 == 0];

        public float Number { get; } = i % 11;

        [VectorType(2)]
        public float[] Numbers { get; } = [i % 11, i % 4];

        public string Class { get; } = (i % 3).ToString(System.Globalization.CultureInfo.InvariantCulture);
    }
}

/// <summary>The library's own entry of a model file, in a file that is otherwise good.</summary>
internal sealed class EntryTarget : ModelFileTarget
{
    private static readonly (string Name, byte[] Bytes)[][] s_files = [.. Models.Select(ZipFile.Entries)];

    // Behind the entry's bytes stands the number of the file it belongs to, which mutations seldom reach.
    public override IReadOnlyList<byte[]> Seeds { get; } =
        [.. s_files.Select((entries, file) => (byte[])[.. entries[OurEntry(entries)].Bytes, (byte)file])];

    public override string Name => "model entry";

    public override void Read(byte[] input)
    {
        int file = input.Length == 0 ? 0 : input[^1] % s_files.Length;
        var entries = ((string Name, byte[] Bytes)[])s_files[file].Clone();
        int ours = OurEntry(s_files[file]);
        entries[ours].Bytes = input.Length == 0 ? [] : input[..^1];
        Load(ZipFile.Store(entries));
    }

    private static int OurEntry((string Name, byte[] Bytes)[] entries) => Array.FindIndex(
        entries,
        e => e.Name.EndsWith("Model.key", StringComparison.Ordinal)
            && new[] { "MBNN", "BNORMTRN" }.Any(s => e.Bytes.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(s)) >= 0));
}

/// <summary>Any byte of the zip but those of the two entries that hold a table's schema in ML.NET's binary format.</summary>
/// <remarks>
/// ML.NET believes the counts in those entries: 2,000,000,000 key values, of which none is there, keep
/// it busy for minutes. That is not ours to mend.
/// </remarks>
internal sealed class ZipTarget : ModelFileTarget
{
    private static readonly HashSet<string> s_goodSchemas =
        [.. Models.SelectMany(ZipFile.Entries).Where(e => IsSchema(e.Name)).Select(e => Convert.ToHexString(e.Bytes))];

    public override IReadOnlyList<byte[]> Seeds { get; } = Models;

    public override string Name => "model zip";

    public override byte[] Mend(byte[] input) => ZipFile.MendChecksums(input);

    public override void Read(byte[] input)
    {
        if (ZipFile.Entries(input).Any(e => IsSchema(e.Name) && !s_goodSchemas.Contains(Convert.ToHexString(e.Bytes))))
            throw new InvalidDataException("A schema of ML.NET was changed; the file is not read.");
        Load(input);
    }

    /// <summary>ML.NET and .NET's zip reader believe counts in their own parts; their allocations are not ours to bound.</summary>
    public override long AllowedBytes(int length) => long.MaxValue;

    // Without respect to case, as ML.NET looks for them.
    private static bool IsSchema(string name) => name.EndsWith("Schema", StringComparison.OrdinalIgnoreCase);
}

/// <summary>Zip files with uncompressed entries, so that a changed byte is a changed byte of the content.</summary>
internal static class ZipFile
{
    private const uint LocalHeader = 0x04034B50;
    private const uint DirectoryHeader = 0x02014B50;

    private static readonly uint[] s_table = [.. Enumerable.Range(0, 256).Select(i =>
    {
        uint value = (uint)i;
        for (int bit = 0; bit < 8; bit++)
            value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320 : value >> 1;
        return value;
    })];

    public static (string Name, byte[] Bytes)[] Entries(byte[] zip)
    {
        using var archive = new ZipArchive(new MemoryStream(zip));
        return [.. archive.Entries.Select(entry =>
        {
            using Stream stream = entry.Open();
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            return (entry.FullName, copy.ToArray());
        })];
    }

    public static byte[] Store((string Name, byte[] Bytes)[] entries)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string name, byte[] bytes) in entries)
            {
                using Stream entry = archive.CreateEntry(name, CompressionLevel.NoCompression).Open();
                entry.Write(bytes);
            }
        }

        return stream.ToArray();
    }

    /// <summary>Writes the checksums that belong to the content, as far as the headers still say where it is.</summary>
    public static byte[] MendChecksums(byte[] zip)
    {
        byte[] mended = (byte[])zip.Clone();
        for (int at = 0; at + 46 <= mended.Length; at++)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(mended.AsSpan(at)) != DirectoryHeader)
                continue;
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(mended.AsSpan(at + 24));
            uint header = BinaryPrimitives.ReadUInt32LittleEndian(mended.AsSpan(at + 42));
            if (header + 30L > mended.Length || BinaryPrimitives.ReadUInt32LittleEndian(mended.AsSpan((int)header)) != LocalHeader)
                continue;
            long content = header + 30L + BinaryPrimitives.ReadUInt16LittleEndian(mended.AsSpan((int)header + 26))
                + BinaryPrimitives.ReadUInt16LittleEndian(mended.AsSpan((int)header + 28));
            if (content + size > mended.Length)
                continue;
            uint checksum = Checksum(mended.AsSpan((int)content, (int)size));
            BinaryPrimitives.WriteUInt32LittleEndian(mended.AsSpan((int)header + 14), checksum);
            BinaryPrimitives.WriteUInt32LittleEndian(mended.AsSpan(at + 16), checksum);
        }

        return mended;
    }

    private static uint Checksum(ReadOnlySpan<byte> bytes)
    {
        uint value = uint.MaxValue;
        foreach (byte b in bytes)
            value = s_table[(value ^ b) & 255] ^ (value >> 8);
        return ~value;
    }
}
