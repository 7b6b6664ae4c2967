using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>A cluster without anything to install: the first silo in this process, others in processes of their own.</summary>
[TestClass]
public sealed class EmbeddedClusterTests
{
    private static readonly string s_name = $"test-{Guid.NewGuid():N}";
    private static TrainingClusterOptions s_options = null!;
    private static TrainingCluster s_cluster = null!;
    private static readonly Lazy<string> s_expected = new(() => Fits.Regression(new MLContext(1), members: 6));

    private readonly MLContext _context = new(1);

    public TestContext TestContext { get; set; } = null!;

    [ClassInitialize]
    public static async Task Start(TestContext context)
    {
        s_options = new TrainingClusterOptions
        {
            ClusterId = s_name, SiloPort = RedisServer.FreePort(), GatewayPort = RedisServer.FreePort(),
        };
        s_cluster = await TrainingCluster.StartSiloAsync(
            s_options, new TrainingSiloOptions { Name = "first", NumberOfCores = 2 }, context.CancellationToken);
    }

    [ClassCleanup]
    public static async Task Stop() => await s_cluster.DisposeAsync();

    [TestMethod]
    public void Fit_OnTheFirstSilo_TellsAndGivesTheSame()
    {
        var told = new Listener();
        string hash = Fits.Regression(_context, Options(told), members: 6);
        Assert.AreEqual(s_expected.Value, hash);
        Assert.AreEqual(Environment.CurrentManagedThreadId, told.Threads.Distinct().Single(), "told on the thread that called Fit");
        Assert.HasCount(48, told.Epochs);
        AssertFreed();
    }

    [TestMethod]
    public void Fit_SeveralAtOnce_ShareTheCores()
    {
        string[] hashes = new string[3];
        Parallel.For(0, hashes.Length, new ParallelOptions { MaxDegreeOfParallelism = 3 }, i =>
            hashes[i] = Fits.Regression(new MLContext(1), Options(), members: 6));
        foreach (string hash in hashes)
            Assert.AreEqual(s_expected.Value, hash);
        AssertFreed();
    }

    [TestMethod]
    public void Fit_Cancelled_EndsEverywhere()
    {
        using var source = new CancellationTokenSource();
        BatchNormNetworkRegressionTrainer.Options options = Options(new Listener { Then = source.Cancel });
        options.CancellationToken = source.Token;
        long began = Stopwatch.GetTimestamp();
        Assert.Throws<OperationCanceledException>(() => Fits.Regression(_context, options, epochs: 100_000));
        // 100,000 epochs take minutes.
        Assert.IsLessThan(60, Stopwatch.GetElapsedTime(began).TotalSeconds);
        AssertFreed();
    }

    /// <summary>The exception is that of a training on threads, and not one of the cluster.</summary>
    [TestMethod]
    public void Fit_TrainingThatDiverges_FailsWithItsOwnException()
    {
        BatchNormNetworkRegressionTrainer.Options Poisoned(TrainingRunner? runner) => new()
        {
            TrainingRunner = runner, LearningRate = 100, Optimizer = new SgdOptimizer(), ScaleInputs = false,
            Placement = BatchNormalizationPlacement.None,
        };
        var expected = Assert.Throws<InvalidOperationException>(() => Fits.Regression(_context, Poisoned(null)));
        var thrown = Assert.Throws<InvalidOperationException>(() => Fits.Regression(_context, Poisoned(s_cluster.CreateRunner())));
        StringAssert.StartsWith(expected.Message, "Training diverged");
        StringAssert.StartsWith(thrown.Message, "Training diverged");
        AssertFreed();
    }

    [TestMethod]
    public void Fit_HandlerThatThrows_EndsWithItsException()
    {
        var thrown = new TimeZoneNotFoundException();
        Assert.AreSame(thrown, Assert.ThrowsExactly<TimeZoneNotFoundException>(
            () => Fits.Regression(_context, Options(new Listener { Then = () => throw thrown }), epochs: 100_000)));
        AssertFreed();
    }

    [TestMethod]
    public void Fit_FewerCoresThanAsked_NamesSilos()
    {
        var runner = s_cluster.CreateRunner(new OrleansRunnerOptions { MinimumNumberOfCores = 64, PatienceInSeconds = 1 });
        var thrown = Assert.Throws<InvalidOperationException>(
            () => Fits.Regression(_context, new BatchNormNetworkRegressionTrainer.Options { TrainingRunner = runner }));
        Assert.AreEqual(
            "The cluster has 2 cores (silo 'first' 2), and MinimumNumberOfCores asks for 64. Start more silos, or lower it.",
            thrown.Message);
    }

