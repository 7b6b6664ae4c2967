using System.Net;
using StackExchange.Redis;

namespace MLNetBatchNorm.Clustering;

/// <summary>How a process finds the others of its cluster, and how it is found.</summary>
/// <remarks>
/// Silos know each other by a table of members. Without <see cref="Redis"/> the table is in the memory of the first silo (Orleans'
/// <c>UseLocalhostClustering</c>): nothing is to be installed, and only the others may come and go. With it the table is in Redis, and any
/// silo may die. An Orleans cluster trusts its network: whoever reaches the ports of a silo, or the table, belongs to it. Keep them on
/// loopback, or in a network of their own, and see docs/scale.md about TLS.
/// </remarks>
public sealed class TrainingClusterOptions
{
    /// <summary>Name of the cluster; silos and clients of another name do not meet.</summary>
    /// <value>Default <c>mlnetbatchnorm</c>.</value>
    public string ClusterId { get; set; } = "mlnetbatchnorm";

    /// <summary>
    /// Where Redis keeps the table of members, as StackExchange.Redis has it: <c>host:port,password=...</c>. It is a secret where it has a
    /// password; take it from the environment.
    /// </summary>
    /// <value>Default null: the table is in the memory of the first silo.</value>
    public string? Redis { get; set; }

    /// <summary>The address at which a silo listens, and which it tells the others.</summary>
    /// <value>Default loopback: only processes of this machine reach it.</value>
    public IPAddress Address { get; set; } = IPAddress.Loopback;

    /// <summary>The port at which a silo listens to other silos.</summary>
    /// <value>Default 11111, Orleans' own. 0: one that is free.</value>
    public int SiloPort { get; set; } = 11111;

    /// <summary>The port at which a silo listens to clients.</summary>
    /// <value>Default 30000, Orleans' own. 0: one that is free.</value>
    public int GatewayPort { get; set; } = 30000;

    /// <summary>Without Redis: the silo that has the table of members, its address and <see cref="SiloPort"/>; for a client its address and
    /// <see cref="GatewayPort"/>.</summary>
    /// <value>Default null: a silo is the first one itself, a client looks at <see cref="Address"/> and <see cref="GatewayPort"/>.</value>
    public IPEndPoint? FirstSilo { get; set; }

    /// <summary>Changes more of a silo before it starts: TLS, grain storage, logging.</summary>
    /// <value>Default null.</value>
    public Action<ISiloBuilder>? ConfigureSilo { get; set; }

    /// <summary>Changes more of a client before it starts, such as TLS.</summary>
    /// <value>Default null.</value>
    public Action<IClientBuilder>? ConfigureClient { get; set; }

    /// <summary>For messages; without a password.</summary>
    internal string Text => Redis is null
        ? $"'{ClusterId}' whose first silo is at {FirstSilo ?? new IPEndPoint(Address, SiloPort)}"
        : $"'{ClusterId}' in Redis at {string.Join(", ", ConfigurationOptions.Parse(Redis).EndPoints.Select(end => end.ToString()))}";
}
