using System.Buffers.Binary;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Storage;

namespace MLNetBatchNorm.Clustering;

/// <summary>
/// All that is trained on this silo: rows of fits, threads, memory, and what becomes of them when a client is not heard any more.
/// </summary>
internal sealed partial class SiloTrainings : IDisposable
{
    private static readonly TimeSpan s_longestEnd = TimeSpan.FromSeconds(3);

    private readonly TrainingSiloOptions _options;
    private readonly IGrainStorage? _storage;
    private readonly ILogger _logger;
    private readonly Dictionary<Guid, SiloFit> _fits = [];
    private readonly List<SiloFit> _ending = [];
    private readonly LinkedList<(SiloFit Fit, RunningTraining Training)> _queue = [];
    private readonly Timer _leases;

    public SiloTrainings(IOptions<TrainingSiloOptions> options, IServiceProvider services, ILogger<SiloTrainings> logger)
    {
        _options = options.Value;
        _options.Validate();
        _logger = logger;
        _storage = services.GetKeyedService<IGrainStorage>(TrainingSiloOptions.StorageName);
        _leases = new Timer(_ => EndForgotten(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    private int Slots => _options.Cores / _options.CoresOfTraining;

    private IEnumerable<SiloFit> All => _fits.Values.Concat(_ending);

    private int Running => All.Sum(fit => fit.Running);

    private string Name => _options.SiloName;

    private Func<string, CheckpointStorage>? StorageOf => _storage is null ? null : key => new CheckpointStorage(_storage, key);

    /// <inheritdoc cref="ITrainingSilo.Describe"/>
    public SiloDescription Describe()
    {
        lock (_fits)
        {
            return new SiloDescription
            {
                Name = Name, LibraryVersion = _options.LibraryVersion, Cores = _options.Cores, Slots = Slots, Process = SharedRows.Process,
                Fits = All.Count(), Running = Running,
            };
        }
    }

    /// <inheritdoc cref="ITrainingSilo.Begin"/>
    public RowsAnswer Begin(RowsRequest request)
    {
        lock (_fits)
        {
            if (_fits.TryGetValue(request.Fit, out SiloFit? known))
                return Heard(known).State;
            try
            {
                TrainingRows? shared = SharedRows.Of(request.Fit);
                TrainingRows rows = shared ?? TrainingRows.Begin(request.Header, _options.TemporaryDirectory ?? Path.GetTempPath());
                if (shared is null && Refusal(rows) is { } refusal)
                {
                    rows.Dispose();
                    return new RowsAnswer { Refusal = refusal, IsTooSmall = true };
                }

                var fit = new SiloFit
                {
                    Rows = rows, IsShared = shared is not null,
                    ReservedBytes = shared is null && !rows.AreSpilled ? rows.MemoryBytes : 0,
                };
                _fits.Add(request.Fit, fit);
                if (shared is null && request.File is { } file)
                    Load(fit, file, request.Blocks);
                return fit.State;
            }
            catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
            {
                return new RowsAnswer { Refusal = $"Silo '{Name}' cannot take the rows: {e.Message}" };
            }
        }
    }

    /// <inheritdoc cref="ITrainingSilo.Add"/>
    public RowsAnswer Add(RowsPiece piece)
    {
        lock (_fits)
        {
            if (!_fits.TryGetValue(piece.Fit, out SiloFit? fit))
                return new RowsAnswer { Block = -1 };
            Heard(fit);
            try
            {
                if (piece.Total > _options.MemoryBytes)
                    throw new InvalidDataException($"It has {piece.Total} bytes, which is more than the silo's memory for rows.");
                fit.Add(piece);
            }
            catch (Exception e) when (e is InvalidDataException or IOException or OutOfMemoryException)
            {
                fit.Refusal = $"Silo '{Name}' cannot take block {piece.Block} of the rows: {e.Message}";
            }

            return fit.State;
        }
    }

    /// <inheritdoc cref="ITrainingSilo.Start"/>
    public StartAnswer Start(TrainingPiece piece)
    {
        lock (_fits)
        {
            if (!_fits.TryGetValue(piece.Fit, out SiloFit? fit) || !fit.Rows.IsComplete)
                return new StartAnswer();
            Heard(fit);
            bool isKnown = fit.Trainings.TryGetValue(piece.Training, out RunningTraining? known) && known.Attempt == piece.Attempt;
            // Also one that was withdrawn since: the message is an old one.
            if (isKnown || fit.Ended.Contains(piece.Training))
                return new StartAnswer { IsTaken = true, Offset = piece.Total };
            bool isFree = Running < Slots && HasMemoryForOneMore(fit);
            if (known is { Ended.IsCompleted: false } || !(isFree || (piece.MayWait && _queue.Count < Slots)))
                return new StartAnswer();
            try
            {
                if (fit.Add(piece, out int wanted) is not { } training)
                    return new StartAnswer { IsTaken = true, Offset = wanted };
                var running = new RunningTraining(piece.Attempt, _options, fit.Rows, training, StorageOf, fit.Pace);
                fit.Trainings[piece.Training] = running;
                _queue.AddLast((fit, running));
                BeginNext();
                return new StartAnswer { IsTaken = true, Offset = piece.Total };
            }
            catch (InvalidDataException e)
            {
                return new StartAnswer { Refusal = $"Silo '{Name}': {e.Message}" };
            }
        }
    }

    /// <inheritdoc cref="ITrainingSilo.Withdraw"/>
    public bool Withdraw(Guid fit, int training, int attempt)
    {
        lock (_fits)
        {
            if (_fits.GetValueOrDefault(fit)?.Trainings.GetValueOrDefault(training) is not { } known || known.Attempt != attempt)
                return true;
            if (known.HasBegun)
                return false;
            // It stays known, so that the call can come twice, and a message from before it begins nothing.
            known.Cancel();
            BeginNext();
            return true;
        }
    }

    /// <inheritdoc cref="ITrainingSilo.Poll"/>
    public async Task<PollAnswer> Poll(PollRequest request)
    {
        Task answer;
        lock (_fits)
        {
            if (!_fits.TryGetValue(request.Fit, out SiloFit? fit))
                return new PollAnswer();
            fit.Ended.UnionWith(request.Ended);
            fit.ForgetEnded();
            answer = Heard(fit).Pace.Wait(() => NewsFor(fit, request));
        }

        await answer;
        lock (_fits)
        {
            if (!_fits.TryGetValue(request.Fit, out SiloFit? fit))
                return new PollAnswer();
            var answers = new byte[]?[request.Trainings.Length];
            int left = MessageLimits.PieceBytes;
            for (int i = 0; i < answers.Length; i++)
            {
                if (!fit.Trainings.TryGetValue(request.Trainings[i], out RunningTraining? running)
                    || running.Attempt != request.Attempts[i])
                {
                    continue;
                }

                answers[i] = running.News.Read(request.Offsets[i], left);
                left -= answers[i]!.Length;
            }

            return new PollAnswer { IsKnown = true, News = answers, HasFreeCore = Running < Slots && HasMemoryForOneMore(fit) };
        }
    }

    private static NewsKind NewsFor(SiloFit fit, PollRequest request)
    {
        NewsKind kind = NewsKind.None;
        for (int i = 0; i < request.Trainings.Length; i++)
        {
            if (!fit.Trainings.TryGetValue(request.Trainings[i], out RunningTraining? running) || running.Attempt != request.Attempts[i])
                return NewsKind.End;
            // In this order: what a training tells before it ends is then seen.
            bool hasEnded = running.Ended.IsCompleted;
            if (!running.News.HasMore(request.Offsets[i]))
                continue;
            if (hasEnded)
                return NewsKind.End;
            kind = NewsKind.Progress;
        }

        return kind;
    }

    /// <inheritdoc cref="ITrainingSilo.End"/>
    public async Task End(Guid fit)
    {
        SiloFit? ended;
        lock (_fits)
        {
            if (!_fits.Remove(fit, out ended))
                return;
            _ending.Add(ended);
        }

        // A training asks between two steps. If one takes longer, the rows are freed when it has ended, and nobody waits for that.
        await Task.WhenAny(Free(ended), Task.Delay(s_longestEnd));
    }

    public void Dispose()
    {
        _leases.Dispose();
        Guid[] fits;
        lock (_fits)
            fits = [.. _fits.Keys];
        foreach (Guid fit in fits)
            _ = End(fit);
    }

    private async Task Free(SiloFit fit)
    {
        RunningTraining[] trainings;
        lock (_fits)
        {
            fit.IsOver = true;
            trainings = [.. fit.Trainings.Values];
            foreach (RunningTraining training in trainings)
                training.Cancel();
            BeginNext();
        }

        await Task.WhenAll(trainings.Select(training => training.Ended));
        foreach (RunningTraining training in trainings)
            training.Dispose();
        lock (_fits)
        {
            fit.Rows.Dispose();
            _ending.Remove(fit);
        }
    }

    /// <summary>Gives cores that are free to the trainings that wait for them; under the lock.</summary>
    private void BeginNext()
    {
        for (LinkedListNode<(SiloFit Fit, RunningTraining Training)>? node = _queue.First, next; node is not null; node = next)
        {
            next = node.Next;
            (SiloFit fit, RunningTraining training) = node.Value;
            if (training.Ended.IsCompleted)
            {
                _queue.Remove(node);
            }
            else if (Running < Slots && HasMemoryForOneMore(fit))
            {
                _queue.Remove(node);
                training.Begin(TrainingEnded);
            }
        }
    }

    private void TrainingEnded()
    {
        lock (_fits)
            BeginNext();
    }

    private static SiloFit Heard(SiloFit fit)
    {
        fit.Heard = Stopwatch.GetTimestamp();
        return fit;
    }

    private void EndForgotten()
    {
        Guid[] forgotten;
        lock (_fits)
        {
            forgotten =
            [
                .. _fits.Where(fit => Stopwatch.GetElapsedTime(fit.Value.Heard).TotalSeconds > _options.LeaseInSeconds)
                    .Select(fit => fit.Key),
            ];
        }

        foreach (Guid fit in forgotten)
        {
            LogForgotten(_logger, Name, fit, _options.LeaseInSeconds);
            _ = End(fit);
        }
    }

    private long ReservedBytes => All.Sum(fit => fit.ReservedBytes + (fit.Rows.AreSpilled ? fit.Running * fit.Rows.MemoryBytes : 0));

    // One training of the silo's own process may run in any case: there its client has set the memory aside.
    private bool HasMemoryForOneMore(SiloFit fit) =>
        !fit.Rows.AreSpilled || (fit.IsShared && fit.Running == 0) || ReservedBytes + fit.Rows.MemoryBytes <= _options.MemoryBytes;

    /// <summary>Why rows cannot be held here, with the numbers, or null.</summary>
    private string? Refusal(TrainingRows rows)
    {
        long taken = rows.AreSpilled ? 0 : ReservedBytes;
        if (taken + rows.MemoryBytes <= _options.MemoryBytes)
            return null;
        string others = taken > 0 ? $", of which other fits have taken {Megabytes(taken)}" : "";
        string need = rows.AreSpilled ? "reading these, which are in a file, takes" : "these take";
        return $"Silo '{Name}' has {_options.MemoryBudgetInMegabytes} MB for rows{others}; {need} {Megabytes(rows.MemoryBytes)} MB. "
            + "Raise TrainingSiloOptions.MemoryBudgetInMegabytes there, or lower MemoryBudgetInMegabytes of the trainer.";
    }

    private static long Megabytes(long bytes) => (bytes + (1 << 20) - 1) >> 20;

    /// <summary>Reads rows from the directory that silo and client share, on a thread of its own.</summary>
    private void Load(SiloFit fit, string file, int blocks)
    {
        const string What = "TrainingSiloOptions.RowsDirectory";
        if (_options.RowsDirectory is not { } directory)
        {
            fit.Refusal = $"Silo '{Name}' has no directory from which it may read rows. Set {What} there to the one that it shares with "
                + "the client, or OrleansRunnerOptions.RowsDirectory to null.";
            return;
        }

        string path = Path.Combine(directory, Path.GetFileName(file));
        if (!File.Exists(path))
        {
            fit.Refusal = $"Silo '{Name}' does not see the rows that the client has put into the shared directory, at '{path}'. "
                + $"Set {What} there to the same directory as OrleansRunnerOptions.RowsDirectory.";
            return;
        }

        Task.Factory.StartNew(() => LoadBlocks(fit, path, blocks), TaskCreationOptions.LongRunning);
    }

    private void LoadBlocks(SiloFit fit, string path, int blocks)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            byte[] length = new byte[sizeof(int)];
            for (int block = 0; block < blocks; block++)
            {
                stream.ReadExactly(length);
                int bytes = BinaryPrimitives.ReadInt32LittleEndian(length);
                if (bytes < 0 || bytes > stream.Length - stream.Position)
                    throw new InvalidDataException($"Block {block} is to have {bytes} bytes.");
                byte[] read = new byte[bytes];
                stream.ReadExactly(read);
                lock (_fits)
                {
                    if (fit.IsOver)
                        return;
                    fit.Rows.Add(read);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or OutOfMemoryException)
        {
            lock (_fits)
                fit.Refusal = $"Silo '{Name}' cannot read the rows at '{path}': {e.Message} Let it read the file.";
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Silo '{Silo}' has heard nothing of the client of fit {Fit} for {Seconds} s: its trainings end, and its rows are freed.")]
    private static partial void LogForgotten(ILogger logger, string silo, Guid fit, double seconds);
}
