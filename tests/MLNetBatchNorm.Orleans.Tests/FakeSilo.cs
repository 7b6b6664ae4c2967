namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>
/// A silo of one core that trains at once what it begins, and keeps what came of it until its <see cref="FakeCluster"/> lets the training
/// end. Guarded by the cluster's lock. It has the methods of <see cref="ITrainingSilo"/>, and is not one: see <see cref="StandIn"/>.
/// </summary>
internal sealed class FakeSilo(FakeCluster cluster, string name)
{
    private readonly Dictionary<(int Training, int Attempt), NewsBuffer> _news = [];
    private readonly Dictionary<(int Training, int Attempt), byte[]> _bytes = [];
    private readonly HashSet<(int, int)> _known = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TrainingRows? _rows;
    private bool _losesAnswer;

    /// <summary>Trainings that are here and have not ended: the first is at work, another waits.</summary>
    public List<(int Training, int Attempt)> Here { get; } = [];

    /// <summary>Trainings that were begun here.</summary>
    public List<int> Begun { get; } = [];

    /// <summary>Number of trainings that were withdrawn.</summary>
    public int Withdrawn { get; private set; }

    /// <summary>Whether a training has ever waited here behind another.</summary>
    public bool HadWaiting { get; private set; }

    /// <summary>Set when the silo was asked for nothing while it had a training: a sign of life.</summary>
    public ManualResetEventSlim SignOfLife { get; } = new();

    public Task<SiloDescription> Describe() => Task.FromResult(new SiloDescription
    {
        Name = name, LibraryVersion = FitTrainings.LibraryVersion, Cores = 1, Slots = 1, Process = Guid.Empty, Fits = 0, Running = 0,
    });

    public Task<RowsAnswer> Begin(RowsRequest request)
    {
        _rows ??= TrainingRows.Begin(request.Header, Path.GetTempPath());
        return Task.FromResult(State());
    }

    public Task<RowsAnswer> Add(RowsPiece piece)
    {
        if (piece.Block == _rows!.NumberOfBlocks)
            _rows.Add(piece.Bytes);
        return Task.FromResult(State());
    }

    public Task<StartAnswer> Start(TrainingPiece piece)
    {
        bool isTaken;
        lock (cluster)
        {
            (int, int) key = (piece.Training, piece.Attempt);
            isTaken = _known.Contains(key) || Here.Count == 0 || (piece.MayWait && Here.Count == 1);
            if (isTaken && _known.Add(key))
            {
                Here.Add(key);
                _bytes[key] = piece.Bytes;
                _news[key] = new NewsBuffer();
                HadWaiting |= Here.Count == 2;
                if (Here.Count == 1)
                    Begun.Add(piece.Training);
                cluster.Changed();
            }
        }

        return Answer(new StartAnswer { IsTaken = isTaken, Offset = piece.Total });
    }

    public Task<bool> Withdraw(Guid fit, int training, int attempt)
    {
        bool isGone;
        lock (cluster)
        {
            isGone = Here.IndexOf((training, attempt)) != 0 && !_news[(training, attempt)].HasMore(0);
            if (isGone && Here.Remove((training, attempt)))
                Withdrawn++;
        }

        return Answer(isGone);
    }

    public async Task<PollAnswer> Poll(PollRequest request)
    {
        (int, int)[] asked = [.. request.Trainings.Zip(request.Attempts)];
        Task changed;
        bool isNew;
        lock (cluster)
        {
            if (asked.Length == 0 && Here.Count > 0)
                SignOfLife.Set();
            changed = _changed.Task;
            isNew = asked.Where((key, i) => _news[key].HasMore(request.Offsets[i])).Any();
        }

        if (!isNew)
            await Task.WhenAny(changed, Task.Delay(50));
        lock (cluster)
        {
            return new PollAnswer
            {
                IsKnown = true, News = [.. asked.Select((key, i) => _news[key].Read(request.Offsets[i], MessageLimits.PieceBytes))],
                HasFreeCore = Here.Count == 0,
            };
        }
    }

    public Task End(Guid fit)
    {
        _rows?.Dispose();
        return Task.CompletedTask;
    }

    /// <summary>Ends the training at work, and begins the one that waits.</summary>
    public void EndFirst()
    {
        (int, int) key = Here[0];
        Here.RemoveAt(0);
        new TrainingWorker(_rows!, _bytes[key]) { Report = _news[key].Add }.Run(CancellationToken.None);
        if (Here.Count > 0)
            Begun.Add(Here[0].Training);
    }

    /// <summary>Answers those who wait for news.</summary>
    public void Signal()
    {
        TaskCompletionSource changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    /// <summary>Every other answer is lost on its way where the cluster loses answers; what was asked for is done.</summary>
    private Task<T> Answer<T>(T answer)
    {
        _losesAnswer = cluster.LosesAnswers && !_losesAnswer;
        return _losesAnswer ? Task.FromException<T>(new TimeoutException()) : Task.FromResult(answer);
    }

    private RowsAnswer State() => new() { IsComplete = _rows!.IsComplete, Block = _rows.NumberOfBlocks };
}
