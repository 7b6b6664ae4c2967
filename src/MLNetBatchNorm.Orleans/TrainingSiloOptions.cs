namespace MLNetBatchNorm.Clustering;

/// <summary>What a silo gives to trainings.</summary>
public sealed class TrainingSiloOptions
{
    /// <summary>Name of grain storage in which trainings under way keep their states, if a silo has storage of that name.</summary>
    public const string StorageName = "MLNetBatchNorm";

    /// <summary>What the silo is called in messages and in Orleans' own tools.</summary>
    /// <value>Default null: the name of the machine and the number of the process.</value>
    public string? Name { get; set; }

    /// <summary>Number of cores that train, of all trainings together.</summary>
    /// <value>Default null: one for each processor the process may use. At least 1.</value>
    public int? NumberOfCores { get; set; }

    /// <summary>Number of cores that each training gets. It has no influence on the result.</summary>
    /// <value>Default 1: trainings side by side keep cores busier than threads that meet several times a step. At least 1.</value>
    public int CoresOfTraining { get; set; } = 1;

    /// <summary>
    /// Memory for rows, in megabytes (2^20 bytes): of all fits whose trainings run here at the same time. A silo that cannot hold the rows
    /// of a fit refuses it, and trains nothing of it.
    /// </summary>
    /// <value>Default 4096. How rows are read follows the client's own <c>MemoryBudgetInMegabytes</c>, and not this.</value>
    public int MemoryBudgetInMegabytes { get; set; } = 4096;

    /// <summary>Where the temporary file is made for the rows of a fit that spills them.</summary>
    /// <value>Default null: the system's directory for temporary files.</value>
    public string? TemporaryDirectory { get; set; }

    /// <summary>The directory from which rows may be read that a client has put there, instead of through Orleans: see
    /// <see cref="OrleansRunnerOptions.RowsDirectory"/>. Nothing outside of it is read.</summary>
    /// <value>Default null: rows come through Orleans only.</value>
    public string? RowsDirectory { get; set; }

    /// <summary>Seconds after which the state of a training is kept again, at the end of the epoch under way then, if the silo has grain
    /// storage of the name <see cref="StorageName"/>.</summary>
    /// <value>Default 30. At least 0: after every epoch.</value>
    public double CheckpointIntervalInSeconds { get; set; } = 30;

    /// <summary>Seconds without a word of a client after which its trainings are ended here, and its rows freed.</summary>
    /// <value>Default 30. At least 5.</value>
    public double LeaseInSeconds { get; set; } = 30;

    /// <summary>Set by tests: a library of another version.</summary>
    internal string LibraryVersion { get; set; } = FitTrainings.LibraryVersion;

    internal string SiloName => Name ?? $"{Environment.MachineName}-{Environment.ProcessId}";

    internal int Cores => NumberOfCores ?? Environment.ProcessorCount;

    internal long MemoryBytes => (long)MemoryBudgetInMegabytes << 20;

    internal void Validate()
    {
        Require(NumberOfCores is null or >= 1, nameof(NumberOfCores), NumberOfCores ?? 0, "at least 1, or null for every processor");
        Require(CoresOfTraining >= 1, nameof(CoresOfTraining), CoresOfTraining, "at least 1");
        Require(
            CoresOfTraining <= Cores, nameof(CoresOfTraining), CoresOfTraining,
            $"at most the {Cores} cores that the silo gives to trainings");
        Require(MemoryBudgetInMegabytes >= 1, nameof(MemoryBudgetInMegabytes), MemoryBudgetInMegabytes, "at least 1");
        Require(
            CheckpointIntervalInSeconds is >= 0 and < 1e9, nameof(CheckpointIntervalInSeconds), CheckpointIntervalInSeconds, "at least 0");
        Require(LeaseInSeconds is >= 5 and < 1e9, nameof(LeaseInSeconds), LeaseInSeconds, "at least 5");
        RequireDirectory(nameof(TemporaryDirectory), TemporaryDirectory);
        RequireDirectory(nameof(RowsDirectory), RowsDirectory);
    }

    private static void RequireDirectory(string name, string? path)
    {
        if (path is not null && !Directory.Exists(path))
            throw new DirectoryNotFoundException($"{name} is '{path}', and there is no such directory. Create it, or set null.");
    }

    private static void Require(bool condition, string name, double found, string needed)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, found, FormattableString.Invariant($"{name} is {found}; it must be {needed}."));
    }
}
