using System.Collections.Immutable;

namespace MLNetBatchNorm;

/// <summary>
/// The numbers behind one <see cref="TrainingEffort"/>, from which <see cref="AutomaticOptions"/> chooses by the size of the data.
/// </summary>
/// <remarks>The experiments behind the numbers are in docs/defaults.md.</remarks>
internal sealed record EffortRule
{
    /// <summary>
    /// Units of the hidden layers for two classes and for numbers. Two layers: a table of up to some hundred columns rarely gains from a
    /// third, and the second lets features interact. With pieces in front the first need not be wide.
    /// </summary>
    public required ImmutableArray<int> HiddenUnits { get; init; }

    /// <summary>The same for tables below <see cref="AutomaticOptions.RowsOfLargerTables"/>, where width costs little.</summary>
    public required ImmutableArray<int> HiddenUnitsOfSmallTables { get; init; }

    /// <summary>
    /// Several classes are mostly told apart by rules that a deeper and wider network follows further: a third layer gained on every such
    /// table tried, small or large, and nothing on others. RealMLP's widths (Holzmueller et al. 2024, arXiv:2407.04491).
    /// </summary>
    public required ImmutableArray<int> HiddenUnitsOfSeveralClasses { get; init; }

    /// <summary>Epochs where nothing forbids them.</summary>
    public required int Epochs { get; init; }

    /// <summary>
    /// The same of tables of at most <see cref="AutomaticOptions.RowsOfLargerTables"/>; of larger ones so many that as many rows are
    /// visited. What is sharp and hardly noisy (a price by rule, the power of an engine) is not learned in the few steps that
    /// <see cref="Epochs"/> of a small table have. Where labels are noisy, the best epoch is an early one and most of the others are saved.
    /// </summary>
    public required int EpochsOfSmallTables { get; init; }

    /// <summary>The same of several classes from <see cref="AutomaticOptions.RowsOfLargerTables"/> on: learned to the last epoch.</summary>
    public required int EpochsOfSeveralClasses { get; init; }

    /// <summary>
    /// Networks, where nothing forbids them. Their errors partly cancel. With a fifth of the rows set aside every row trains at least three
    /// of four of them.
    /// </summary>
    public required int Members { get; init; }

    /// <summary>Where time is short, epochs are worth more than networks beyond this many.</summary>
    public required int FewMembers { get; init; }

    /// <summary>Multiplications and additions that all networks together may take, before networks and epochs are saved.</summary>
    public required double LargestWork { get; init; }

    /// <summary>
    /// Parameters of all networks together before networks are saved, as far as <see cref="AutomaticOptions.FewestMembersOfSmallModels"/>.
    /// </summary>
    public required long UsualNumberOfAllParameters { get; init; }

    /// <summary>Trials, where nothing forbids them; 1: none.</summary>
    public required int Trials { get; init; }

    /// <summary>The rule of an effort.</summary>
    public static EffortRule Of(TrainingEffort effort) => effort switch
    {
        TrainingEffort.Fast => Fast,
        TrainingEffort.Balanced => Balanced,
        TrainingEffort.Best => Best,
        _ => throw new ArgumentOutOfRangeException(nameof(effort), effort, "Unknown effort."),
    };

    /// <summary>Half a minute or less on two cores; models of up to 4 MB.</summary>
    public static readonly EffortRule Balanced = new()
    {
        HiddenUnits = [128, 64], HiddenUnitsOfSmallTables = [256, 128], HiddenUnitsOfSeveralClasses = [256, 256, 256],
        Epochs = 24, EpochsOfSmallTables = 72, EpochsOfSeveralClasses = 48, Members = 8, FewMembers = 2,
        LargestWork = 3.6e12, UsualNumberOfAllParameters = 1 << 21, Trials = 1,
    };

    /// <summary>A few seconds.</summary>
    public static readonly EffortRule Fast = new()
    {
        HiddenUnits = [64, 64], HiddenUnitsOfSmallTables = [64, 64], HiddenUnitsOfSeveralClasses = [128, 128, 128],
        Epochs = 16, EpochsOfSmallTables = 16, EpochsOfSeveralClasses = 16, Members = 4, FewMembers = 2,
        LargestWork = 1e12, UsualNumberOfAllParameters = 1 << 20, Trials = 1,
    };

    /// <summary>Minutes.</summary>
    public static readonly EffortRule Best = new()
    {
        HiddenUnits = [256, 128], HiddenUnitsOfSmallTables = [256, 128], HiddenUnitsOfSeveralClasses = [256, 256, 256],
        Epochs = 36, EpochsOfSmallTables = 72, EpochsOfSeveralClasses = 48, Members = 16, FewMembers = 4,
        LargestWork = 7.2e13, UsualNumberOfAllParameters = AutomaticOptions.LargestNumberOfAllParameters,
        Trials = 16,
    };
}
