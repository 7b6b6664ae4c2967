namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>A temporary folder with a model file that is replaced as the service asks for it: written beside, then renamed.</summary>
internal sealed class ModelFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("web-scoring-");

    public string ModelPath => Path.Combine(_folder.FullName, "model.zip");

    public void Replace(byte[] zip)
    {
        string unfinished = ModelPath + ".new";
        File.WriteAllBytes(unfinished, zip);
        File.Move(unfinished, ModelPath, overwrite: true);
    }

    // More than once: WebApplicationFactory disposes itself twice.
    public void Dispose()
    {
        if (Directory.Exists(_folder.FullName))
            _folder.Delete(recursive: true);
    }
}
