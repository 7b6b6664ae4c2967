using System.Diagnostics;

namespace MLNetBatchNorm.Clustering;

/// <summary>A training on a thread of its own: no call of a grain waits for it.</summary>
internal sealed class RunningTraining : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly NewsPace _pace;
    private readonly double _interval;
    private TrainingWorker? _worker;
    private CheckpointStorage? _storage;
    private long _lastState = Stopwatch.GetTimestamp();

    /// <summary>Reads the training; it begins later.</summary>
    /// <param name="attempt">How often the training was given out before.</param>
    /// <param name="options">How many threads it may use, and how often its state is kept.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="training">The training.</param>
    /// <param name="storageOf">Gives the storage of states for the training's name, or null.</param>
    /// <param name="pace">Is told that there is news, and of the end.</param>
    /// <exception cref="InvalidDataException">It is no training of these rows.</exception>
    public RunningTraining(
        int attempt, TrainingSiloOptions options, TrainingRows rows, byte[] training, Func<string, CheckpointStorage>? storageOf,
        NewsPace pace)
    {
        Attempt = attempt;
        _interval = options.CheckpointIntervalInSeconds;
        _pace = pace;
        _worker = new TrainingWorker(rows, training)
        {
            Report = Tell, NumberOfThreads = options.CoresOfTraining,
            ReadState = storageOf is null ? null : key => (_storage = storageOf(key)).Read(),
            IsStateWanted = storageOf is null ? null : () => Stopwatch.GetElapsedTime(_lastState).TotalSeconds >= _interval,
            KeepState = state =>
            {
                _storage!.Write(state);
                _lastState = Stopwatch.GetTimestamp();
            },
        };
    }

    /// <summary>How often the training was given out before.</summary>
    public int Attempt { get; }

    /// <summary>What it has to tell.</summary>
    public NewsBuffer News { get; } = new();

    /// <summary>Whether it has a core, or had one.</summary>
    public bool HasBegun { get; private set; }

    /// <summary>Whether its thread is at work.</summary>
    public bool IsRunning => HasBegun && !Ended.IsCompleted;

    /// <summary>Done when the thread has ended, however, or is never to begin.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Begins, and calls back when it has ended.</summary>
    public void Begin(Action ended)
    {
        TrainingWorker worker = _worker ?? throw new InvalidOperationException("The training was withdrawn.");
        HasBegun = true;
        new Thread(() => Run(worker, ended)) { IsBackground = true, Name = "BatchNormNetwork training" }.Start();
    }

    /// <summary>
    /// Asks the training to end; one that waits for a core has ended with that. It stays known until the fit ends, and by then there may be
    /// many: what is to be trained, which may be a network to go on from, is not kept for that.
    /// </summary>
    public void Cancel()
    {
        _stop.Cancel();
        if (HasBegun)
            return;
        _worker = null;
        _ended.TrySetResult();
    }

    public void Dispose() => _stop.Dispose();

    private void Tell(byte[] news)
    {
        News.Add(news);
        _pace.Tell();
    }

    private void Run(TrainingWorker worker, Action ended)
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
            _ended.TrySetResult();
            ended();
            _pace.TellEnd();
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
