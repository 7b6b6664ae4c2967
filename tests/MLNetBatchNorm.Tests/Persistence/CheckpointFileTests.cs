using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Persistence;

namespace MLNetBatchNorm.Tests.Persistence;

/// <summary>A file that is replaced: whatever happens in between, a whole one is there.</summary>
[TestClass]
public sealed class CheckpointFileTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;

    [TestCleanup]
    public void Cleanup() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Write_Again_KeepsTheOneBefore()
    {
        CheckpointFile file = NewFile();
        Write(file, 1);
        Assert.AreEqual("1 -", Content(file));
        Write(file, 2);
        Assert.AreEqual("2 1", Content(file));
        Write(file, 3);
        Assert.AreEqual("3 2", Content(file));
        file.Delete();
        Assert.IsEmpty(Directory.GetFiles(_folder));
    }

    /// <summary>A writer that fails leaves everything as it was, and nothing behind.</summary>
    [TestMethod]
    public void Write_ThatFails_ChangesNothing()
    {
        CheckpointFile file = NewFile();
        Write(file, 1);
        Write(file, 2);
        Assert.ThrowsExactly<IOException>(() => file.Write(stream =>
        {
            stream.WriteByte(9);
            throw new IOException("No space left on device");
        }));
        Assert.AreEqual("2 1", Content(file));
        Assert.HasCount(2, Directory.GetFiles(_folder));
    }

    /// <summary>
    /// Somebody tidies the folder up while the file is being written: an error, and the newest content under one of its two names.
    /// </summary>
    [TestMethod]
    public void Write_TemporaryFileVanishes_KeepsTheOneBefore()
    {
        CheckpointFile file = NewFile();
        Write(file, 1);
        Assert.ThrowsExactly<FileNotFoundException>(() => file.Write(stream =>
        {
            stream.WriteByte(2);
            File.Delete(file.TemporaryPath);
        }));
        Assert.AreEqual("- 1", Content(file));
        Write(file, 3);
        Assert.AreEqual("3 1", Content(file));
    }

    /// <summary>A damaged file must not take the place of the good one before it.</summary>
    [TestMethod]
    public void Write_CurrentIsDamaged_PreviousIsKept()
    {
        CheckpointFile file = NewFile();
        Write(file, 1);
        Write(file, 2);
        file.KeepCurrent = false;
        Write(file, 3);
        Assert.AreEqual("3 1", Content(file));
        Write(file, 4);
        Assert.AreEqual("4 3", Content(file));
    }

    [TestMethod]
    public void CheckWritable_NoFolder_Throws() =>
        Assert.ThrowsExactly<DirectoryNotFoundException>(() => new CheckpointFile(Path.Combine(_folder, "absent", "file")).CheckWritable());

    private CheckpointFile NewFile() => new(Path.Combine(_folder, "file"));

    private static void Write(CheckpointFile file, byte content) => file.Write(stream => stream.WriteByte(content));

    private static string Content(CheckpointFile file) => $"{Content(file.CurrentPath)} {Content(file.PreviousPath)}";

    private static string Content(string path) => File.Exists(path) ? string.Join(',', File.ReadAllBytes(path)) : "-";
}
