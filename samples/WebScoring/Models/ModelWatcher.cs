using Microsoft.Extensions.Options;

namespace WebScoring.Models;

/// <summary>
/// Keeps the store at what is on disk: trains a model if there is no file, loads the file, and loads it again when its time of writing or
/// its length changes. It polls, because file notifications are lost on network drives and mounted volumes, where model files like to be.
/// </summary>
internal sealed class ModelWatcher(ModelStore store, IOptions<ScoringOptions> options, ILogger<ModelWatcher> log) : BackgroundService
{
    private readonly string _path = Path.GetFullPath(options.Value.ModelPath, AppContext.BaseDirectory);
    private FileStamp? _seen;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The server answers from the first second (503 with a reason) while a model is trained or loaded here.
        await Task.Yield();
        if (!File.Exists(_path))
            TrainDigits(stoppingToken);

        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(options.Value.PollMilliseconds));
        do
        {
            Look();
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private void TrainDigits(CancellationToken stoppingToken)
    {
        store.SayWhatIsGoingOn("There is no model file: a model of handwritten digits is being trained, which takes a moment.");
        log.LogInformation("No model file at {Path}: training a model of handwritten digits", _path);
        try
        {
            DigitsTrainer.Result result = DigitsTrainer.TrainAndSave(_path, options.Value.TrainingSeed, stoppingToken);
            log.LogInformation(
                "Trained in {Seconds:F1} s: accuracy {Accuracy:F3} on {Rows} rows that it has not seen", result.Seconds,
                result.Accuracy, result.TestRows);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            log.LogError(exception, "Training failed");
            store.SayWhatIsGoingOn($"There is no model file, and training one failed: {exception.Message}");
        }
    }

    /// <summary>One look at the file. Nothing it finds ends the watcher.</summary>
    private void Look()
    {
        try
        {
            if (FileStamp.Of(_path) is not { } stamp)
                Report("The file is not there.");
            else if (stamp != _seen)
                Load(stamp);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Perhaps it is being replaced at this moment: the next look tries again.
            Report(exception.Message);
        }
    }

    private void Load(FileStamp stamp)
    {
        byte[] zip = File.ReadAllBytes(_path);
        if (FileStamp.Of(_path) != stamp)
            return; // Written to while it was read: the next look takes it.

        _seen = stamp;
        string version = LoadedModel.VersionOf(zip);
        if (version == store.State.Model?.Version)
        {
            store.ClearFault();
            return;
        }

        try
        {
            store.Use(LoadedModel.Load(zip));
            log.LogInformation("Answering with model {Version} from {Path}", version, _path);
        }
        catch (UnusableModelException exception)
        {
            Report(exception.Message);
        }
    }

    private void Report(string reason)
    {
        if (store.State.Fault?.Reason == reason)
            return;
        // What is seen next is news, even if it has the same time and length as before.
        if (!File.Exists(_path))
            _seen = null;
        store.Report(new ModelFault(_path, reason, DateTimeOffset.UtcNow));
        string keeping = store.State.Model is { } model ? $"model {model.Version} goes on answering" : "there is no model to answer";
        log.LogWarning("Cannot use {Path}: {Reason} So {Keeping}", _path, reason, keeping);
    }

    /// <summary>What changes when a file is replaced.</summary>
    private readonly record struct FileStamp(DateTime WrittenAt, long Length)
    {
        public static FileStamp? Of(string path)
        {
            var file = new FileInfo(path);
            return file.Exists ? new FileStamp(file.LastWriteTimeUtc, file.Length) : null;
        }
    }
}
