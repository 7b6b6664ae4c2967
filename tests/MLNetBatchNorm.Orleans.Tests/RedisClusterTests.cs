using System.Diagnostics;
using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>A cluster whose members are in Redis: any silo may die, and this process is a client only.</summary>
[TestClass]
public sealed class RedisClusterTests
{
    private const string GoesOn = "goes on from its checkpoint";

    // Epochs that take longer than messages, so that a training is under way when one of its first is told.
    private const int Members = 6, Epochs = 12, Rows = 30_000;

    private readonly MLContext _context = new(1);
    private readonly string _name = $"test-{Guid.NewGuid():N}";
    private readonly List<string> _log = [];
    private readonly TaskCompletionSource _goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public RedisClusterTests() => _context.Log += (_, e) =>
    {
        lock (_log)
            _log.Add(e.RawMessage);
        if (e.RawMessage.Contains(GoesOn, StringComparison.Ordinal))
            _goesOn.TrySetResult();
    };

    public TestContext TestContext { get; set; } = null!;

    /// <summary>Killed one by one, the client's own gateway among them, with others in their place.</summary>
    [TestMethod]
    public async Task Fit_SilosKilled_GivesTheSame()
    {
        using RedisServer redis = RedisServer.StartOrSkip();
        string expected = Fits.Regression(_context, members: Members, epochs: Epochs, count: Rows);
        await WithSilos(redis, new(), (silos, client) =>
        {
            var told = new Listener();
            told.Then = () =>
            {
                if (told.Epochs.Count is not (4 or 20))
                    return;
                silos[told.Epochs.Count == 4 ? 0 : 1].Kill();
                silos.Add(Start(redis, $"silo {silos.Count + 1}", new()));
            };
            AssertGivesTheSame(expected, client, told, silos);
            Assert.IsFalse(_goesOn.Task.IsCompleted, "there is no storage");
            return Task.CompletedTask;
        });
    }

    /// <summary>
    /// Each silo is held in the middle of a training that has a checkpoint in storage. The first is killed, another goes on with its
    /// training; then the second is, and the third is let go.
    /// </summary>
    [TestMethod]
    public async Task Fit_SilosWithCheckpointsKilled_OthersGoOnFromThem()
    {
        using RedisServer redis = RedisServer.StartOrSkip();
        string expected = Fits.Regression(_context, members: Members, epochs: Epochs, count: Rows);
        var kept = new Dictionary<string, string> { ["checkpoints"] = "yes" };
        await WithSilos(redis, new(kept) { ["hold"] = "3" }, async (silos, client) =>
        {
            var told = new Listener();
            Task kills = Task.Run(async () =>
            {
                await Task.WhenAll(silos.Take(3).Select(silo => silo.WaitUntilHeld()));
                silos[0].Kill();
                silos.Add(Start(redis, "silo 4", kept));
                await _goesOn.Task.WaitAsync(TimeSpan.FromSeconds(120));
                silos[1].Kill();
                silos.Add(Start(redis, "silo 5", kept));
                silos[2].Release();
            });
            AssertGivesTheSame(expected, client, told, silos);
            await kills;
            Assert.IsGreaterThanOrEqualTo(2, _log.Count(line => line.Contains(GoesOn + ", after 3 epochs", StringComparison.Ordinal)));
        });
    }

    /// <summary>Within three seconds of a SIGKILL the silos that are left know of it.</summary>
    [TestMethod]
    public async Task SiloKilled_IsNoticed()
    {
        using RedisServer redis = RedisServer.StartOrSkip();
        await WithSilos(redis, new(), async (silos, client) =>
        {
            silos[2].Kill();
            long killed = Stopwatch.GetTimestamp();
            var directory = client.Client.GetGrain<ITrainingDirectory>(0);
            while ((await FitSession.Silos(directory, CancellationToken.None))?.Length != 2)
                await Task.Delay(50);
            double seconds = Stopwatch.GetElapsedTime(killed).TotalSeconds;
            TestContext.WriteLine($"noticed after {seconds:0.0} s");
            // The limit is 3 s; the rest is for a machine that does other things beside. Orleans' own defaults come to half a minute.
            Assert.IsLessThan(15, seconds);
        });
    }

