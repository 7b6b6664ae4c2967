using System.Globalization;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.ML;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Storage;
using StackExchange.Redis;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>What a process is that a test has started: a silo, or a client that trains and is killed.</summary>
internal static class ProcessRole
{
    public const string Silo = "--silo", Client = "--client";

    public static bool IsOne(string[] args) => args is [Silo or Client, ..];

    public static async Task<int> Run(string[] args)
    {
        Dictionary<string, string> given = args.Skip(1).Select(arg => arg.Split('=', 2)).ToDictionary(parts => parts[0], parts => parts[1]);
        var released = new TaskCompletionSource();
        TrainingClusterOptions cluster = Cluster(given, released.Task);
        if (args[0] == Client)
        {
            await using TrainingCluster client = await TrainingCluster.ConnectAsync(cluster);
            var options = new BatchNormNetworkRegressionTrainer.Options { TrainingRunner = client.CreateRunner() };
            options.Progress = new Printer();
            Fits.Regression(new MLContext(1), options, epochs: 100_000);
            return 1;
        }

        var silo = new TrainingSiloOptions
        {
            Name = given["name"],
            NumberOfCores = NumberOf(given, "cores", 1), MemoryBudgetInMegabytes = NumberOf(given, "megabytes", 512),
            RowsDirectory = given.GetValueOrDefault("rows"), CheckpointIntervalInSeconds = NumberOf(given, "keep", 0),
        };
        // A silo lives as long as its parent holds its input open.
        _ = Task.Run(() =>
        {
            while (Console.In.ReadLine() is not null)
                released.TrySetResult();

            Environment.Exit(0);
        });
        await using TrainingCluster started = await TrainingCluster.StartSiloAsync(cluster, silo);
        Console.WriteLine("ready");
        await started.WaitForEndAsync();
        return 0;
    }

    private static int NumberOf(Dictionary<string, string> given, string name, int otherwise) =>
        given.TryGetValue(name, out string? value) ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;

    private static TrainingClusterOptions Cluster(Dictionary<string, string> given, Task released)
    {
        var cluster = new TrainingClusterOptions
        {
            ClusterId = given["cluster"], Redis = given.GetValueOrDefault("redis"),
            SiloPort = NumberOf(given, "silo-port", 0), GatewayPort = NumberOf(given, "gateway-port", 0),
            FirstSilo = given.TryGetValue("first", out string? first) ? IPEndPoint.Parse(first) : null,
        };
        cluster.ConfigureSilo = silo =>
        {
            silo.Services.AddLogging(log => log.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
            if (given.ContainsKey("checkpoints"))
            {
                bool holds = given.ContainsKey("hold");
                string name = holds ? "held" : TrainingSiloOptions.StorageName;
                silo.AddRedisGrainStorage(name, storage => storage.ConfigurationOptions = ConfigurationOptions.Parse(cluster.Redis!));
                if (holds)
                {
                    silo.Services.AddKeyedSingleton<IGrainStorage>(TrainingSiloOptions.StorageName, (services, _) => new HeldStorage(
                        services.GetRequiredKeyedService<IGrainStorage>(name), NumberOf(given, "hold", 1), released));
                }
            }
        };
        return cluster;
    }

    private sealed class Printer : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            Console.WriteLine("epoch");
            Console.Out.Flush();
        }
    }
}
