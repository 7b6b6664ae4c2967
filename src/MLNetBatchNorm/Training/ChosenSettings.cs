namespace MLNetBatchNorm;

/// <summary>
/// What a training used where options were left open, and what it was given: saved with the model, so that it can be asked for later.
/// </summary>
/// <remarks>
/// Models that format version 1 or 2 saved have none. Where one network has been taught by others
/// (<see cref="BatchNormNetwork.NumberOfTeachers"/>), these are the settings of its own training.
/// </remarks>
public sealed class ChosenSettings
{
    internal ChosenSettings()
    {
    }

    /// <summary>Rows of a training step.</summary>
    public int BatchSize { get; internal init; }

    /// <summary>Largest number of passes over the rows.</summary>
    public int MaximumNumberOfEpochs { get; internal init; }

    /// <summary>The schedule's reference rate.</summary>
    public double LearningRate { get; internal init; }

    /// <summary>
    /// Share of the training rows that each network set aside for validation; 0 if none was, or validation rows were given.
    /// </summary>
    public double ValidationFraction { get; internal init; }

    /// <summary>
    /// Start of all random numbers: with it as <see cref="BatchNormNetworkOptions.Seed"/>, the same rows and options give the same model.
    /// </summary>
    public int Seed { get; internal init; }

    /// <summary>Training rows that were used, before any were set aside.</summary>
    public long NumberOfTrainingRows { get; internal init; }

    /// <summary>Version of the library that trained the model.</summary>
    public string LibraryVersion { get; internal init; } = "";
}