    [TestMethod]
    public async Task Fit_AllSilosGone_FailsWithinItsPatience()
    {
        using RedisServer redis = RedisServer.StartOrSkip();
        using SiloProcess only = Start(redis, "only", new());
        only.WaitUntilReady();
        await using TrainingCluster client = await Connect(redis);
        var options = new BatchNormNetworkRegressionTrainer.Options
        {
            TrainingRunner = client.CreateRunner(new OrleansRunnerOptions { PatienceInSeconds = 4 }),
            Progress = new Listener { Then = only.Kill },
        };
        long began = Stopwatch.GetTimestamp();
        var thrown = Assert.Throws<InvalidOperationException>(() => Fits.Regression(_context, options, epochs: 100_000));
        Assert.Contains("No silo of the cluster has answered for 4 s", thrown.Message);
        Assert.IsLessThan(120, Stopwatch.GetElapsedTime(began).TotalSeconds);

        var again = Assert.Throws<InvalidOperationException>(() => Fits.Regression(_context, options));
        Assert.Contains("No silo of the cluster has answered for 4 s", again.Message);
    }

    /// <summary>64 trainings, a silo killed every 10 seconds; CLUSTER_KILLS=1 asks for it, because it takes minutes.</summary>
    [TestMethod]
    public async Task Fit_SixtyFourTrainings_SilosKilledAllTheTime_GiveTheSame()
    {
        if (Environment.GetEnvironmentVariable("CLUSTER_KILLS") is not "1")
            Assert.Inconclusive("skipped: it takes minutes; set CLUSTER_KILLS=1");
        using RedisServer redis = RedisServer.StartOrSkip();
        const int trainings = 64, epochs = 300, count = 6000;
        string expected = Fits.Regression(_context, members: trainings, epochs: epochs, count: count);
        await WithSilos(redis, new(), (silos, client) =>
        {
            long last = Stopwatch.GetTimestamp();
            int kills = 0;
            var told = new Listener();
            told.Then = () =>
            {
                // On a busy machine a silo takes longer than that to start: without this there would be none left.
                if (Stopwatch.GetElapsedTime(last).TotalSeconds < 10 || !silos[^1].IsReady)
                    return;
                last = Stopwatch.GetTimestamp();
                silos[kills++].Kill();
                silos.Add(Start(redis, $"silo {silos.Count + 1}", new()));
            };
            string hash = Fits.Regression(_context, Options(client, told), members: trainings, epochs: epochs, count: count);
            TestContext.WriteLine($"{kills} silos were killed");
            Assert.AreEqual(expected, hash);
            Assert.IsGreaterThan(2, kills);
            return Task.CompletedTask;
        });
    }

    private static BatchNormNetworkRegressionTrainer.Options Options(TrainingCluster client, Listener told) => new()
    {
        TrainingRunner = client.CreateRunner(new OrleansRunnerOptions { MinimumNumberOfCores = 3 }), Progress = told,
    };

    /// <summary>Trains while the first two silos are killed, and nothing is lost and nothing told twice.</summary>
    private void AssertGivesTheSame(string expected, TrainingCluster client, Listener told, List<SiloProcess> silos)
    {
        string hash = Fits.Regression(_context, Options(client, told), Members, Epochs, Rows);
        Assert.AreEqual(expected, hash);
        Assert.IsTrue(silos[0].HasExited && silos[1].HasExited);
        Assert.HasCount(Members * Epochs, told.Epochs);
        Assert.HasCount(Members * Epochs, told.Epochs.Distinct());
    }

    /// <summary>Does something with three silos and a client, and ends the silos, and those that came in their place.</summary>
    private async Task WithSilos(
        RedisServer redis, Dictionary<string, string> given, Func<List<SiloProcess>, TrainingCluster, Task> action)
    {
        List<SiloProcess> silos = [.. Enumerable.Range(1, 3).Select(silo => Start(redis, $"silo {silo}", given))];
        try
        {
            foreach (SiloProcess silo in silos)
                silo.WaitUntilReady();
            await using TrainingCluster client = await Connect(redis);
            await ClusterState.WaitForSilos(client, silos.Count);
            await action(silos, client);
        }
        finally
        {
            foreach (SiloProcess silo in silos)
                silo.Dispose();
        }
    }

    private SiloProcess Start(RedisServer redis, string name, Dictionary<string, string> given) => SiloProcess.StartSilo(
        new Dictionary<string, string>(given) { ["cluster"] = _name, ["name"] = name, ["redis"] = redis.Connection });

    private Task<TrainingCluster> Connect(RedisServer redis) =>
        TrainingCluster.ConnectAsync(new TrainingClusterOptions { ClusterId = _name, Redis = redis.Connection });
}
