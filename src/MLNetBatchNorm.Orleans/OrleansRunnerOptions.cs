namespace MLNetBatchNorm.Clustering;

/// <summary>How a <see cref="OrleansTrainingRunner"/> goes about its work.</summary>
public sealed class OrleansRunnerOptions
{
    /// <summary>Cores that the cluster must have before a fit begins.</summary>
    /// <value>Default 1. At least 1. Fewer are an error, before any row is read.</value>
    public int MinimumNumberOfCores { get; set; } = 1;

    /// <summary>Seconds to wait for silos: when a fit begins, and whenever none is left.</summary>
    /// <value>Default 10. At least 1.</value>
    public double PatienceInSeconds { get; set; } = 10;

    /// <summary>
    /// A directory that all machines share, in which rows are put in a file for the silos to read, instead of being sent to each. It must
    /// be the <see cref="TrainingSiloOptions.RowsDirectory"/> of each silo, under whatever path it is known there.
    /// </summary>
    /// <value>Default null: rows are sent, once to each silo. The file is removed when the fit ends.</value>
    public string? RowsDirectory { get; set; }

    /// <summary>How often a training is begun, being lost with the silo that had it, before the fit fails.</summary>
    /// <value>Default 10. At least 1. A training that takes its silo down with it would end one after the other.</value>
    public int MaximumNumberOfAttempts { get; set; } = 10;

    internal TimeSpan Patience => TimeSpan.FromSeconds(PatienceInSeconds);

    internal void Validate()
    {
        Require(MinimumNumberOfCores >= 1, nameof(MinimumNumberOfCores), MinimumNumberOfCores);
        Require(PatienceInSeconds is >= 1 and < 1e9, nameof(PatienceInSeconds), PatienceInSeconds);
        Require(MaximumNumberOfAttempts >= 1, nameof(MaximumNumberOfAttempts), MaximumNumberOfAttempts);
        if (RowsDirectory is not null && !Directory.Exists(RowsDirectory))
        {
            throw new DirectoryNotFoundException(
                $"RowsDirectory is '{RowsDirectory}', and there is no such directory. Create it where all silos can read it, or set null.");
        }
    }

    private static void Require(bool condition, string name, double found)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, found, FormattableString.Invariant($"{name} is {found}; it must be at least 1."));
    }
}
