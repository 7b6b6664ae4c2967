using System.Collections.Concurrent;
using System.Diagnostics;

namespace MLNetBatchNorm.Clustering;

/// <summary>One fit on a cluster: which training is where, which still wait, and which silos there are.</summary>
internal sealed class FitSession : IDisposable
{
    private static readonly TimeSpan s_betweenLooks = TimeSpan.FromMilliseconds(400);

    private readonly IGrainFactory _grains;
    private readonly OrleansRunnerOptions _options;
    private readonly FitTrainings _trainings;
    private readonly bool _lendsRows;
    private readonly object _lock = new();
    private readonly SortedSet<int> _waiting = [];
    private readonly int[] _attempts;
    private readonly List<string>[] _lostWith;
    private readonly BlockingCollection<(int Training, IReadOnlyList<byte[]> News, TaskCompletionSource<bool> Told)> _news = [];
    private readonly Dictionary<string, SiloLink> _links = [];
    private readonly Dictionary<string, (string Text, long Since)> _refusals = [];
    private readonly HashSet<SiloLink> _joined = [];
    private readonly CancellationTokenSource _over = new();
    private readonly Lazy<Task<RowsRequest>> _rows;
    private string[] _files = [];

    /// <param name="grains">The way to the silos.</param>
    /// <param name="options">How to go about it.</param>
    /// <param name="trainings">What is to be done.</param>
    /// <param name="lendsRows">Whether a silo in this process reads rows where they are.</param>
    public FitSession(IGrainFactory grains, OrleansRunnerOptions options, FitTrainings trainings, bool lendsRows)
    {
        _lendsRows = lendsRows;
        _grains = grains;
        _options = options;
        _trainings = trainings;
        _attempts = new int[trainings.Count];
        _lostWith = [.. Enumerable.Range(0, trainings.Count).Select(_ => new List<string>())];
        _waiting.UnionWith(Enumerable.Range(0, trainings.Count).Where(training => !trainings.HasEnded(training)));
        _rows = new Lazy<Task<RowsRequest>>(() => Task.Run(PrepareRows));
    }

    /// <summary>A name of the fit that no other has.</summary>
    public Guid Fit { get; } = Guid.NewGuid();

    /// <summary>Whether a training waits for a core, here or at a silo.</summary>
    public bool HasWork
    {
        get
        {
            lock (_lock)
                return _waiting.Count > 0 || _joined.Any(link => link.Spare > 0);
        }
    }

    /// <summary>Trains all; news are told on the thread that calls this.</summary>
    public void Run(CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (_lendsRows)
            SharedRows.Add(Fit, _trainings);
        // Counted before silos can take any.
        int left = _waiting.Count;
        Task work = Task.Run(() => Work(stop.Token), CancellationToken.None);
        Task closed = work.ContinueWith(_ => _news.CompleteAdding(), TaskScheduler.Default);
        try
        {
            foreach ((int training, IReadOnlyList<byte[]> news, TaskCompletionSource<bool> told) in _news.GetConsumingEnumerable())
            {
                bool hasEnded = false;
                for (int i = 0; i < news.Count && !hasEnded; i++)
                {
                    _trainings.Receive(training, news[i]);
                    hasEnded = _trainings.HasEnded(training);
                }

                told.SetResult(hasEnded);
                if (hasEnded && --left == 0)
                    return;
            }

            work.GetAwaiter().GetResult();
            cancellation.ThrowIfCancellationRequested();
        }
        finally
        {
            // First, so that no link takes what another gives back because the fit is over.
            _over.Cancel();
            stop.Cancel();
            closed.Wait(CancellationToken.None);
            SharedRows.Remove(Fit);
        }
    }

