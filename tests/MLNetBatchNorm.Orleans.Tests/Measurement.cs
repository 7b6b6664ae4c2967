using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.ML;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>
/// How long an ensemble of eight takes on threads, on an embedded silo, and on silos of one core; with the times of the rows and of the
/// trainings apart, and the processor time of the client and of the silos. The places take turns, because no machine is as fast one minute
/// as the next; each line has the medians. To be run alone on the machine: <c>build/build.sh cluster-bench</c>, which may be given
/// <c>epochs=N</c>, <c>times=N</c> and numbers of silos (0: threads and the embedded silo).
/// </summary>
internal static class Measurement
{
    public const string Switch = "--measure";

    // A process compiles its code in its first fits, and again when it knows what is called often.
    private const int Members = 8, Rows = 20_000, FitsToWarmUp = 3;

    public static async Task Run(string[] args)
    {
        int[] counts = [.. args.Where(arg => !arg.Contains('=')).Select(Number)];
        (int epochs, int times) = (Given(args, "epochs=", 48), Given(args, "times=", 3));
        Line("what", "seconds", "lowest", "highest", "until the first training began", "processor here", "processor of silos", "hash");
        // Silos that wait take processor time: those of the larger clusters are there alone.
        int[] all = counts.Length > 0 ? counts : [0, 1, 2, 3, 4];
        int[][] groups = [[.. all.Where(count => count < 3)], .. all.Where(count => count >= 3).Select(count => new[] { count })];
        foreach (int[] together in groups)
        {
            var places = new List<Place>();
            try
            {
                foreach (int count in together)
                    places.AddRange(await (count == 0 ? Place.Here() : Place.OnSilos(count)));
                for (int time = -FitsToWarmUp; time < times; time++)
                {
                    foreach (Place place in places)
                        place.Train(epochs, isKept: time >= 0);
                }

                foreach (Place place in places)
                    place.Tell();
            }
            finally
            {
                foreach (Place place in places)
                    await place.DisposeAsync();
            }
        }
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static int Given(string[] args, string name, int usual) =>
        args.FirstOrDefault(arg => arg.StartsWith(name, StringComparison.Ordinal)) is { } arg ? Number(arg[name.Length..]) : usual;

    private static void Line(params string[] cells)
    {
        Console.WriteLine(string.Join('\t', cells));
        Console.Out.Flush();
    }

    /// <summary>Where the same ensemble is trained.</summary>
    private sealed class Place(string what, int threads, TrainingCluster? cluster, IReadOnlyList<SiloProcess> silos) : IAsyncDisposable
    {
        private readonly List<double> _seconds = [], _starts = [], _here = [], _there = [];
        private string _hash = "";

        private double ProcessorOfSilos => silos.Sum(silo => silo.ProcessorSeconds);

        private static double ProcessorHere => Environment.CpuUsage.TotalTime.TotalSeconds;

        public static async Task<Place[]> Here()
        {
            TrainingCluster embedded = await TrainingCluster.StartSiloAsync(
                new TrainingClusterOptions
                {
                    ClusterId = "measure", SiloPort = RedisServer.FreePort(), GatewayPort = RedisServer.FreePort(),
                },
                new TrainingSiloOptions { NumberOfCores = 2 });
            return [new("1 thread", 1, null, []), new("2 threads", 2, null, []), new("embedded silo of 2 cores", 2, embedded, [])];
        }

        public static async Task<Place[]> OnSilos(int count)
        {
            string name = $"measure-{Guid.NewGuid():N}";
            int siloPort = RedisServer.FreePort(), gatewayPort = RedisServer.FreePort();
            var silos = new List<SiloProcess>();
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

            TrainingCluster client = await TrainingCluster.ConnectAsync(
                new TrainingClusterOptions { ClusterId = name, FirstSilo = new IPEndPoint(IPAddress.Loopback, gatewayPort) });
            await ClusterState.WaitForSilos(client, count);
            return [new($"silos of 1 core: {count}", 1, client, silos)];
        }

        public void Train(int epochs, bool isKept)
        {
            var context = new MLContext(1);
            IDataView rows = context.Data.Cache(Fits.Rows(context, Rows));
            long began = 0, first = 0;
            double here = 0, there = 0;
            context.Log += (_, e) =>
            {
                if (began == 0 && e.RawMessage.StartsWith("Training 8 networks", StringComparison.Ordinal))
                    (here, there, began) = (ProcessorHere, ProcessorOfSilos, Stopwatch.GetTimestamp());
                if (first == 0 && e.RawMessage.Contains(", training on ", StringComparison.Ordinal))
                    first = Stopwatch.GetTimestamp();
            };
            var model = context.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
            {
                NumberOfEnsembleMembers = Members, MaximumNumberOfEpochs = epochs, EarlyStoppingPatience = 0, Seed = 1,
                TrainingRunner = cluster?.CreateRunner(), NumberOfThreads = threads,
            }).Fit(rows);
            if (isKept)
            {
                _seconds.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
                _starts.Add(Stopwatch.GetElapsedTime(began, first).TotalSeconds);
                _here.Add(ProcessorHere - here);
                _there.Add(ProcessorOfSilos - there);
                _hash = Fits.Hash(context, model, rows.Schema)[..8];
            }
        }

        public void Tell() => Line(
            what, Text(Median(_seconds)), Text(_seconds.Min()), Text(_seconds.Max()), Text(Median(_starts)), Text(Median(_here)),
            Text(Median(_there)), _hash);

        public async ValueTask DisposeAsync()
        {
            if (cluster is not null)
                await cluster.DisposeAsync();
            foreach (SiloProcess silo in silos)
                silo.Dispose();
        }

        private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

        private static string Text(double seconds) => seconds.ToString("0.00", CultureInfo.InvariantCulture);
    }
}
