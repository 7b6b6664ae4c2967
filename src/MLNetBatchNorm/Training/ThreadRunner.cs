using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Runs trainings on threads of this process, as many side by side as there are threads: networks that share nothing keep the processors
/// busier than threads that meet several times a step. Which thread trains which network has no influence on it.
/// </summary>
/// <param name="threads">Number of threads in all.</param>
/// <param name="sideBySide">Most trainings at the same time.</param>
internal sealed class ThreadRunner(int threads, int sideBySide) : ITrainingRunner
{
    /// <inheritdoc/>
    public void Run(
        IReadOnlyList<NetworkTraining> trainings, ITrainingsObserver observer, ITrainingStore? store, CancellationToken cancellation)
    {
        int atOnce = Math.Min(trainings.Count, Math.Min(threads, sideBySide));
        if (atOnce > 1)
        {
            using var side = new SideBySide(trainings, observer, store, threads / atOnce, cancellation);
            side.Run(atOnce);
            return;
        }

        foreach (NetworkTraining training in trainings)
            observer.Ended(training, training.Run(threads, new Direct(training, observer), store, cancellation));
    }

    /// <summary>Tells on the thread that trains, which is the caller's.</summary>
    private sealed class Direct(NetworkTraining training, ITrainingsObserver observer) : INetworkTrainingObserver
    {
        public void Started(int rows, int validationRows) => observer.Started(training, rows, validationRows);

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs) =>
            observer.EpochEnded(training, record, bestEpoch, maximumEpochs);

        public void Noted(TrainingNote note) => observer.Noted(training, note);
    }

    /// <summary>
    /// Hands on what threads have to tell to the caller's, so that a user's progress handler and a log never run on two threads at once.
    /// </summary>
    private sealed class Queued(NetworkTraining training, ITrainingsObserver observer, BlockingCollection<Action> news)
        : INetworkTrainingObserver
    {
        public void Started(int rows, int validationRows) => news.Add(() => observer.Started(training, rows, validationRows));

        public void EpochEnded(EpochRecord record, int bestEpoch, int maximumEpochs) =>
            news.Add(() => observer.EpochEnded(training, record, bestEpoch, maximumEpochs));

        public void Noted(TrainingNote note) => news.Add(() => observer.Noted(training, note));

        public void Ended(NetworkMember result) => news.Add(() => observer.Ended(training, result));
    }

    /// <summary>One run of several threads.</summary>
    private sealed class SideBySide(
        IReadOnlyList<NetworkTraining> trainings, ITrainingsObserver observer, ITrainingStore? store, int threadsEach,
        CancellationToken cancellation) : IDisposable
    {
        private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        private readonly BlockingCollection<Action> _news = [];
        private readonly ExceptionDispatchInfo?[] _failures = new ExceptionDispatchInfo?[trainings.Count];
        private int _next = -1;
        private int _running;

        public void Run(int atOnce)
        {
            _running = atOnce;
            Thread[] workers =
            [
                .. Enumerable.Range(1, atOnce)
                    .Select(number => new Thread(Work) { IsBackground = true, Name = $"BatchNormNetwork training {number}" }),
            ];
            foreach (Thread worker in workers)
                worker.Start();
            try
            {
                foreach (Action tell in _news.GetConsumingEnumerable())
                    tell();
            }
            finally
            {
                _stop.Cancel();                        // of use only if telling has failed; else all have ended
                foreach (Thread worker in workers)
                    worker.Join();
            }

            ThrowFailure();
        }

        public void Dispose()
        {
            _stop.Dispose();
            _news.Dispose();
        }

        private void Work()
        {
            int next;
            while (!_stop.IsCancellationRequested && (next = Interlocked.Increment(ref _next)) < trainings.Count)
            {
                try
                {
                    var told = new Queued(trainings[next], observer, _news);
                    told.Ended(trainings[next].Run(threadsEach, told, store, _stop.Token));
                }
                catch (Exception e)
                {
                    _failures[next] = ExceptionDispatchInfo.Capture(e);
                    _stop.Cancel();
                }
            }

            if (Interlocked.Decrement(ref _running) == 0)
                _news.CompleteAdding();
        }

        /// <summary>The failure that ended the others goes before their being ended.</summary>
        private void ThrowFailure()
        {
            ExceptionDispatchInfo[] failures = [.. _failures.OfType<ExceptionDispatchInfo>()];
            ExceptionDispatchInfo? failed = failures.FirstOrDefault(failure => failure.SourceException is not OperationCanceledException);
            (failed ?? failures.FirstOrDefault())?.Throw();
            cancellation.ThrowIfCancellationRequested();
        }
    }
}
