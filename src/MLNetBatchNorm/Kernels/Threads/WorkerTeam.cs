using System.Runtime.ExceptionServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// A fixed set of long-lived threads that run one body together, each with its own <see cref="Worker"/>, and meet at barriers inside it.
/// </summary>
/// <remarks>
/// <para>The calling thread is member 0, so a team of one starts no thread and its barriers cost nothing.</para>
/// <para>A member that waits spins first, because the members of a training step arrive within microseconds of each other, then yields,
/// then parks: an oversubscribed machine must not burn its cores waiting.</para>
/// <para>
/// A failure in one member releases all the others from their barriers and is rethrown by <see cref="Run"/>; the team stays usable.
/// </para>
/// </remarks>
internal sealed class WorkerTeam : IDisposable
{
    private readonly Thread[] _threads;
    private readonly MeetingPoint _ends;
    private readonly MeetingPoint _inside;
    private Action<Worker>? _body;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _stopping;

    /// <summary>Starts <paramref name="count"/> - 1 threads; the caller's own thread is the remaining member.</summary>
    public WorkerTeam(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        _ends = new MeetingPoint(count);
        _inside = new MeetingPoint(count);
        _threads = new Thread[count - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int index = i + 1;
            _threads[i] =
                new Thread(() => Work(new Worker(index, count))) { IsBackground = true, Name = $"BatchNormNetwork worker {index}" };
            _threads[i].Start();
        }
    }

    /// <summary>Number of members, the calling thread included.</summary>
    public int Count { get; }

    /// <summary>Runs <paramref name="body"/> once on every member and returns when all are done. Not reentrant.</summary>
    public void Run(Action<Worker> body)
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (Count == 1)
        {
            body(Worker.Alone);
            return;
        }

        _failure = null;
        _inside.Reopen();
        _body = body;
        _ends.Meet();                                  // lets the members go
        Execute(body, new Worker(0, Count));
        _ends.Meet();                                  // waits for the last of them
        _body = null;
        _failure?.Throw();
    }

    /// <summary>Waits until every member has come here; called by all members from within the body, equally often.</summary>
    public void Barrier()
    {
        if (Count > 1 && !_inside.Meet())
            throw new TeamFailedException();
    }

    /// <summary>Ends the threads and waits for them.</summary>
    public void Dispose()
    {
        if (_stopping)
            return;
        _stopping = true;
        if (Count > 1)
            _ends.Meet();
        foreach (Thread thread in _threads)
            thread.Join();
    }

    private void Work(Worker worker)
    {
        while (true)
        {
            _ends.Meet();
            if (_stopping)
                return;
            Execute(_body!, worker);
            _ends.Meet();
        }
    }

    private void Execute(Action<Worker> body, Worker worker)
    {
        try
        {
            body(worker);
        }
        catch (TeamFailedException)
        {
            // Another member failed first; its exception is the one to report.
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(e), null);
            _inside.Close();                           // the others would wait for this member for ever
        }
    }

    /// <summary>Tells a member at a barrier that another member has failed.</summary>
    private sealed class TeamFailedException : Exception;

    /// <summary>A reusable barrier: the last to arrive lets everybody go.</summary>
    private sealed class MeetingPoint(int count)
    {
        // On two cores of a Zen 4 the members of a step arrive within 1 to 20 microseconds; one spin takes about 10 ns there.
        private const int Spins = 4000;
        private const int Yields = 20;

        private readonly object _gate = new();
        private volatile int _generation;
        private volatile bool _closed;
        private int _arrived;
        private int _sleepers;

        /// <summary>Makes the point usable again; nobody may be waiting.</summary>
        public void Reopen()
        {
            _closed = false;
            _arrived = 0;
        }

        /// <summary>Sends away those who wait and those who come.</summary>
        public void Close()
        {
            _closed = true;
            lock (_gate)
                Monitor.PulseAll(_gate);
        }

        /// <summary>Waits for the others; false if the point was closed instead.</summary>
        public bool Meet()
        {
            int generation = _generation;
            if (_closed)
                return false;
            if (Interlocked.Increment(ref _arrived) == count)
            {
                _arrived = 0;
                _generation = generation + 1;
                // The write above must be seen before the read below: a member that goes to sleep does the two in the opposite order.
                Interlocked.MemoryBarrier();
                if (Volatile.Read(ref _sleepers) > 0)
                {
                    lock (_gate)
                        Monitor.PulseAll(_gate);
                }
                return true;
            }

            for (int i = 0; i < Spins + Yields; i++)
            {
                if (_generation != generation)
                    return true;
                if (_closed)
                    return false;
                if (i < Spins)
                    Thread.SpinWait(1);
                else
                    Thread.Yield();
            }
            lock (_gate)
            {
                Interlocked.Increment(ref _sleepers);
                while (_generation == generation && !_closed)
                    Monitor.Wait(_gate);
                Interlocked.Decrement(ref _sleepers);
            }
            return _generation != generation;
        }
    }
}
