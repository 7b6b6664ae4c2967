using System.Diagnostics;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>A silo, or a client, in a process of its own.</summary>
internal sealed class SiloProcess : IDisposable
{
    // For a machine that does much beside.
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(120);
    private readonly Process _process;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<string> _errors = [];

    private SiloProcess(string role, string line, IReadOnlyDictionary<string, string> given)
    {
        string tests = typeof(SiloProcess).Assembly.Location;
        string[] arguments = ["exec", tests, role, .. given.Select(pair => $"{pair.Key}={pair.Value}")];
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, e) =>
        {
            if (e.Data == line)
                _ready.TrySetResult();
            else if (e.Data == HeldStorage.Line)
                _held.TrySetResult();
        };
        _process.ErrorDataReceived += (_, e) =>
        {
            lock (_errors)
                _errors.Add(e.Data ?? "");
        };
        _process.EnableRaisingEvents = true;
        _process.Exited += (_, _) => Array.ForEach(
            [_ready, _held], signal => signal.TrySetException(new InvalidOperationException("The process has ended: " + Errors)));
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    /// <summary>Whether a silo is in the cluster.</summary>
    public bool IsReady => _ready.Task.IsCompletedSuccessfully;

    public bool HasExited => _process.HasExited;

    /// <summary>Seconds of processor time that it has taken.</summary>
    public double ProcessorSeconds
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime.TotalSeconds;
        }
    }

    private string Errors
    {
        get
        {
            lock (_errors)
                return string.Join('\n', _errors);
        }
    }

    /// <summary>Starts a silo.</summary>
    public static SiloProcess StartSilo(IReadOnlyDictionary<string, string> given) => new(ProcessRole.Silo, "ready", given);

    /// <summary>Starts a client that trains.</summary>
    public static SiloProcess StartClient(IReadOnlyDictionary<string, string> given) => new(ProcessRole.Client, "epoch", given);

    /// <summary>Waits until a silo is in the cluster, or a client has trained an epoch.</summary>
    public void WaitUntilReady()
    {
        if (!_ready.Task.Wait(s_limit))
            throw new TimeoutException("The process is not ready: " + Errors);
        _ready.Task.GetAwaiter().GetResult();
    }

    /// <summary>Waits until a silo with a <see cref="HeldStorage"/> holds a training.</summary>
    public Task WaitUntilHeld() => _held.Task.WaitAsync(s_limit);

    /// <summary>Lets the training go on that a silo holds.</summary>
    public void Release() => _process.StandardInput.WriteLine();

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            Kill();
        _process.Dispose();
    }
}
