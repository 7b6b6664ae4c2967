using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.ExceptionServices;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Which of a model's trainings one is: a network, and how often it was trained before.</summary>
/// <param name="Index">Number of the training, from 0; all of a network's follow one another.</param>
/// <param name="Members">Number of networks.</param>
/// <param name="Restarts">Number of times that each is trained again.</param>
internal readonly record struct TrainingNumber(int Index, int Members, int Restarts)
{
    /// <summary>Number of the network, from 0.</summary>
    public int Member => Index / (1 + Restarts);

    /// <summary>0: the network's first training.</summary>
    public int Restart => Index % (1 + Restarts);

    /// <summary>For messages: nothing for the only training, else ending in a comma and a space.</summary>
    public string Text => (Members, Restart) switch
    {
        (1, 0) => "",
        (1, _) => string.Create(CultureInfo.InvariantCulture, $"Restart {Restart}/{Restarts}, "),
        (_, 0) => string.Create(CultureInfo.InvariantCulture, $"Network {Member + 1}/{Members}, "),
        _ => string.Create(CultureInfo.InvariantCulture, $"Network {Member + 1}/{Members}, restart {Restart}/{Restarts}, "),
    };
}

/// <summary>One training of one network of an ensemble, as the thread that trains it sees it.</summary>
/// <param name="number">Which it is.</param>
/// <param name="threads">Threads it may use.</param>
/// <param name="cancellation">Ends it.</param>
/// <param name="tell">Brings a message to where messages are dealt with, now or soon.</param>
internal sealed class MemberTraining(TrainingNumber number, int threads, CancellationToken cancellation, Action<Action<FitObserver>> tell) : ITrainingObserver
{
    /// <summary>Which it is.</summary>
    public TrainingNumber Number { get; } = number;

    /// <summary>Threads it may use.</summary>
    public int Threads { get; } = threads;

    /// <summary>Rows that each of its epochs learns from.</summary>
    public long Rows { get; set; }

    /// <summary>Ends it.</summary>
    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>Writes to the channel of the fit, which only one thread may use.</summary>
    public void Tell(Action<IChannel> message) => tell(observer => message(observer.Channel));

    /// <inheritdoc/>
    public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs) => tell(observer => observer.EpochEnded(Number, Rows, record, bestEpoch, maximumEpochs));
}

/// <summary>
/// Trains the networks of an ensemble, each as often as it is to be, as many side by side as there are threads: networks that share nothing keep the
/// processors busier than threads that meet several times a step. Which thread trains which network has no influence on it, nor on which training is kept.
/// </summary>
/// <param name="members">Number of networks.</param>
/// <param name="restarts">Number of times that each is trained again.</param>
/// <param name="threads">Number of threads in all.</param>
/// <param name="sideBySide">Most networks trained at the same time.</param>
/// <param name="observer">Told on the thread that calls <see cref="Run"/>, so that a user's progress handler and ML.NET's log never run on two threads at once.</param>
/// <param name="cancellation">Ends all.</param>
internal sealed class MemberTrainings(int members, int restarts, int threads, int sideBySide, FitObserver observer, CancellationToken cancellation)
{
    private readonly int _trainings = members * (1 + restarts);
    private readonly Result?[] _best = new Result?[members];
    private readonly ExceptionDispatchInfo?[] _failures = new ExceptionDispatchInfo?[members * (1 + restarts)];
    private int _next = -1;
    private int _running;

    /// <summary>Trains all; the networks in order of their numbers. The first failure ends the others and is thrown.</summary>
    public NetworkMember[] Run(Func<MemberTraining, NetworkMember> train)
    {
        int atOnce = Math.Min(_trainings, Math.Min(threads, sideBySide));
        if (atOnce > 1)
            RunSideBySide(train, atOnce);
        else
        {
            for (int training = 0; training < _trainings; training++)
            {
                var number = new TrainingNumber(training, members, restarts);
                NetworkMember trained = train(new MemberTraining(number, threads, cancellation, message => message(observer)));
                Keep(new Result(number, trained));
                observer.Ended(number, trained.History);
            }
        }

        foreach (Result? best in _best)
            observer.Kept(best!.Number, best.Loss);
        return [.. _best.Select(best => best!.Network)];
    }

    private void RunSideBySide(Func<MemberTraining, NetworkMember> train, int atOnce)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var news = new BlockingCollection<Action>();
        _running = atOnce;
        Thread[] workers =
        [
            .. Enumerable.Range(1, atOnce).Select(number => new Thread(() => Work(train, threads / atOnce, news, stop))
            {
                IsBackground = true,
                Name = $"BatchNormNetwork training {number}",
            }),
        ];
        foreach (Thread worker in workers)
            worker.Start();
        try
        {
            foreach (Action tell in news.GetConsumingEnumerable())
                tell();
        }
        finally
        {
            stop.Cancel();                             // of use only if telling has failed; else all have ended
            foreach (Thread worker in workers)
                worker.Join();
        }

        ThrowFailure();
    }

    private void Work(Func<MemberTraining, NetworkMember> train, int threadsEach, BlockingCollection<Action> news, CancellationTokenSource stop)
    {
        int training;
        while (!stop.IsCancellationRequested && (training = Interlocked.Increment(ref _next)) < _trainings)
        {
            try
            {
                var number = new TrainingNumber(training, members, restarts);
                NetworkMember trained = train(new MemberTraining(number, threadsEach, stop.Token, message => news.Add(() => message(observer))));
                Keep(new Result(number, trained));
                news.Add(() => observer.Ended(number, trained.History));
            }
            catch (Exception e)
            {
                _failures[training] = ExceptionDispatchInfo.Capture(e);
                stop.Cancel();
            }
        }

        if (Interlocked.Decrement(ref _running) == 0)
            news.CompleteAdding();
    }

    /// <summary>Keeps a network if none of the same number is better. Of equal ones it is the earlier, whichever ended first.</summary>
    private void Keep(Result result)
    {
        lock (_best)
        {
            ref Result? best = ref _best[result.Number.Member];
            if (best is null || (result.Loss, result.Number.Restart).CompareTo((best.Loss, best.Number.Restart)) < 0)
                best = result;
        }
    }

    /// <summary>The failure that ended the others goes before their being ended.</summary>
    private void ThrowFailure()
    {
        ExceptionDispatchInfo[] failures = [.. _failures.OfType<ExceptionDispatchInfo>()];
        (failures.FirstOrDefault(failure => failure.SourceException is not OperationCanceledException) ?? failures.FirstOrDefault())?.Throw();
        cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>What one training came to.</summary>
    private sealed record Result(TrainingNumber Number, NetworkMember Network)
    {
        /// <summary>Of the epoch that was kept: on the validation rows, or without any on the training rows.</summary>
        public double Loss => Best.ValidationLoss ?? Best.TrainingLoss;

        private EpochRecord Best => Network.History.Epochs[Network.History.BestEpoch - 1];
    }
}