    public void Dispose()
    {
        _news.Dispose();
        // The file may be under way still, of rows that are gone when Fit is over.
        if (_rows.IsValueCreated)
            ((Task)_rows.Value.ContinueWith(_ => { }, TaskScheduler.Default)).Wait();
        _over.Dispose();
        foreach (string file in _files)
        {
            try
            {
                File.Delete(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The model is worth more than a tidy folder.
            }
        }
    }

    /// <summary>A silo is there, with cores for trainings.</summary>
    public void Join(SiloLink link)
    {
        lock (_lock)
            _joined.Add(link);
    }

    /// <summary>A silo takes none any more.</summary>
    public void Leave(SiloLink link)
    {
        lock (_lock)
            _joined.Remove(link);
    }

    /// <summary>The next training that waits, and how often it was given out before; null: none does.</summary>
    /// <param name="mayWait">
    /// Whether it is to wait at the silo for a core: it is given only if more wait than all silos can take at once, because what is left
    /// is for the cores that are free first.
    /// </param>
    public (int Training, int Attempt)? Take(bool mayWait)
    {
        lock (_lock)
        {
            if (_over.IsCancellationRequested || _waiting.Count <= (mayWait ? _joined.Sum(link => link.Slots) : 0))
                return null;
            int training = _waiting.Min;
            _waiting.Remove(training);
            return (training, _attempts[training]);
        }
    }

    /// <summary>A training was not begun after all: silos that had looked for one in vain take it, if they have a core.</summary>
    /// <param name="training">Its number.</param>
    /// <param name="refused">Where; it hears of the next core by itself.</param>
    public void PutBack(int training, SiloLink refused)
    {
        lock (_lock)
        {
            _waiting.Add(training);
            foreach (SiloLink link in _joined.Where(link => link != refused && link.HasFreeCore))
                link.Wake();
        }
    }

    /// <summary>A core is free and no training waits: of those that wait at silos one is asked back.</summary>
    public void AskBack()
    {
        lock (_lock)
        {
            if (_waiting.Count == 0)
                _joined.Where(link => link.Spare > 0).MaxBy(link => link.Spare)?.AskBack();
        }
    }

    /// <summary>A silo gives up trainings that it had, for others to take at once.</summary>
    /// <param name="trainings">Their numbers, and how often they were given out before.</param>
    /// <param name="silo">Its name.</param>
    /// <param name="isLost">Whether it is lost; otherwise the fit is over, or they had not begun.</param>
    public void GiveBack(IReadOnlyList<(int Training, int Attempt)> trainings, string silo, bool isLost)
    {
        lock (_lock)
        {
            foreach ((int training, int attempt) in trainings)
            {
                if (isLost)
                    _lostWith[training].Add(silo);
                _attempts[training] = attempt + 1;
                _waiting.Add(training);
            }

            foreach (SiloLink link in trainings.Count > 0 ? _joined : [])
                link.Wake();
        }
    }

    /// <summary>Hands news to the thread that called Fit; true if the training has ended with it.</summary>
    public async Task<bool> Tell(int training, IReadOnlyList<byte[]> news, CancellationToken stop)
    {
        var told = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            _news.Add((training, news, told));
        }
        catch (InvalidOperationException)
        {
            throw new OperationCanceledException("The fit is over.", stop);
        }

        return await told.Task.WaitAsync(stop);
    }

    /// <summary>The bytes of a training.</summary>
    public byte[] Training(int training) => _trainings.GetTraining(training);

    /// <summary>A block of rows.</summary>
    public byte[] RowBlock(int block) => _trainings.GetRowBlock(block);

    /// <summary>
    /// What a silo is asked to take rows with; the first to ask waits until a file of them is written, if there is to be one.
    /// </summary>
    public Task<RowsRequest> RowsRequest(CancellationToken cancellation) => _rows.Value.WaitAsync(cancellation);

    /// <summary>Looks for silos that come and go, until all is done.</summary>
    private async Task Work(CancellationToken cancellation)
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        CancellationToken stop = source.Token;
        var directory = _grains.GetGrain<ITrainingDirectory>(0);
        long seen = Stopwatch.GetTimestamp();
        try
        {
            while (true)
            {
                if (await Silos(directory, stop) is { } silos)
                {
                    Look(silos, stop);
                    if (_links.Count > 0)
                        seen = Stopwatch.GetTimestamp();
                    else if (_refusals.Count > 0 && silos.All(_refusals.ContainsKey))
                        throw new InvalidOperationException(string.Join(' ', _refusals.Values.Select(refusal => refusal.Text)));
                }

                if (Stopwatch.GetElapsedTime(seen) > _options.Patience)
                    throw new InvalidOperationException(NoSilos(_options));
                await Task.WhenAny([Task.Delay(s_betweenLooks, stop), .. _links.Values.Select(link => link.Task)]);
                stop.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            // Each link tells its silo that the fit is over.
            source.Cancel();
            await Task.WhenAll(_links.Values.Select(link => link.Task.ContinueWith(_ => { }, TaskScheduler.Default)));
        }
    }

