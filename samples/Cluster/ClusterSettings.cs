using System.Globalization;
using System.Net;
using MLNetBatchNorm.Clustering;

namespace Cluster;

/// <summary>
/// Host names, ports and secrets come from the environment, so that none of them stands in a file or in a list of processes.
/// </summary>
internal static class ClusterSettings
{
    public const string Redis = "CLUSTER_REDIS", Address = "CLUSTER_ADDRESS", SiloPort = "CLUSTER_SILO_PORT", First = "CLUSTER_FIRST_SILO",
        GatewayPort = "CLUSTER_GATEWAY_PORT", Cores = "CLUSTER_CORES", Name = "CLUSTER_SILO_NAME", Id = "CLUSTER_ID";

    /// <summary>How the cluster is found.</summary>
    public static TrainingClusterOptions FromEnvironment() => new()
    {
        ClusterId = Of(Id) ?? "sample",
        Redis = Of(Redis),
        Address = Of(Address) is { } name ? Dns.GetHostAddresses(name)[0] : IPAddress.Loopback,
        SiloPort = NumberOf(SiloPort) ?? 11111,
        GatewayPort = NumberOf(GatewayPort) ?? 30000,
        FirstSilo = Of(First) is { } first ? IPEndPoint.Parse(first) : null,
    };

    /// <summary>What a silo gives.</summary>
    public static TrainingSiloOptions SiloFromEnvironment() => new() { Name = Of(Name), NumberOfCores = NumberOf(Cores) };

    private static string? Of(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static int? NumberOf(string name) => Of(name) is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : null;
}
