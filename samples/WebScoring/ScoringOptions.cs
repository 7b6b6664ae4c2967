using System.ComponentModel.DataAnnotations;

namespace WebScoring;

/// <summary>
/// The settings, section "Scoring": from appsettings.json, environment variables (<c>Scoring__ModelPath</c>) or the command line
/// (<c>--Scoring:ModelPath</c>). A value out of range stops the program at its start.
/// </summary>
public sealed class ScoringOptions
{
    /// <summary>The model zip. A relative path counts from the folder of the program.</summary>
    [Required]
    public string ModelPath { get; set; } = "models/digits.zip";

    /// <summary>How often the model file is looked at. Looking costs one call to the file system.</summary>
    [Range(10, 3_600_000)]
    public int PollMilliseconds { get; set; } = 1000;

    /// <summary>The most rows in one batch. A request is scored in one piece, so this bounds how long it holds a thread.</summary>
    [Range(1, 100_000)]
    public int MaximumRows { get; set; } = 1000;

    /// <summary>The largest request body in bytes: 1,000 rows of 64 numbers with all their digits fit.</summary>
    [Range(1024, 1 << 30)]
    public int MaximumBodyBytes { get; set; } = 1 << 20;

    /// <summary>Seed of the training that runs when there is no model file.</summary>
    public int TrainingSeed { get; set; } = 42;
}
