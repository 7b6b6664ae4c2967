using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.ML;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>What is in a saved model, for comparing two of them byte by byte.</summary>
internal static class ModelFile
{
    /// <summary>
    /// A note for people that ML.NET's calibrator writes in the culture of the thread and nobody reads; the numbers are in another entry.
    /// </summary>
    private const string NoteOfTheCalibrator = "Calibrator.txt";

    /// <summary>
    /// Name and hash of every entry of the zip, one on each line, without ML.NET's note. The zip itself also holds
    /// the time of writing, which is of no interest.
    /// </summary>
    public static string Contents(Stream zip)
    {
        using var archive = new ZipArchive(zip, ZipArchiveMode.Read, leaveOpen: true);
        return string.Concat(
            archive.Entries.Where(e => e.Name != NoteOfTheCalibrator).OrderBy(e => e.FullName, StringComparer.Ordinal).Select(entry =>
            {
                using Stream stream = entry.Open();
                return $"{entry.FullName} {entry.Length} {Convert.ToHexString(SHA256.HashData(stream))}\n";
            }));
    }

    /// <inheritdoc cref="Contents(Stream)"/>
    public static string Contents(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Contents(stream);
    }

    /// <summary>As <see cref="Contents(Stream)"/> of the file the model would be saved to.</summary>
    public static string Contents(MLContext context, ITransformer model, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        context.Model.Save(model, schema, stream);
        stream.Position = 0;
        return Contents(stream);
    }
}
