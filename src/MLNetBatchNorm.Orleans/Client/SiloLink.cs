using Orleans.Runtime;

namespace MLNetBatchNorm.Clustering;

/// <summary>One silo of one fit: brings it the rows, keeps its cores busy, and fetches what comes of it.</summary>
internal sealed class SiloLink
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_longestEnd = TimeSpan.FromSeconds(3);

    private readonly FitSession _session;
    private readonly ITrainingSilo _silo;
    private readonly CancellationTokenSource _lost = new();
    private readonly Dictionary<int, (int Attempt, NewsStream Stream)> _running = [];

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

    /// <summary>The work.</summary>
    public Task Task { get; private set; } = Task.CompletedTask;

    /// <summary>Begins, and goes on until the fit is over or the silo is lost.</summary>
    /// <param name="cancellation">Ends it.</param>
    public void Start(CancellationToken cancellation) => Task = Task.Run(() => Run(cancellation), CancellationToken.None);

    /// <summary>The silo is not in the cluster any more.</summary>
    public void Lose() => _lost.Cancel();

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

            while (!_session.HasWaiting)
                await Pause(stop.Token);
            hasBegun = true;
            await SendRows(stop.Token);
            while (true)
            {
                await FillCores(stop.Token);
                await Poll(stop.Token);
            }
        }
        catch (OperationCanceledException) when (_lost.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw new SiloLostException();
        }
        finally
        {
            _session.GiveBack([.. _running.Select(running => (running.Key, running.Value.Attempt))], Name, _lost.IsCancellationRequested);
            if (hasBegun && !_lost.IsCancellationRequested)
                await End();
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

    /// <summary>As many trainings as there are cores, and where many wait as many again, so that no core is idle between two.</summary>
    private async Task FillCores(CancellationToken stop)
    {
        while ((_running.Count < Slots || (_running.Count < 2 * Slots && _session.HasMany)) && _session.Take() is { } next)
        {
            bool isTaken = false;
            try
            {
                isTaken = await Begin(next.Training, next.Attempt, mayWait: _running.Count >= Slots, stop);
                if (isTaken)
                    _running[next.Training] = (next.Attempt, new NewsStream());
            }
            finally
            {
                // All cores may be busy with another fit.
                if (!isTaken)
                    _session.PutBack(next.Training);
            }

            if (!isTaken)
                return;
        }
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

    private async Task Poll(CancellationToken stop)
    {
        int[] trainings = [.. _running.Keys];
        var request = new PollRequest
        {
            Fit = _session.Fit, Trainings = trainings, Attempts = [.. trainings.Select(training => _running[training].Attempt)],
            Offsets = [.. trainings.Select(training => _running[training].Stream.Offset)],
        };
        PollAnswer answer = await Call(() => _silo.Poll(request), stop);
        if (!answer.IsKnown || answer.News.Length != trainings.Length)
            throw new SiloLostException();
        for (int i = 0; i < trainings.Length; i++)
        {
            if (answer.News[i] is not { } piece)
                throw new SiloLostException();
            foreach (byte[] news in _running[trainings[i]].Stream.Add(piece))
            {
                // Free its core here at once: the news may wait for the thread that called Fit.
                if (await _session.Tell(trainings[i], news, stop))
                    _running.Remove(trainings[i]);
                if (!_running.ContainsKey(trainings[i]))
                    break;
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

    private static Task Pause(CancellationToken stop) => Task.Delay(s_pause, stop);

    /// <summary>Whether an exception says that a message or its answer did not arrive.</summary>
    public static bool IsOfTheNetwork(Exception exception) =>
        exception is TimeoutException or OrleansException or System.Net.Sockets.SocketException or ObjectDisposedException
            or InvalidOperationException { Source: "Orleans.Core" } or IOException;
}