    [TestMethod]
    public async Task Connect_NothingThere_SaysWhatToLookAt()
    {
        long began = Stopwatch.GetTimestamp();
        var thrown = await Assert.ThrowsAsync<InvalidOperationException>(() => TrainingCluster.ConnectAsync(
            new TrainingClusterOptions { ClusterId = "nobody", GatewayPort = RedisServer.FreePort() }));
        Assert.Contains("No silo answers in the cluster 'nobody'", thrown.Message);
        // It tries for five seconds; the rest is for a machine that does other things beside.
        Assert.IsLessThan(60, Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    [TestMethod]
    public async Task Fit_SiloOfAnotherVersion_IsRefusedWithBothVersions()
    {
        var options = new TrainingClusterOptions { ClusterId = s_name + "-old", SiloPort = RedisServer.FreePort(), GatewayPort = 0 };
        await using TrainingCluster old = await TrainingCluster.StartSiloAsync(
            options, new TrainingSiloOptions { Name = "old", LibraryVersion = "0.0.9 (build 0123)" });
        var runner = old.CreateRunner(new OrleansRunnerOptions { PatienceInSeconds = 1 });
        var thrown = Assert.Throws<InvalidOperationException>(
            () => Fits.Regression(_context, new BatchNormNetworkRegressionTrainer.Options { TrainingRunner = runner }));
        Assert.Contains(FitTrainings.LibraryVersion, thrown.Message);
        Assert.Contains("silo 'old' has 0.0.9 (build 0123)", thrown.Message);
    }

    /// <summary>2, 3 and 4 silos, rows sent to each, and one of them killed while it trains.</summary>
    [TestMethod]
    public async Task Fit_OnUpToFourSilos_OneKilled_GivesTheSame()
    {
        using SiloProcess second = StartSilo("second"), third = StartSilo("third"), fourth = StartSilo("fourth");
        SiloProcess[] others = [second, third, fourth];
        foreach (SiloProcess other in others)
            other.WaitUntilReady();
        for (int silos = 4; silos >= 2; silos--)
        {
            await WaitForSilos(silos);
            Assert.AreEqual(s_expected.Value, Fits.Regression(_context, Options(), members: 6));
            SiloProcess victim = others[silos - 2];
            var told = new Listener();
            told.Then = () =>
            {
                if (told.Epochs.Count == 2)
                    victim.Kill();
            };
            string hash = Fits.Regression(_context, Options(told, silos: silos), members: 6);
            Assert.IsTrue(victim.HasExited);
            Assert.AreEqual(s_expected.Value, hash);
            Assert.HasCount(48, told.Epochs);
        }
    }

    [TestMethod]
    public async Task Fit_RowsOfEveryKind_TravelAndGiveTheSame()
    {
        using SiloProcess second = StartSilo("second");
        second.WaitUntilReady();
        await WaitForSilos(2);
        await using TrainingCluster elsewhere = await TrainingCluster.ConnectAsync(
            new TrainingClusterOptions { ClusterId = s_name, GatewayPort = s_options.GatewayPort });
        Action<BatchNormNetworkRegressionTrainer.Options>[] kinds =
        [
            options => (options.MemoryBudgetInMegabytes, options.BatchSize) = (1, 512),
            options => options.SamplingKeyColumnName = "Group",
            options => (options.NumberOfRestarts, options.ExampleWeightColumnName) = (1, "Group"),
            options => (options.InputShape, options.Convolutions, options.RandomShift) =
                (new ImageShape(4, 2, 1), [new ConvolutionLayer(4, 3)], 1),
            options => options.FeatureColumnName = Fits.WithCategories,
            options => options.IntervalLevels = [0.8, 0.95],
            options => options.Loss = new QuantileLoss { Level = 0.9 },
        ];
        foreach (Action<BatchNormNetworkRegressionTrainer.Options> kind in kinds)
        {
            string[] hashes = [.. new[] { null, elsewhere.CreateRunner() }.Select(runner =>
            {
                var options = new BatchNormNetworkRegressionTrainer.Options { TrainingRunner = runner };
                kind(options);
                return Fits.Regression(_context, options, members: 3, epochs: 2, count: 30_000);
            })];
            Assert.AreEqual(hashes[0], hashes[1]);
        }

        Assert.AreEqual(Fits.SeveralTargets(_context, null), Fits.SeveralTargets(_context, elsewhere.CreateRunner()));
        AssertFreed();
    }

    [TestMethod]
    public async Task Fit_RowsFromASharedDirectory_AreReadThere_OrTheSiloIsNamed()
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        string other = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        try
        {
            using SiloProcess second = StartSilo("second", ("rows", folder));
            second.WaitUntilReady();
            await WaitForSilos(2);
            Assert.AreEqual(s_expected.Value, Fits.Regression(_context, Options(directory: folder, silos: 2), members: 6));
            Assert.IsEmpty(Directory.GetFileSystemEntries(folder));

            // The first silo alone would not be ready with it.
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
            BatchNormNetworkRegressionTrainer.Options elsewhere = Options(directory: other, silos: 2);
            elsewhere.CancellationToken = limit.Token;
            var thrown = Assert.Throws<InvalidOperationException>(
                () => Fits.Regression(_context, elsewhere, members: 64, epochs: 100_000));
            Assert.Contains("Silo 'second' does not see the rows", thrown.Message);
            Assert.Contains(folder, thrown.Message);
            Assert.IsEmpty(Directory.GetFileSystemEntries(other));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
            Directory.Delete(other, recursive: true);
        }
    }

    /// <summary>The fit ends with what is wrong with the directory, and does not go on without it; the silo is free for others.</summary>
    [TestMethod]
    public void Fit_RowsThatCannotBeWritten_FailsWithTheReason()
    {
        string folder = Directory.CreateTempSubdirectory("batchnorm-test-").FullName;
        BatchNormNetworkRegressionTrainer.Options options = Options(directory: folder);
        // The runner has looked whether it is there. One that only lacks permission would not stop a test that runs as root.
        Directory.Delete(folder);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        options.CancellationToken = limit.Token;

        var thrown = Assert.ThrowsExactly<InvalidOperationException>(() => Fits.Regression(_context, options));
        Assert.StartsWith($"The rows cannot be put into OrleansRunnerOptions.RowsDirectory, '{folder}': ", thrown.Message);
        Assert.EndsWith(" Make room there, let this process write there, or set it to null.", thrown.Message);
        AssertFreed();
        Assert.AreEqual(s_expected.Value, Fits.Regression(_context, Options(), members: 6));
    }

    /// <summary>Rows are few and sparse; what is known of their categories is more than a message may take.</summary>
    [TestMethod]
    public void Fit_CategoriesThatNoMessageTakes_FailsWithTheirSize()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        BatchNormNetworkRegressionTrainer.Options options = Options();
        options.CancellationToken = limit.Token;
        // Of each the header has two numbers of 4 bytes and a flag.
        const int bytesOfCategory = 9;
        int categories = MessageLimits.HeaderBytes / bytesOfCategory + 1;

        var thrown = Assert.ThrowsExactly<InvalidOperationException>(() => Fits.OfCategories(_context, options, categories));
        Match found = Regex.Match(
            thrown.Message,
            "^The categories of the features take ([0-9]+) bytes in the header of the rows; "
            + $@"{MessageLimits.HeaderBytes} can be sent to a silo\. "
            + @"Give one-hot columns fewer slots, or train without a TrainingRunner\.$");
        Assert.IsTrue(found.Success, thrown.Message);
        int rest = int.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture) - bytesOfCategory * categories;
        Assert.IsTrue(rest is > 0 and < 1000, thrown.Message);
        AssertFreed();
        // The same with fewer of them is a fit like any other.
        Fits.OfCategories(_context, options, 1000);
    }

    /// <summary>The small silo is left out; if all are too small, the numbers are said.</summary>
    [TestMethod]
    public async Task Fit_SiloWithTooLittleMemory_IsLeftOut_AndNamedWhereThereIsNoOther()
    {
        int port = RedisServer.FreePort();
        var options = new TrainingClusterOptions { ClusterId = s_name + "-small", SiloPort = port, GatewayPort = RedisServer.FreePort() };
        await using TrainingCluster small = await TrainingCluster.StartSiloAsync(
            options, new TrainingSiloOptions { Name = "small", MemoryBudgetInMegabytes = 1 });
        await using TrainingCluster client = await TrainingCluster.ConnectAsync(options);
        // As if the silo were on another machine: this process must not lend it its rows.
        var thrown = Assert.Throws<InvalidOperationException>(() => Fits.Regression(
            _context, new BatchNormNetworkRegressionTrainer.Options
            {
                TrainingRunner = new OrleansTrainingRunner(client.Client) { LendsRows = false },
            }, count: 30_000));
        StringAssert.Matches(thrown.Message, new("Silo 'small' has 1 MB for rows; these take [0-9]+ MB. Raise TrainingSiloOptions"));

        using SiloProcess large = StartSilo("large", ("cluster", options.ClusterId), ("first", $"127.0.0.1:{port}"));
        large.WaitUntilReady();
        await ClusterState.WaitForSilos(client, 2);
        string expected = Fits.Regression(_context, members: 2, epochs: 1, count: 30_000);
        Assert.AreEqual(expected, Fits.Regression(
            _context, new BatchNormNetworkRegressionTrainer.Options
            {
                TrainingRunner = new OrleansTrainingRunner(client.Client, new OrleansRunnerOptions { MinimumNumberOfCores = 2 })
                {
                    LendsRows = false,
                },
            }, members: 2, epochs: 1, count: 30_000));
    }

    /// <summary>The client is killed: what it had on silos ends, and rows are freed when its lease is over.</summary>
    [TestMethod]
    public async Task Client_Killed_RowsAreFreed()
    {
        var options = new TrainingClusterOptions
        {
            ClusterId = s_name + "-lease", SiloPort = RedisServer.FreePort(), GatewayPort = RedisServer.FreePort(),
        };
        await using TrainingCluster silo = await TrainingCluster.StartSiloAsync(options, new TrainingSiloOptions { LeaseInSeconds = 5 });
        using SiloProcess client = SiloProcess.StartClient(new Dictionary<string, string>
        {
            ["cluster"] = options.ClusterId, ["first"] = $"127.0.0.1:{options.GatewayPort}",
        });
        client.WaitUntilReady();
        Assert.AreEqual(1, (await ClusterState.Describe(silo)).Single().Fits);
        client.Kill();
        Assert.AreEqual(1, (await ClusterState.Describe(silo)).Single().Fits);
        AssertFreed(silo);
    }

    /// <summary>Nothing stays behind: a short form of what CLUSTER_FITS=200 asks for.</summary>
    [TestMethod]
    public async Task Fit_AgainAndAgain_NothingGrows()
    {
        int fits = int.Parse(Environment.GetEnvironmentVariable("CLUSTER_FITS") ?? "25", CultureInfo.InvariantCulture);
        using SiloProcess second = StartSilo("second");
        second.WaitUntilReady();
        await WaitForSilos(2);
        string? first = null;
        (int Threads, long Memory, int Files) early = default;
        for (int fit = 0; fit < fits; fit++)
        {
            string hash = Fits.Regression(_context, Options(silos: 2), members: 4, epochs: 1, count: 4000);
            Assert.AreEqual(first ??= hash, hash);
            if (fit == fits / 2)
                early = Usage(second.Id);
        }

        AssertFreed();
        (int Threads, long Memory, int Files) late = Usage(second.Id);
        TestContext.WriteLine($"{fits} fits; half way {early}, at the end {late}");
        Assert.IsLessThanOrEqualTo(early.Threads + 6, late.Threads);
        Assert.IsLessThanOrEqualTo(early.Files + 6, late.Files);
        Assert.IsLessThanOrEqualTo(early.Memory + (64L << 20), late.Memory);
    }

    private static (int Threads, long Memory, int Files) Usage(int process)
    {
        using Process found = Process.GetProcessById(process);
        int files = OperatingSystem.IsLinux() ? Directory.GetFiles($"/proc/{process}/fd").Length : 0;
        return (found.Threads.Count, found.WorkingSet64, files);
    }

    private static SiloProcess StartSilo(string name, params (string Key, string Value)[] more)
    {
        var given = new Dictionary<string, string>
        {
            ["cluster"] = s_name, ["name"] = name, ["first"] = $"127.0.0.1:{s_options.SiloPort}",
        };
        foreach ((string key, string value) in more)
            given[key] = value;
        return SiloProcess.StartSilo(given);
    }

    private static BatchNormNetworkRegressionTrainer.Options Options(
        IProgress<TrainingProgress>? progress = null, string? directory = null, int silos = 1) => new()
    {
        Progress = progress,
        TrainingRunner = s_cluster.CreateRunner(
            new OrleansRunnerOptions { RowsDirectory = directory, MinimumNumberOfCores = 1 + silos, PatienceInSeconds = 30 }),
    };

    private static Task WaitForSilos(int count) => ClusterState.WaitForSilos(s_cluster, count);

    /// <summary>No silo has rows or trainings any more, and long before a lease of 30 s would end.</summary>
    private static void AssertFreed(TrainingCluster? cluster = null)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            SiloDescription[] silos = ClusterState.Describe(cluster ?? s_cluster).GetAwaiter().GetResult();
            if (silos.All(silo => silo is { Fits: 0, Running: 0 }))
                return;
            Assert.IsLessThan(
                20, Stopwatch.GetElapsedTime(began).TotalSeconds,
                string.Join(' ', silos.Select(silo => $"{silo.Name}: {silo.Fits} fits, {silo.Running} trainings.")));
            Thread.Sleep(100);
        }
    }
}
