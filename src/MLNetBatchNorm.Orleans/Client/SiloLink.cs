using Orleans.Runtime;

namespace MLNetBatchNorm.Clustering;

/// <summary>One silo of one fit: brings it the rows, keeps its cores busy, and fetches what comes of it.</summary>
internal sealed class SiloLink
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_longestEnd = TimeSpan.FromSeconds(3);

    // Some times in the shortest lease there is.
    private static readonly TimeSpan s_signOfLife = TimeSpan.FromSeconds(1);

    private readonly FitSession _session;
    private readonly ITrainingSilo _silo;
    private readonly CancellationTokenSource _lost = new();
    private readonly List<Given> _given = [];
    private readonly List<int> _ended = [];
    private TaskCompletionSource _woken = Signal();
    private volatile bool _hasFreeCore = true;
    private int _count;
    private int _asked;

    /// <param name="session">The fit.</param>
    /// <param name="address">The silo's address.</param>
    /// <param name="silo">The silo.</param>
    public SiloLink(FitSession session, string address, ITrainingSilo silo)
    {
        _session = session;
        _silo = silo;
        Name = address;
    }

    /// <summary>The silo's name, its address until that is known.</summary>
    public string Name { get; private set; }

    /// <summary>Number of trainings at the same time, when known.</summary>
    public int Slots { get; private set; }

    /// <summary>Number of trainings that it holds beyond its cores, and that it was not asked for yet. Can be read on any thread.</summary>
    public int Spare => Volatile.Read(ref _count) - Slots - Volatile.Read(ref _asked);

    /// <summary>The work.</summary>
    public Task Task { get; private set; } = Task.CompletedTask;

    /// <summary>Begins, and goes on until the fit is over or the silo is lost.</summary>
    /// <param name="cancellation">Ends it.</param>
    public void Start(CancellationToken cancellation) => Task = Task.Run(() => Run(cancellation), CancellationToken.None);

    /// <summary>Whether the silo has said that it has one, and has refused no training since.</summary>
    public bool HasFreeCore => _hasFreeCore;

    /// <summary>The silo is not in the cluster any more.</summary>
    public void Lose() => _lost.Cancel();

    /// <summary>Trainings wait for a core, which did not before.</summary>
    public void Wake() => Interlocked.Exchange(ref _woken, Signal()).TrySetResult();

    /// <summary>Somebody has a core for one of the trainings that wait at this silo.</summary>
    public void AskBack()
    {
        Interlocked.Increment(ref _asked);
        Wake();
    }

    private async Task Run(CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation, _lost.Token);
        bool hasBegun = false;
        try
        {
            SiloDescription description = await Call(() => _silo.Describe(), stop.Token);
            (Name, Slots) = (description.Name, description.Slots);
            if (description.LibraryVersion != FitTrainings.LibraryVersion)
            {
                throw new SiloRefusalException(
                    $"Silo '{Name}' has MLNetBatchNorm {description.LibraryVersion}, and this process {FitTrainings.LibraryVersion}: "
                    + "networks would differ. Run the same version everywhere.", isFatal: false);
            }

            _session.Join(this);
            while (!_session.HasWork)
                await Pause(stop.Token);
            hasBegun = true;
            await SendRows(stop.Token);
            await Train(stop);
        }
        catch (OperationCanceledException) when (_lost.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw new SiloLostException();
        }
        finally
        {
            _session.Leave(this);
            _session.GiveBack([.. _given.Select(given => (given.Training, given.Attempt))], Name, _lost.IsCancellationRequested);
            if (hasBegun && !_lost.IsCancellationRequested)
                await End();
        }
    }

    /// <summary>Hears what there is, and sees to it at once when trainings wait, here or there.</summary>
    private async Task Train(CancellationTokenSource stop)
    {
        Task<PollAnswer>? poll = null;
        Given[] polled = [];
        try
        {
            while (true)
            {
                // Before the look at what there is to do, so that nothing is missed.
                Task woken = Volatile.Read(ref _woken).Task;
                await GiveBack(stop.Token);
                await FillCores(stop.Token);
                poll ??= Poll(polled = [.. _given], stop.Token);
                await Task.WhenAny(poll, woken);
                if (!poll.IsCompleted)
                    continue;
                PollAnswer answer = await poll;
                poll = null;
                await Hear(polled, answer, stop.Token);
            }
        }
        finally
        {
            stop.Cancel();
            if (poll is not null)
                await poll.ContinueWith(_ => { }, TaskScheduler.Default);
        }
    }

    /// <summary>Tells the silo that the fit is over, if it hears it; if it does not, its lease ends.</summary>
    private async Task End()
    {
        try
        {
            await _silo.End(_session.Fit).WaitAsync(s_longestEnd);
        }
        catch (Exception e) when (IsOfTheNetwork(e))
        {
            // It hears nothing of the fit any more, and frees the rows when the lease is over.
        }
    }

    private async Task SendRows(CancellationToken stop)
    {
        RowsRequest request = await _session.RowsRequest(stop);
        RowsAnswer answer = await Call(() => _silo.Begin(request), stop);
        (int Number, byte[] Bytes) block = (-1, []);
        while (true)
        {
            if (answer.Refusal is { } refusal)
                throw new SiloRefusalException(refusal, isFatal: !answer.IsTooSmall);
            if (answer.IsComplete)
                return;
            if (answer.Block < 0)
                throw new SiloLostException();
            if (request.File is not null)
            {
                await Pause(stop);
                answer = await Call(() => _silo.Begin(request), stop);
                continue;
            }

            if (block.Number != answer.Block)
                block = (answer.Block, _session.RowBlock(answer.Block));
            var piece = new RowsPiece
            {
                Fit = _session.Fit, Block = block.Number, Offset = answer.Offset, Total = block.Bytes.Length,
                Bytes = MessageLimits.Piece(block.Bytes, answer.Offset),
            };
            answer = await Call(() => _silo.Add(piece), stop);
        }
    }

    /// <summary>
    /// As many trainings as there are cores, and where many wait as many again, so that no core is idle between two. Where none waits any
    /// more, a core that is free is for one that waits at another silo.
    /// </summary>
    private async Task FillCores(CancellationToken stop)
    {
        while (_given.Count < 2 * Slots)
        {
            bool mayWait = _given.Count >= Slots;
            if (_session.Take(mayWait) is not { } next)
            {
                if (!mayWait && _hasFreeCore)
                    _session.AskBack();
                return;
            }

            bool isTaken = false;
            try
            {
                isTaken = await Begin(next.Training, next.Attempt, mayWait, stop);
            }
            finally
            {
                // All cores may be busy with another fit, as far as is known until the silo speaks again: two silos that refuse what the
                // other gave back would go on for ever.
                if (!isTaken)
                {
                    _hasFreeCore = false;
                    _session.PutBack(next.Training, this);
                }
            }

            if (!isTaken)
                return;
            _given.Add(new Given(next.Training, next.Attempt));
            Volatile.Write(ref _count, _given.Count);
        }
    }

    /// <summary>Gives trainings back that wait for a core here, the last first, as many as others have cores for.</summary>
    private async Task GiveBack(CancellationToken stop)
    {
        for (; Volatile.Read(ref _asked) > 0; Interlocked.Decrement(ref _asked))
        {
            if (_given.Count <= Slots)
                continue;
            Given last = _given[^1];
            if (!await Call(() => _silo.Withdraw(_session.Fit, last.Training, last.Attempt), stop))
                continue;
            Remove(last);
            _session.GiveBack([(last.Training, last.Attempt)], Name, isLost: false);
        }
    }

    private void Remove(Given given)
    {
        _given.Remove(given);
        Volatile.Write(ref _count, _given.Count);
    }

    private async Task<bool> Begin(int training, int attempt, bool mayWait, CancellationToken stop)
    {
        byte[] bytes = _session.Training(training);
        for (int offset = 0; offset < bytes.Length;)
        {
            var piece = new TrainingPiece
            {
                Fit = _session.Fit, Training = training, Attempt = attempt, Offset = offset, Total = bytes.Length,
                Bytes = MessageLimits.Piece(bytes, offset), MayWait = mayWait,
            };
            StartAnswer answer = await Call(() => _silo.Start(piece), stop);
            if (answer.Refusal is { } refusal)
                throw new SiloRefusalException(refusal, isFatal: true);
            if (!answer.IsTaken)
                return false;
            offset = answer.Offset;
        }

        return true;
    }

    private Task<PollAnswer> Poll(Given[] given, CancellationToken stop)
    {
        var request = new PollRequest
        {
            Fit = _session.Fit, Trainings = [.. given.Select(training => training.Training)],
            Attempts = [.. given.Select(training => training.Attempt)], Offsets = [.. given.Select(training => training.News.Offset)],
            Ended = [.. _ended],
        };
        return Call(() => _silo.Poll(request), stop);
    }

    private async Task Hear(Given[] given, PollAnswer answer, CancellationToken stop)
    {
        if (!answer.IsKnown || answer.News.Length != given.Length)
            throw new SiloLostException();
        _hasFreeCore = answer.HasFreeCore;
        _ended.Clear();
        for (int i = 0; i < given.Length; i++)
        {
            // It may have been given back while the silo was asked.
            if (!_given.Contains(given[i]))
                continue;
            if (answer.News[i] is not { } piece)
                throw new SiloLostException();
            // All together: the threads that hand them over and take them wake once, and not for each epoch.
            if (given[i].News.Add(piece) is not { Count: > 0 } news || !await Tell(given[i].Training, news, stop))
                continue;
            _ended.Add(given[i].Training);
            Remove(given[i]);
        }
    }

    /// <summary>
    /// Hands news to the thread that called Fit; true if the training has ended with it. A handler of progress may keep that thread for
    /// longer than silos go without a word of their client.
    /// </summary>
    private async Task<bool> Tell(int training, IReadOnlyList<byte[]> news, CancellationToken stop)
    {
        Task<bool> told = _session.Tell(training, news, stop);
        while (true)
        {
            try
            {
                return await told.WaitAsync(s_signOfLife, stop);
            }
            catch (TimeoutException)
            {
                await Poll([], stop);
            }
        }
    }

    /// <summary>Calls the silo, again and again until it answers or is lost.</summary>
    private static async Task<T> Call<T>(Func<Task<T>> call, CancellationToken stop)
    {
        while (true)
        {
            try
            {
                return await call().WaitAsync(stop);
            }
            catch (Exception e) when (IsOfTheNetwork(e))
            {
                await Pause(stop);
            }
        }
    }

    private static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Task Pause(CancellationToken stop) => Task.Delay(s_pause, stop);

    /// <summary>Whether an exception says that a message or its answer did not arrive.</summary>
    public static bool IsOfTheNetwork(Exception exception) =>
        exception is TimeoutException or OrleansException or System.Net.Sockets.SocketException or ObjectDisposedException
            or InvalidOperationException { Source: "Orleans.Core" } or IOException;

    /// <summary>A training that the silo has.</summary>
    private sealed class Given(int training, int attempt)
    {
        public int Training { get; } = training;

        public int Attempt { get; } = attempt;

        public NewsStream News { get; } = new();
    }
}
