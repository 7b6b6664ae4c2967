using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.ML;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>
/// How long an ensemble of eight takes on threads, on an embedded silo, and on one to four silos of one core; with the times of the rows
/// and of the trainings apart. Lines of tab-separated text. To be run alone on the machine: <c>build/build.sh cluster-bench</c>.
/// </summary>
internal static class Measurement
{
    public const string Switch = "--measure";
    private const int Members = 8, Rows = 20_000, Epochs = 48;

    public static async Task Run(string[] silos)
    {
        Line("what", "seconds", "seconds until the first training began", "hash");
        Train("1 thread", 1, null);
        Train("2 threads", 2, null);
        await using (TrainingCluster embedded = await TrainingCluster.StartSiloAsync(
            new TrainingClusterOptions { ClusterId = "measure", SiloPort = RedisServer.FreePort(), GatewayPort = RedisServer.FreePort() },
            new TrainingSiloOptions { NumberOfCores = 2 }))
        {
            // Once to warm up, as below: the first fit compiles Orleans' code.
            Train("embedded silo of 2 cores, cold", 2, embedded.CreateRunner());
            Train("embedded silo of 2 cores", 2, embedded.CreateRunner());
        }

        foreach (int count in silos.Length > 0 ? silos.Select(text => int.Parse(text, CultureInfo.InvariantCulture)) : [1, 2, 3, 4])
            await OnSilos(count);
    }

    private static async Task OnSilos(int count)
    {
        string name = $"measure-{Guid.NewGuid():N}";
        int siloPort = RedisServer.FreePort(), gatewayPort = RedisServer.FreePort();
        var silos = new List<SiloProcess>();
        try
        {
            for (int silo = 0; silo < count; silo++)
            {
                var given = new Dictionary<string, string> { ["cluster"] = name, ["name"] = $"{silo}", ["keep"] = "1000" };
                if (silo == 0)
                    (given["silo-port"], given["gateway-port"]) = ($"{siloPort}", $"{gatewayPort}");
                else
                    given["first"] = $"127.0.0.1:{siloPort}";
                silos.Add(SiloProcess.StartSilo(given));
                silos[silo].WaitUntilReady();
            }

            await using TrainingCluster client = await TrainingCluster.ConnectAsync(
                new TrainingClusterOptions { ClusterId = name, FirstSilo = new IPEndPoint(IPAddress.Loopback, gatewayPort) });
            await ClusterState.WaitForSilos(client, count);
            // Once to warm up: a new process compiles its code.
            Train($"{count} silos of 1 core, cold", 1, client.CreateRunner());
            Train($"{count} silos of 1 core", 1, client.CreateRunner());
        }
        finally
        {
            foreach (SiloProcess silo in silos)
                silo.Dispose();
        }
    }

    private static void Train(string what, int threads, TrainingRunner? runner)
    {
        var context = new MLContext(1);
        IDataView rows = context.Data.Cache(Fits.Rows(context, Rows));
        long began = 0, first = 0;
        context.Log += (_, e) =>
        {
            if (began == 0 && e.RawMessage.StartsWith("Training 8 networks", StringComparison.Ordinal))
                began = Stopwatch.GetTimestamp();
            if (first == 0 && e.RawMessage.Contains(", training on ", StringComparison.Ordinal))
                first = Stopwatch.GetTimestamp();
        };
        var model = context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            NumberOfEnsembleMembers = Members, MaximumNumberOfEpochs = Epochs, EarlyStoppingPatience = 0, Seed = 1, TrainingRunner = runner,
            NumberOfThreads = threads,
        }).Fit(rows);
        double all = Stopwatch.GetElapsedTime(began).TotalSeconds;
        double start = Stopwatch.GetElapsedTime(began, first).TotalSeconds;
        Line(what, all.ToString("0.00", CultureInfo.InvariantCulture), start.ToString("0.00", CultureInfo.InvariantCulture),
            Fits.Hash(context, model, rows.Schema)[..8]);
    }

    private static void Line(params string[] cells)
    {
        Console.WriteLine(string.Join('\t', cells));
        Console.Out.Flush();
    }
}