    private void Look(string[] silos, CancellationToken stop)
    {
        foreach ((string address, SiloLink link) in _links.Where(link => !silos.Contains(link.Key)).ToArray())
            link.Lose();
        foreach ((string address, SiloLink link) in _links.Where(link => link.Value.Task.IsCompleted).ToArray())
        {
            _links.Remove(address);
            switch (link.Task.Exception?.InnerException)
            {
                case SiloRefusalException { IsFatal: false } refusal:
                    _refusals[address] = (refusal.Message, Stopwatch.GetTimestamp());
                    break;
                case SiloRefusalException refusal:
                    throw new InvalidOperationException(refusal.Message);
                case null or SiloLostException or OperationCanceledException:
                    break;
                case { } failure:
                    throw new InvalidOperationException($"What silo '{link.Name}' answered cannot be used: {failure.Message}", failure);
            }
        }

        CheckAttempts();
        foreach (string address in silos.Where(address => !_links.ContainsKey(address) && !IsRefused(address)))
        {
            var link = new SiloLink(this, address, _grains.GetGrain<ITrainingSilo>(address));
            _links.Add(address, link);
            link.Start(stop);
        }
    }

    /// <summary>A silo that had no memory left is asked again after a while: other fits end.</summary>
    private bool IsRefused(string address)
    {
        if (!_refusals.TryGetValue(address, out (string Text, long Since) refusal))
            return false;
        if (Stopwatch.GetElapsedTime(refusal.Since) < _options.Patience)
            return true;
        _refusals.Remove(address);
        return false;
    }

    private void CheckAttempts()
    {
        lock (_lock)
        {
            for (int training = 0; training < _attempts.Length; training++)
            {
                if (_lostWith[training].Count < _options.MaximumNumberOfAttempts)
                    continue;
                throw new InvalidOperationException(
                    $"{_trainings.GetName(training)} was begun {_lostWith[training].Count} times and lost each time with the silo that had "
                    + $"it ({string.Join(", ", _lostWith[training].Distinct())}). If it is what takes them down, look at their memory; if "
                    + "silos come and go, raise OrleansRunnerOptions.MaximumNumberOfAttempts, or give them grain storage for checkpoints.");
            }
        }
    }

    /// <summary>The silos that are alive; null: none answers at the moment.</summary>
    public static async Task<string[]?> Silos(ITrainingDirectory directory, CancellationToken stop)
    {
        try
        {
            return await directory.Silos().WaitAsync(stop);
        }
        catch (Exception e) when (SiloLink.IsOfTheNetwork(e))
        {
            return null;
        }
    }

    /// <summary>What to say when there are no silos.</summary>
    public static string NoSilos(OrleansRunnerOptions options) => FormattableString.Invariant(
        $"No silo of the cluster has answered for {options.PatienceInSeconds:0.#} s. Start silos, look whether they and this process have ")
        + "the same ClusterId and the same table of members, or raise OrleansRunnerOptions.PatienceInSeconds.";

    private async Task<RowsRequest> PrepareRows()
    {
        var request = new RowsRequest { Fit = Fit, Header = _trainings.GetRowsHeader(), Blocks = _trainings.NumberOfRowBlocks };
        if (request.Header.Length > MessageLimits.HeaderBytes)
        {
            throw new SiloRefusalException(
                $"The categories of the features take {request.Header.Length} bytes in the header of the rows; "
                + $"{MessageLimits.HeaderBytes} can be sent to a silo. Give one-hot columns fewer slots, or train "
                + "without a TrainingRunner.", isFatal: true);
        }

        if (_options.RowsDirectory is not { } directory)
            return request;
        string name = $"fit-{Fit:N}.rows", temporary = Path.Combine(directory, name + ".temporary"), file = Path.Combine(directory, name);
        _files = [temporary, file];
        try
        {
            await using (FileStream stream = File.Create(temporary))
            {
                for (int block = 0; block < request.Blocks; block++)
                {
                    _over.Token.ThrowIfCancellationRequested();
                    byte[] bytes = _trainings.GetRowBlock(block);
                    await stream.WriteAsync(BitConverter.GetBytes(bytes.Length));
                    await stream.WriteAsync(bytes);
                }
            }

            File.Move(temporary, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SiloRefusalException(
                $"The rows cannot be put into OrleansRunnerOptions.RowsDirectory, '{directory}': {e.Message} Make room there, let this "
                + "process write there, or set it to null.", isFatal: true);
        }

        return request with { File = name };
    }
}
