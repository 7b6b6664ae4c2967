using System.Runtime.ExceptionServices;

namespace MLNetBatchNorm.Kernels;

/// <summary>
/// A set of long-lived threads that run one body together, each with its own <see cref="Worker"/>, and meet at barriers inside it. More of
/// them may join between two runs.
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
    private readonly List<Thread> _threads = [];
    private readonly MeetingPoint _ends;
    private readonly MeetingPoint _inside;
    private Action<Worker>? _body;
    private ExceptionDispatchInfo? _failure;
    private volatile bool _stopping;

    /// <summary>Starts a thread for each member but one, which is the caller's own thread.</summary>
    /// <param name="count">Most members.</param>
    /// <param name="members">Those that are there from the beginning; null: all.</param>
    public WorkerTeam(int count, int? members = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        Members = 1;
        _ends = new MeetingPoint();
        _inside = new MeetingPoint();
        Enlarge(members ?? count);
    }

    /// <summary>Most members, the calling thread included: what is made for each member is made for so many.</summary>
    public int Count { get; }

    /// <summary>Members that there are.</summary>
    public int Members { get; private set; }

    /// <summary>Lets more members join; for the calling thread, while nothing runs.</summary>
    /// <param name="members">How many there are then; no fewer than before, and no more than <see cref="Count"/>.</param>
    public void Enlarge(int members)
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        ArgumentOutOfRangeException.ThrowIfLessThan(members, Members);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(members, Count);
        if (Members < _threads.Count + 1)
            throw new InvalidOperationException("The team rests.");
        Members = members;
        // Before the new threads start: those that wait for the next run are let go only when these have come as well.
        _ends.Expect(members);
        _inside.Expect(members);
        while (_threads.Count < members - 1)
        {
            int index = _threads.Count + 1;
            _threads.Add(new Thread(() => Work(index)) { IsBackground = true, Name = $"BatchNormNetwork worker {index}" });
            _threads[^1].Start();
        }
    }

    /// <summary>
    /// Lets the caller's thread do everything by itself from now on; the others wait for the end. For the calling thread, while nothing
    /// runs.
    /// </summary>
    public void Rest() => Members = 1;

    /// <summary>
    /// Times that a member gave up looking for the others at a barrier and slept: on an idle machine hardly ever, on a busy one whenever
    /// the system runs another program in place of a member.
    /// </summary>
    public int Sleeps => _inside.Sleeps;

    /// <summary>Runs <paramref name="body"/> once on every member and returns when all are done. Not reentrant.</summary>
    public void Run(Action<Worker> body)
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (Members == 1)
        {
            body(Worker.Alone);
            return;
        }

        _failure = null;
        _inside.Reopen();
        _body = body;
        _ends.Meet();                                  // lets the members go
        Execute(body, new Worker(0, Members));
        _ends.Meet();                                  // waits for the last of them
        _body = null;
        _failure?.Throw();
    }

    /// <summary>Waits until every member has come here; called by all members from within the body, equally often.</summary>
    public void Barrier()
    {
        if (Members > 1 && !_inside.Meet())
            throw new TeamFailedException();
    }

    /// <summary>Ends the threads and waits for them.</summary>
    public void Dispose()
    {
        if (_stopping)
            return;
        _stopping = true;
        if (_threads.Count > 0)
            _ends.Meet();
        foreach (Thread thread in _threads)
            thread.Join();
    }

    private void Work(int index)
    {
        while (true)
        {
            _ends.Meet();
            if (_stopping)
                return;
            Execute(_body!, new Worker(index, Members));
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
    private sealed class MeetingPoint
    {
        // On two cores of a Zen 4 the members of a step arrive within 1 to 20 microseconds; one spin takes about 10 ns there.
        private const int Spins = 4000;
        private const int Yields = 20;

        private readonly object _gate = new();
        private volatile int _generation;
        private volatile bool _closed;
        private volatile int _count = 1;
        private int _arrived;
        private int _sleepers;
        private int _sleeps;

        /// <summary>How many meet from now on: more than before, where some of these may be waiting.</summary>
        public void Expect(int count) => _count = count;

        /// <summary>Times that somebody slept.</summary>
        public int Sleeps => Volatile.Read(ref _sleeps);

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
            // Who is counted behind a new member sees the new number, which was written before that member's thread was started.
            if (Interlocked.Increment(ref _arrived) == _count)
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
            Interlocked.Increment(ref _sleeps);
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
