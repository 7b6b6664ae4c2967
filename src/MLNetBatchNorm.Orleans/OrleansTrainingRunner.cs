using System.Diagnostics;

namespace MLNetBatchNorm.Clustering;

/// <summary>Runs the trainings of a <c>Fit</c> on the silos of an Orleans cluster: see
/// <see cref="BatchNormNetworkOptions.TrainingRunner"/>.</summary>
/// <remarks>
/// <para>
/// The rows go once to each silo. A silo takes as many trainings as it has cores for, each on a thread of its own. When a silo dies, others
/// take up its trainings: from the last checkpoint if silos have grain storage, else anew; the model is the same in any case, to the last
/// bit.
/// </para>
/// <para>One runner serves any number of fits, also at the same time, as in cross-validation.</para>
/// </remarks>
public sealed class OrleansTrainingRunner : TrainingRunner
{
    private readonly IGrainFactory _grains;
    private readonly OrleansRunnerOptions _options;

    /// <summary>A runner for the cluster of a client, or of a silo in this process.</summary>
    /// <param name="client">The connected client; a silo's own is <c>IClusterClient</c> of its services.</param>
    /// <param name="options">How it goes about its work; null: the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no directory of the options.</exception>
    public OrleansTrainingRunner(IGrainFactory client, OrleansRunnerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        _grains = client;
        _options = options ?? new OrleansRunnerOptions();
        _options.Validate();
    }

    /// <summary>Whether a silo in this process reads rows where they are; tests make it one like any other.</summary>
    internal bool LendsRows { get; init; } = true;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">
    /// No silo is reachable, silos have another version of the library, or they have fewer cores than asked for.
    /// </exception>
    public override void CheckReady(CancellationToken cancellation) =>
        Task.Run(() => CheckReadyAsync(cancellation), CancellationToken.None).GetAwaiter().GetResult();

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">There are no silos any more, or none can hold the rows.</exception>
    public override void Run(FitTrainings trainings, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(trainings);
        using var session = new FitSession(_grains, _options, trainings, LendsRows);
        session.Run(cancellation);
    }

    private async Task CheckReadyAsync(CancellationToken cancellation)
    {
        var directory = _grains.GetGrain<ITrainingDirectory>(0);
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            SiloDescription[] silos = await Describe(await FitSession.Silos(directory, cancellation) ?? [], cancellation);
            SiloDescription[] usable = [.. silos.Where(silo => silo.LibraryVersion == FitTrainings.LibraryVersion)];
            int cores = usable.Sum(silo => silo.Cores);
            if (cores >= _options.MinimumNumberOfCores)
                return;
            if (Stopwatch.GetElapsedTime(began) > _options.Patience)
                throw new InvalidOperationException(Complaint(silos, usable, cores));
            await Task.Delay(100, cancellation);
        }
    }

    private async Task<SiloDescription[]> Describe(string[] addresses, CancellationToken cancellation)
    {
        SiloDescription?[] silos = await Task.WhenAll(addresses.Select(async address =>
        {
            try
            {
                return await _grains.GetGrain<ITrainingSilo>(address).Describe().WaitAsync(cancellation);
            }
            catch (Exception e) when (SiloLink.IsOfTheNetwork(e))
            {
                return null;
            }
        }));
        return [.. silos.OfType<SiloDescription>().OrderBy(silo => silo.Name, StringComparer.Ordinal)];
    }

    private string Complaint(SiloDescription[] silos, SiloDescription[] usable, int cores)
    {
        if (silos.Length == 0)
            return FitSession.NoSilos(_options);
        if (usable.Length < silos.Length)
        {
            string others = string.Join(", ", silos.Except(usable).Select(silo => $"silo '{silo.Name}' has {silo.LibraryVersion}"));
            return $"This process has MLNetBatchNorm {FitTrainings.LibraryVersion}, but {others}: networks would differ. "
                + "Run the same version everywhere.";
        }

        return FormattableString.Invariant(
            $"The cluster has {cores} cores ({string.Join(", ", usable.Select(silo => $"silo '{silo.Name}' {silo.Cores}"))}), and ")
            + FormattableString.Invariant($"MinimumNumberOfCores asks for {_options.MinimumNumberOfCores}. Start more silos, or lower it.");
    }
}
