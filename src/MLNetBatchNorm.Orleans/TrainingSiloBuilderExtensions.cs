using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime.Placement;
using StackExchange.Redis;

namespace MLNetBatchNorm.Clustering;

/// <summary>Adds what trains networks to an Orleans host of one's own.</summary>
public static class TrainingSiloBuilderExtensions
{
    // A silo that is probed every so often and has missed so many is dead: about two seconds, and less where its machine refuses the
    // connection. Orleans' own defaults come to half a minute.
    private static readonly TimeSpan s_probe = TimeSpan.FromSeconds(0.6);
    private const int MissedProbes = 3;

    // Of the first silo of a cluster without Redis, which has the table of members: about a minute. Nobody can do without it, so that to
    // take it for dead because it is busy would only do harm.
    private const int MissedProbesOfFirst = 100;

    private static readonly TimeSpan s_connecting = TimeSpan.FromSeconds(5);

    /// <summary>Makes a silo train networks.</summary>
    /// <param name="builder">The silo.</param>
    /// <param name="options">What it gives; null: the defaults.</param>
    /// <returns>The silo.</returns>
    public static ISiloBuilder AddNetworkTraining(this ISiloBuilder builder, TrainingSiloOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        options ??= new TrainingSiloOptions();
        builder.Services.AddSingleton(Options.Create(options));
        builder.Services.AddSingleton<SiloTrainings>();
        builder.Services.AddPlacementDirector<OneSiloPlacement, OneSiloPlacementDirector>();
        builder.Configure<SiloOptions>(silo => silo.SiloName = options.SiloName);
        return builder;
    }

    /// <summary>Makes a silo find its cluster, and notice within three seconds when another silo dies.</summary>
    /// <param name="builder">The silo.</param>
    /// <param name="options">How the cluster is found.</param>
    /// <returns>The silo.</returns>
    public static ISiloBuilder UseTrainingCluster(this ISiloBuilder builder, TrainingClusterOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        int siloPort = PortOf(options.Address, options.SiloPort), gatewayPort = PortOf(options.Address, options.GatewayPort);
        if (options.Redis is { } redis)
            builder.UseRedisClustering(redis);
        else
            builder.UseLocalhostClustering(siloPort, gatewayPort, options.FirstSilo, options.ClusterId, options.ClusterId);
        builder.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.ClusterId, options.ClusterId));
        builder.Configure<EndpointOptions>(ends =>
        {
            ends.AdvertisedIPAddress = options.Address;
            (ends.SiloPort, ends.GatewayPort) = (siloPort, gatewayPort);
        });
        builder.Configure<SiloMessagingOptions>(messages => messages.MaxMessageBodySize = MessageLimits.MessageBytes);
        builder.Configure<ClusterMembershipOptions>(members =>
        {
            members.ProbeTimeout = s_probe;
            members.NumMissedProbesLimit = options is { Redis: null, FirstSilo: not null } ? MissedProbesOfFirst : MissedProbes;
            members.NumVotesForDeathDeclaration = 1;
            // To ask another silo for its opinion takes longer where that one has died as well.
            members.EnableIndirectProbes = false;
            members.TableRefreshTimeout = TimeSpan.FromSeconds(5);
            members.DefunctSiloExpiration = TimeSpan.FromHours(1);
        });
        return builder;
    }

    /// <summary>Makes a client find the cluster.</summary>
    /// <param name="builder">The client.</param>
    /// <param name="options">How the cluster is found.</param>
    /// <returns>The client.</returns>
    public static IClientBuilder UseTrainingCluster(this IClientBuilder builder, TrainingClusterOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Redis is { } redis)
            builder.UseRedisClustering(redis);
        else
            builder.UseStaticClustering(options.FirstSilo ?? new IPEndPoint(options.Address, options.GatewayPort));
        builder.Configure<ClusterOptions>(cluster => (cluster.ClusterId, cluster.ServiceId) = (options.ClusterId, options.ClusterId));
        long began = Stopwatch.GetTimestamp();
        builder.UseConnectionRetryFilter(async (_, cancellation) =>
        {
            if (Stopwatch.GetElapsedTime(began) > s_connecting)
                return false;
            await Task.Delay(TimeSpan.FromSeconds(0.5), cancellation);
            return true;
        });
        builder.Configure<GatewayOptions>(gateways => gateways.GatewayListRefreshPeriod = TimeSpan.FromSeconds(2));
        builder.Configure<ClientMessagingOptions>(messages => messages.MaxMessageBodySize = MessageLimits.MessageBytes);
        return builder;
    }

    private static int PortOf(IPAddress address, int port)
    {
        if (port != 0)
            return port;
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
