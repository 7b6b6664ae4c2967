using System.Collections.Concurrent;
using System.Net.Http.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WebScoring;

namespace MLNetBatchNorm.WebScoring.Tests;

/// <summary>The service in this process, on Kestrel and a free port, with a folder of its own for the model file.</summary>
internal sealed class ScoringService : WebApplicationFactory<ScoringOptions>
{
    /// <summary>Long enough for a loaded machine; nothing waits that long on an idle one.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly ModelFolder _folder = new();
    private readonly WatcherLog _log = new();
    private readonly (string Key, string Value)[] _settings;

    public ScoringService(byte[]? zip, params (string Key, string Value)[] settings)
    {
        _settings = settings;
        if (zip is not null)
            _folder.Replace(zip);
        // The port is chosen by "urls": UseKestrel(0) would set it while the program's own thread is already starting the server.
        UseKestrel();
        try
        {
            StartServer();
            Client = CreateClient();
        }
        catch
        {
            _folder.Dispose();
            throw;
        }
    }

    public HttpClient Client { get; }

    public ModelFolder Folder => _folder;

    /// <summary>What the watcher of the model file has told the operator.</summary>
    public IEnumerable<string> Log => _log.Messages;

    /// <summary>Asks for the health until it is as wanted.</summary>
    public async Task<HealthAnswer> WaitForHealthAsync(Func<HealthAnswer, bool> wanted)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (true)
        {
            using HttpResponseMessage response = await Client.GetAsync("/health", patience.Token);
            var health = (await response.Content.ReadFromJsonAsync<HealthAnswer>(patience.Token))!;
            if (wanted(health))
                return health;
            await Task.Delay(10, patience.Token);
        }
    }

    /// <summary>Waits until the model on disk answers.</summary>
    public async Task<ScoringService> ReadyAsync()
    {
        await WaitForHealthAsync(health => health.Status == "healthy");
        return this;
    }

    protected override void ConfigureWebHost(IWebHostBuilder builder)
    {
        builder.UseSetting("urls", "http://127.0.0.1:0");
        builder.UseSetting("Scoring:ModelPath", _folder.ModelPath);
        builder.UseSetting("Scoring:PollMilliseconds", "20");
        foreach ((string key, string value) in _settings)
            builder.UseSetting(key, value);
        builder.ConfigureLogging(logging => logging.ClearProviders().AddProvider(_log));
    }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing)
            _folder.Dispose();
    }

    /// <summary>Keeps the messages of the watcher and drops all others.</summary>
    private sealed class WatcherLog : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Messages { get; } = new();

        public ILogger CreateLogger(string categoryName) => categoryName == "WebScoring.Models.ModelWatcher" ? this : NullLogger.Instance;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Messages.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
