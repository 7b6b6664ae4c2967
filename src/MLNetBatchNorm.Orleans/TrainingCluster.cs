using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.Runtime;

namespace MLNetBatchNorm.Clustering;

/// <summary>
/// This process as a part of a cluster that trains: a silo, which gives its cores and can also call <c>Fit</c>, or a client, which only
/// calls <c>Fit</c>.
/// </summary>
/// <remarks>
/// Whoever has an Orleans host already adds what trains to it with <see cref="TrainingSiloBuilderExtensions"/>, and gives its client to an
/// <see cref="OrleansTrainingRunner"/>.
/// </remarks>
public sealed class TrainingCluster : IAsyncDisposable
{
    private readonly IHost _host;

    private TrainingCluster(IHost host)
    {
        _host = host;
        Client = host.Services.GetRequiredService<IClusterClient>();
    }

    /// <summary>Orleans' client.</summary>
    public IClusterClient Client { get; }

    /// <summary>The services of the host, for Orleans' own tools.</summary>
    public IServiceProvider Services => _host.Services;

    /// <summary>
    /// Starts a silo in this process. Without Redis and a first silo it is the first of its cluster: all that it takes to train with the
    /// same program on one machine.
    /// </summary>
    /// <param name="cluster">How silos find each other; null: the defaults, nothing to install.</param>
    /// <param name="silo">What the silo gives; null: all cores.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <returns>The running silo; it ends when disposed of.</returns>
    /// <exception cref="InvalidOperationException">The cluster cannot be reached, or a port is taken.</exception>
    public static async Task<TrainingCluster> StartSiloAsync(
        TrainingClusterOptions? cluster = null, TrainingSiloOptions? silo = null, CancellationToken cancellation = default)
    {
        cluster ??= new TrainingClusterOptions();
        silo ??= new TrainingSiloOptions();
        silo.Validate();
        HostApplicationBuilder builder = CreateBuilder();
        builder.UseOrleans(orleans =>
        {
            orleans.UseTrainingCluster(cluster);
            orleans.AddNetworkTraining(silo);
            cluster.ConfigureSilo?.Invoke(orleans);
        });
        return await StartAsync(builder, "A silo cannot be started in", cluster, cancellation);
    }

    /// <summary>Connects this process to a cluster as a client.</summary>
    /// <param name="cluster">How the cluster is found; null: a first silo on this machine.</param>
    /// <param name="cancellation">Ends the connecting.</param>
    /// <returns>The connected client; it disconnects when disposed of.</returns>
    /// <exception cref="InvalidOperationException">No silo is reachable.</exception>
    public static async Task<TrainingCluster> ConnectAsync(TrainingClusterOptions? cluster = null, CancellationToken cancellation = default)
    {
        cluster ??= new TrainingClusterOptions();
        HostApplicationBuilder builder = CreateBuilder();
        builder.UseOrleansClient(orleans =>
        {
            orleans.UseTrainingCluster(cluster);
            cluster.ConfigureClient?.Invoke(orleans);
        });
        return await StartAsync(builder, "No silo answers in", cluster, cancellation);
    }

    /// <summary>A runner for <see cref="BatchNormNetworkOptions.TrainingRunner"/>.</summary>
    /// <param name="options">How it goes about its work; null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no directory of the options.</exception>
    public OrleansTrainingRunner CreateRunner(OrleansRunnerOptions? options = null) => new(Client, options);

    /// <summary>
    /// Waits until the process is told to end, or Orleans ends the silo: all that a program that is only a silo has to do.
    /// </summary>
    /// <param name="cancellation">Ends the waiting.</param>
    public Task WaitForEndAsync(CancellationToken cancellation = default) => _host.WaitForShutdownAsync(cancellation);

    /// <summary>Leaves the cluster; what a silo was training others take up.</summary>
    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await _host.StopAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            // The others notice its end by themselves.
        }
        finally
        {
            if (_host is IAsyncDisposable host)
                await host.DisposeAsync();
            else
                _host.Dispose();
        }
    }

    private static HostApplicationBuilder CreateBuilder()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        return builder;
    }

    private static async Task<TrainingCluster> StartAsync(
        HostApplicationBuilder builder, string what, TrainingClusterOptions cluster, CancellationToken cancellation)
    {
        IHost host = builder.Build();
        try
        {
            await host.StartAsync(cancellation);
            return new TrainingCluster(host);
        }
        catch (Exception e) when (IsOfTheNetwork(e))
        {
            host.Dispose();
            throw new InvalidOperationException(
                $"{what} the cluster {cluster.Text}: {e.Message} Look whether its silos run, and whether ClusterId, Redis, addresses and "
                + "ports are theirs.", e);
        }
    }

    private static bool IsOfTheNetwork(Exception exception) =>
        exception is OrleansException or SocketException or TimeoutException or IOException or StackExchange.Redis.RedisException
            or AggregateException;
}
