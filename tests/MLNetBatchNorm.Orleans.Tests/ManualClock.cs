namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>A clock that stands still until it is told to go on. For one thread.</summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly List<ManualTimer> _timers = [];
    private long _now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>Whether somebody waits for a time that has not come.</summary>
    public bool IsAwaited => _timers.Count > 0;

    public override long GetTimestamp() => _now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state), _now + dueTime.Ticks);
        _timers.Add(timer);
        return timer;
    }

    /// <summary>Goes on, and calls those whose time has come.</summary>
    public void Advance(TimeSpan time)
    {
        _now += time.Ticks;
        foreach (ManualTimer timer in _timers.Where(timer => timer.Due <= _now).ToArray())
        {
            timer.Dispose();
            timer.Callback();
        }
    }

    private sealed record ManualTimer(ManualClock Clock, Action Callback, long Due) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException("Delays are not changed.");

        public void Dispose() => Clock._timers.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
