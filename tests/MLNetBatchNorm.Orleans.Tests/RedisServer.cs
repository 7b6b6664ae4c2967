using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>
/// Redis for the tests: the one that <c>.ci/run</c> has started (CLUSTER_REDIS), or one of their own if the program is installed. If it is
/// not, the test says that it is skipped.
/// </summary>
internal sealed class RedisServer : IDisposable
{
    private const string Variable = "CLUSTER_REDIS";
    private readonly Process? _process;
    private readonly string? _folder;

    private RedisServer(string connection, Process? process, string? folder)
    {
        Connection = connection;
        _process = process;
        _folder = folder;
    }

    /// <summary>How it is reached.</summary>
    public string Connection { get; }

    public static RedisServer StartOrSkip()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given)
            return new RedisServer(given, null, null);
        string? program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Append("/usr/bin")
            .Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists);
        if (program is null)
            Assert.Inconclusive($"skipped: Redis is not installed (package redis-server), and {Variable} is not set");
        int port = FreePort();
        string password = Guid.NewGuid().ToString("N"), folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        var start = new ProcessStartInfo(
            program!,
            ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", password, "--dir", folder])
        {
            RedirectStandardOutput = true,
        };
        Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        for (int attempt = 0; attempt < 100; attempt++)
        {
            try
            {
                using var probe = new TcpClient();
                probe.Connect(IPAddress.Loopback, port);
                return new RedisServer($"127.0.0.1:{port},password={password}", process, folder);
            }
            catch (SocketException)
            {
                Thread.Sleep(50);
            }
        }

        process.Kill();
        throw new InvalidOperationException("Redis did not start.");
    }

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public void Dispose()
    {
        if (_process is null)
            return;
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder!, recursive: true);
    }
}
