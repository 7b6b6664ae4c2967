using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>
/// Joins the two ways to end a <c>Fit</c>: the caller's token, and ML.NET's cancellation of a whole
/// context, which AutoML uses when its time is up.
/// </summary>
internal sealed class FitCancellation : IDisposable
{
    /// <summary>How often the context is asked; ML.NET offers no event for it.</summary>
    private static readonly TimeSpan s_period = TimeSpan.FromMilliseconds(50);

    private readonly IHost _host;
    private readonly CancellationToken _caller;
    private readonly CancellationTokenSource _source;
    private readonly Timer _timer;

    public FitCancellation(IHost host, CancellationToken caller)
    {
        _host = host;
        _caller = caller;
        _source = CancellationTokenSource.CreateLinkedTokenSource(caller);
        _timer = new Timer(_ => CancelWithContext(), null, s_period, s_period);
    }

    /// <summary>Cancelled when either of the two is.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Throws with the caller's token, or as ML.NET does for a cancelled context; returns if neither is cancelled.</summary>
    public void ThrowForWhoeverCancelled()
    {
        if (_caller.IsCancellationRequested)
            throw new OperationCanceledException("Training was cancelled by the CancellationToken of the options.", _caller).Process(_host);
        _host.CheckAlive();
    }

    public void Dispose()
    {
        // Waits for a callback under way, which must not meet a disposed source.
        using (var stopped = new ManualResetEvent(false))
        {
            if (_timer.Dispose(stopped))
                stopped.WaitOne();
        }

        _source.Dispose();
    }

    private void CancelWithContext()
    {
        if (_host is ICancelable { IsCanceled: true })
            _source.Cancel();
    }
}
