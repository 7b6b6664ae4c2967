using System.Reflection;
using System.Security.Cryptography;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Distribution;

/// <summary>Which library this is: another one may round otherwise, or mean something else by the same bytes.</summary>
internal static class LibraryBuild
{
    /// <summary>Bytes of <see cref="Hash"/>.</summary>
    public const int HashBytes = SHA256.HashSizeInBytes;

    private const int MostBytesOfVersion = 256;

    /// <summary>The version, without the commit, so that builds of the same version write the same models.</summary>
    public static string Version { get; } =
        typeof(LibraryBuild).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>Hash of the build.</summary>
    public static byte[] Hash { get; } = SHA256.HashData(typeof(LibraryBuild).Module.ModuleVersionId.ToByteArray());

    /// <summary>Version and build, for people: two processes whose texts are the same have the same library.</summary>
    public static string Text { get; } = $"{Version} (build {Convert.ToHexStringLower(Hash.AsSpan(0, 6))})";

    /// <summary>Writes which library writes.</summary>
    public static void Write(BinaryWriter writer) => writer.WriteText(Text);

    /// <summary>Refuses what another library wrote.</summary>
    /// <exception cref="NetworkFormatException">It was another one.</exception>
    public static void Check(BinaryReader reader)
    {
        string other = reader.ReadText("version of the library", MostBytesOfVersion);
        if (other != Text)
            throw new NetworkFormatException($"MLNetBatchNorm {other} wrote it, and this is {Text}. Run the same version everywhere.");
        if (!BitConverter.IsLittleEndian)
            throw new NetworkFormatException("Rows travel in little-endian byte order only, and this machine has another.");
    }
}
