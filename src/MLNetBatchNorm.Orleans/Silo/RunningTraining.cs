using System.Diagnostics;

namespace MLNetBatchNorm.Clustering;

/// <summary>A training on a thread of its own: no call of a grain waits for it.</summary>
internal sealed class RunningTraining : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action _told;
    private readonly double _interval;
    private CheckpointStorage? _storage;
    private long _lastState = Stopwatch.GetTimestamp();

    /// <param name="attempt">How often the training was begun before.</param>
    /// <param name="interval">Seconds between two states that are kept.</param>
    /// <param name="told">Called when there is news, and at the end.</param>
    public RunningTraining(int attempt, double interval, Action told)
    {
        Attempt = attempt;
        _interval = interval;
        _told = told;
    }

    /// <summary>How often the training was begun before.</summary>
    public int Attempt { get; }

    /// <summary>What it has to tell.</summary>
    public NewsBuffer News { get; } = new();

    /// <summary>Done when the thread has ended, however.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Begins.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="training">The training.</param>
    /// <param name="threads">Number of threads it may use.</param>
    /// <param name="storageOf">Gives the storage of states for the training's name, or null.</param>
    /// <exception cref="InvalidDataException">It is no training of these rows.</exception>
    public void Start(TrainingRows rows, byte[] training, int threads, Func<string, CheckpointStorage>? storageOf)
    {
        var worker = new TrainingWorker(rows, training)
        {
            Report = Tell, NumberOfThreads = threads,
            ReadState = storageOf is null ? null : key => (_storage = storageOf(key)).Read(),
            IsStateWanted = storageOf is null ? null : () => Stopwatch.GetElapsedTime(_lastState).TotalSeconds >= _interval,
            KeepState = state =>
            {
                _storage!.Write(state);
                _lastState = Stopwatch.GetTimestamp();
            },
        };
        new Thread(() => Run(worker)) { IsBackground = true, Name = "BatchNormNetwork training" }.Start();
    }

    /// <summary>Asks the training to end.</summary>
    public void Cancel() => _stop.Cancel();

    public void Dispose() => _stop.Dispose();

    private void Tell(byte[] news)
    {
        News.Add(news);
        _told();
    }

    private void Run(TrainingWorker worker)
    {
        try
        {
            if (worker.Run(_stop.Token))
                ClearStorage();
        }
        catch (OperationCanceledException)
        {
            // Nobody waits for it any more.
        }
        finally
        {
            _ended.SetResult();
            _told();
        }
    }

    private void ClearStorage()
    {
        try
        {
            _storage?.Clear();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The network is there; a state that cannot be removed does no harm but for its room, and is found by its name.
        }
    }
}
