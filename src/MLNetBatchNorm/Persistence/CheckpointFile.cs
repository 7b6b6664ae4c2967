namespace MLNetBatchNorm.Persistence;

/// <summary>
/// A file that is replaced so that at every moment, whatever kills the process or the machine, a
/// whole one is there: the new, or the one before it.
/// </summary>
/// <remarks>
/// The new content goes to a temporary file in the same folder, is flushed to the disk, and then takes the file's name; the file that had
/// the name becomes the previous one. A rename within a folder is one step for the file system: it has happened or it has not.
/// </remarks>
/// <param name="path">Full path of the file.</param>
internal sealed class CheckpointFile(string path)
{
    /// <summary>The newest content.</summary>
    public string CurrentPath { get; } = path;

    /// <summary>The content before that.</summary>
    public string PreviousPath { get; } = path + ".previous";

    /// <summary>Where new content is written; what a killed process leaves here is never read.</summary>
    public string TemporaryPath { get; } = path + ".temporary";

    /// <summary>
    /// Whether the current file may become the previous one. Cleared when it turns out to be damaged: the previous one is then worth more.
    /// </summary>
    public bool KeepCurrent { get; set; } = true;

    /// <summary>Replaces the content.</summary>
    /// <exception cref="IOException">It cannot be written; what was there before still is, under one of the two names.</exception>
    /// <exception cref="UnauthorizedAccessException">As before.</exception>
    public void Write(Action<Stream> write)
    {
        try
        {
            using (var stream = new FileStream(TemporaryPath, FileMode.Create, FileAccess.ReadWrite, FileShare.None))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            if (KeepCurrent && File.Exists(CurrentPath))
                File.Move(CurrentPath, PreviousPath, overwrite: true);
            File.Move(TemporaryPath, CurrentPath, overwrite: true);
            KeepCurrent = true;
        }
        catch (ArgumentOutOfRangeException e)
        {
            // What .NET makes of a limit on the size of files.
            DeleteQuietly(TemporaryPath);
            throw new IOException(e.Message, e);
        }
        catch
        {
            DeleteQuietly(TemporaryPath);
            throw;
        }
    }

    /// <summary>Throws if a file cannot be made here: better before a training than an hour into it.</summary>
    /// <exception cref="IOException">The folder does not exist, or cannot be written to.</exception>
    /// <exception cref="UnauthorizedAccessException">As before.</exception>
    public void CheckWritable()
    {
        using (new FileStream(TemporaryPath, FileMode.Create, FileAccess.ReadWrite, FileShare.None))
        {
        }

        File.Delete(TemporaryPath);
    }

    /// <summary>Removes all three files, as far as they exist.</summary>
    /// <exception cref="IOException">One of them cannot be removed.</exception>
    /// <exception cref="UnauthorizedAccessException">As before.</exception>
    public void Delete()
    {
        File.Delete(TemporaryPath);
        File.Delete(CurrentPath);
        File.Delete(PreviousPath);
    }

    private static void DeleteQuietly(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The exception on its way says what is wrong; this file is overwritten by the next attempt.
        }
    }
}
