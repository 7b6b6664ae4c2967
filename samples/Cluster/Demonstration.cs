using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using MLNetBatchNorm.Clustering;

namespace Cluster;

/// <summary>Two silos as processes of this program, a client, and a SIGKILL.</summary>
internal static class Demonstration
{
    public static async Task Run(TrainingClusterOptions cluster)
    {
        string here = Job.Train(null, _ => { });
        Console.WriteLine("8 networks on threads of this process");
        cluster.ClusterId = $"sample-{Guid.NewGuid():N}";
        (int siloPort, int gatewayPort) = (FreePort(), FreePort());
        // Without Redis the first silo keeps the table of members; the second has to know where it is.
        using Process first = StartSilo(cluster, "silo 1", new() { [ClusterSettings.SiloPort] = $"{siloPort}",
            [ClusterSettings.GatewayPort] = $"{gatewayPort}" });
        using Process second = StartSilo(cluster, "silo 2", new() { [ClusterSettings.SiloPort] = $"{FreePort()}",
            [ClusterSettings.GatewayPort] = $"{FreePort()}",
            [ClusterSettings.First] = cluster.Redis is null ? $"{IPAddress.Loopback}:{siloPort}" : "" });
        try
        {
            cluster.GatewayPort = gatewayPort;
            await using TrainingCluster client = await TrainingCluster.ConnectAsync(cluster);
            var options = new OrleansRunnerOptions { MinimumNumberOfCores = 2, PatienceInSeconds = 30 };
            OrleansTrainingRunner runner = client.CreateRunner(options);
            string onBoth = Job.Train(runner, _ => { });
            Console.WriteLine($"8 networks on two silos of one core each, the same model to the last bit: {onBoth == here}");

            int epochs = 0;
            string afterKill = Job.Train(runner, _ =>
            {
                if (++epochs != 30)
                    return;
                second.Kill();
                Console.WriteLine($"after {epochs} epochs of {8 * 12} one of the silos is killed");
            });
            Console.WriteLine($"8 networks on what is left, the same model to the last bit: {afterKill == here}");
            Console.WriteLine($"SHA-256 {here}");
        }
        finally
        {
            first.Kill();
            second.Kill();
        }
    }

    private static Process StartSilo(TrainingClusterOptions cluster, string name, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", typeof(Demonstration).Assembly.Location, "silo"])
        {
            RedirectStandardOutput = true,
        };
        start.Environment[ClusterSettings.Id] = cluster.ClusterId;
        start.Environment[ClusterSettings.Name] = name;
        start.Environment[ClusterSettings.Cores] = 1.ToString(CultureInfo.InvariantCulture);
        foreach ((string key, string value) in environment)
            start.Environment[key] = value;
        Process process = Process.Start(start)!;
        if (process.StandardOutput.ReadLine() != "ready")
            throw new InvalidOperationException($"{name} did not start.");
        return process;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
