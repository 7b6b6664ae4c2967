using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>The training of one network of an ensemble, as the thread that trains it sees it.</summary>
/// <param name="number">Number of the network, from 0.</param>
/// <param name="threads">Threads it may use.</param>
/// <param name="cancellation">Ends it.</param>
/// <param name="tell">Brings a message to where messages are dealt with, now or soon.</param>
internal sealed class MemberTraining(int number, int threads, CancellationToken cancellation, Action<Action<FitObserver>> tell) : ITrainingObserver
{
    /// <summary>Number of the network, from 0.</summary>
    public int Number { get; } = number;

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
/// Trains the networks of an ensemble, as many side by side as there are threads: networks that share nothing keep the processors busier than
/// threads that meet several times a step. Which thread trains which network has no influence on it.
/// </summary>
/// <param name="members">Number of networks.</param>
/// <param name="threads">Number of threads in all.</param>
/// <param name="sideBySide">Most networks trained at the same time.</param>
/// <param name="observer">Told on the thread that calls <see cref="Run"/>, so that a user's progress handler and ML.NET's log never run on two threads at once.</param>
/// <param name="cancellation">Ends all.</param>
internal sealed class MemberTrainings(int members, int threads, int sideBySide, FitObserver observer, CancellationToken cancellation)
{
    private readonly NetworkMember[] _trained = new NetworkMember[members];
    private readonly ExceptionDispatchInfo?[] _failures = new ExceptionDispatchInfo?[members];
    private int _next = -1;
    private int _running;

    /// <summary>Trains all; the networks in order of their numbers. The first failure ends the others and is thrown.</summary>
    public NetworkMember[] Run(Func<MemberTraining, NetworkMember> train)
    {
        int atOnce = Math.Min(members, Math.Min(threads, sideBySide));
        if (atOnce > 1)
            RunSideBySide(train, atOnce);
        else
        {
            for (int member = 0; member < members; member++)
            {
                _trained[member] = train(new MemberTraining(member, threads, cancellation, message => message(observer)));
                observer.Ended(member, _trained[member].History);
            }
        }

        return _trained;
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
        int member;
        while (!stop.IsCancellationRequested && (member = Interlocked.Increment(ref _next)) < members)
        {
            try
            {
                NetworkMember trained = _trained[member] = train(new MemberTraining(member, threadsEach, stop.Token, message => news.Add(() => message(observer))));
                int ended = member;
                news.Add(() => observer.Ended(ended, trained.History));
            }
            catch (Exception e)
            {
                _failures[member] = ExceptionDispatchInfo.Capture(e);
                stop.Cancel();
            }
        }

        if (Interlocked.Decrement(ref _running) == 0)
            news.CompleteAdding();
    }

    /// <summary>The failure that ended the others goes before their being ended.</summary>
    private void ThrowFailure()
    {
        ExceptionDispatchInfo[] failures = [.. _failures.OfType<ExceptionDispatchInfo>()];
        (failures.FirstOrDefault(failure => failure.SourceException is not OperationCanceledException) ?? failures.FirstOrDefault())?.Throw();
        cancellation.ThrowIfCancellationRequested();
    }
}
