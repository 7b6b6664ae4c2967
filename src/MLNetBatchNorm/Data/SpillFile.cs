namespace MLNetBatchNorm.Data;

/// <summary>A temporary file that nobody else sees and that is gone when it is closed, or when its process ends in any way.</summary>
/// <remarks>
/// Where the system allows it the file has no name any more as soon as it is open (Unix): its space is given back with the last handle,
/// even if the process is killed. On Windows the system deletes it when the handle is closed, by whomever.
/// </remarks>
internal sealed class SpillFile : IDisposable
{
    private readonly FileStream _file;
    private readonly string _directory;

    /// <summary>Takes over an open file.</summary>
    internal SpillFile(FileStream file, string directory)
    {
        _file = file;
        _directory = directory;
    }

    /// <summary>Number of bytes written.</summary>
    public long Length { get; private set; }

    /// <summary>Makes a file in a directory that exists.</summary>
    public static SpillFile Create(string directory)
    {
        string path = Path.Combine(directory, $"batchnorm-{Guid.NewGuid():N}.rows");
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.Delete, BufferSize = 0,
                Options = OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose : FileOptions.None,
            };
            // Training rows may be anybody's data: for the moment in which the file has a name, it is its owner's alone.
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var file = new FileStream(path, options);
            if (!OperatingSystem.IsWindows())
                File.Delete(path);
            return new SpillFile(file, directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new SpillException($"No temporary file can be made in '{directory}': {e.Message}", e);
        }
    }

    /// <summary>Writes behind all that is there.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_file.SafeFileHandle, bytes, Length);
        }
        // The last is what .NET makes of a limit on the size of files.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            throw new SpillException(
                $"Writing the temporary file of the training rows in '{_directory}' failed after {Length >> 20} MB: {e.Message}", e);
        }
        Length += bytes.Length;
    }

    /// <summary>Reads exactly so many bytes.</summary>
    public void Read(long offset, Span<byte> bytes)
    {
        try
        {
            while (bytes.Length > 0)
            {
                int read = RandomAccess.Read(_file.SafeFileHandle, bytes, offset);
                if (read == 0)
                {
                    throw new SpillException(
                        $"The temporary file of the training rows in '{_directory}' ends at byte {offset}; {Length} were written. "
                        + "Something else has cut it.");
                }
                bytes = bytes[read..];
                offset += read;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpillException(
                $"Reading the temporary file of the training rows in '{_directory}' failed at byte {offset}: {e.Message}", e);
        }
    }

    public void Dispose() => _file.Dispose();
}
