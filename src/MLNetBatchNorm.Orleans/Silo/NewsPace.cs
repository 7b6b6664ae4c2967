namespace MLNetBatchNorm.Clustering;

/// <summary>
/// When the client of a fit gets its next answer. Each costs both sides processor time, so that there is to be one in a span of time, and
/// not one for each epoch, which may be a millisecond; only the end of a training is told at once, because a core is free with it.
/// </summary>
/// <param name="clock">Measures and waits.</param>
internal sealed class NewsPace(TimeProvider clock)
{
    /// <summary>
    /// Time between two answers that hold no end of a training. Whoever watches a progress sees little difference; with 50 ms silos of one
    /// core took half as much processor time again for what is not training.
    /// </summary>
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_longestPoll = TimeSpan.FromMilliseconds(300);

    private TaskCompletionSource _news = Signal();
    private TaskCompletionSource _end = Signal();
    private long _lastAnswer = clock.GetTimestamp();

    /// <summary>There is news.</summary>
    public void Tell() => Renew(ref _news).SetResult();

    /// <summary>A training has ended.</summary>
    public void TellEnd() => Renew(ref _end).SetResult();

    /// <summary>Done when it is time for an answer, with news or, after a while, without.</summary>
    /// <param name="look">
    /// Says what there is for the client. It is called at once, but after the signals are taken up: what comes behind it is not missed.
    /// </param>
    public async Task Wait(Func<NewsKind> look)
    {
        Task news = _news.Task, end = _end.Task;
        NewsKind kind = look();
        if (kind == NewsKind.None)
            await Task.WhenAny(news, end, Task.Delay(s_longestPoll, clock));
        if (kind != NewsKind.End && !end.IsCompleted && s_interval - clock.GetElapsedTime(_lastAnswer) is { Ticks: > 0 } left)
            await Task.WhenAny(end, Task.Delay(left, clock));

        _lastAnswer = clock.GetTimestamp();
    }

    private static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static TaskCompletionSource Renew(ref TaskCompletionSource signal) => Interlocked.Exchange(ref signal, Signal());
}
