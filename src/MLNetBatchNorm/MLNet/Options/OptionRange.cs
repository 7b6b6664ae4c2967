using System.Globalization;

namespace MLNetBatchNorm;

/// <summary>The numbers one option may take, and what to tell somebody who gave another.</summary>
/// <param name="Option">Name of the option's field.</param>
/// <param name="Read">The option's value, or null where it is not set or the options are of another trainer.</param>
/// <param name="Minimum">Lower end.</param>
/// <param name="IncludesMinimum">Whether the lower end itself is allowed.</param>
/// <param name="Maximum">Upper end.</param>
/// <param name="IncludesMaximum">Whether the upper end itself is allowed.</param>
/// <param name="Advice">What to do instead: a sentence.</param>
internal sealed record OptionRange(
    string Option,
    Func<BatchNormNetworkOptions, double?> Read,
    double Minimum,
    bool IncludesMinimum,
    double Maximum,
    bool IncludesMaximum,
    string Advice)
{
    /// <summary>Most rows of a batch: beyond it one step sees a whole table, and memory for activations outgrows the data.</summary>
    public const int MaximumBatchSize = 1 << 20;

    /// <summary>Most hidden layers. Feed-forward networks without shortcuts do not train well beyond a dozen.</summary>
    public const int MaximumNumberOfHiddenLayers = 64;

    /// <summary>Most units of one hidden layer.</summary>
    public const int MaximumNumberOfUnits = 1 << 16;

    /// <summary>Units of one hidden layer; read for each layer by the validator.</summary>
    public static readonly OptionRange Units = Closed(
        nameof(BatchNormNetworkOptions.HiddenUnits), _ => null, 1, MaximumNumberOfUnits, "Give each hidden layer at least one unit, for example { 256, 128 }.");

    /// <summary>What one class counts for; read for each class by the validator.</summary>
    public static readonly OptionRange ClassWeight = Closed(
        nameof(BatchNormNetworkClassificationOptions.ClassWeights), _ => null, 0, 1_000_000, "Weights around 1 are usual; set 0 to leave a class out.");

    /// <summary>Every numeric option. The validator, the test of the documentation and the tests of bad input read this table.</summary>
    public static readonly IReadOnlyList<OptionRange> All =
    [
        Open(nameof(BatchNormNetworkOptions.Epsilon), o => o.Epsilon, 0, 1, includesMaximum: true,
            "Use the default 1E-05 unless the features' variances are far below it."),
        Open(nameof(BatchNormNetworkOptions.RunningStatisticsMomentum), o => o.RunningStatisticsMomentum, 0, 1, includesMaximum: true,
            "It is the weight of the newest batch; if you have a value in Keras' direction, give its complement, such as 0.01 for 0.99."),
        Closed(nameof(BatchNormNetworkOptions.VirtualBatchSize), o => o.VirtualBatchSize, 2, MaximumBatchSize,
            "Batch statistics need at least 2 rows; set null to take them over the whole batch."),
        Closed(nameof(BatchNormNetworkOptions.InitialGamma), o => o.InitialGamma, 0, 100,
            "Use the default 1, or a small value to start near a linear network."),
        HalfOpen(nameof(BatchNormNetworkOptions.DropoutRate), o => o.DropoutRate, 0, 1,
            "It is the share of hidden units dropped, not kept; set 0 to drop none."),
        Closed(nameof(BatchNormNetworkOptions.BatchSize), o => o.BatchSize, 2, MaximumBatchSize,
            "Batch statistics need at least 2 rows; powers of two from 64 to 1024 are usual."),
        Closed(nameof(BatchNormNetworkOptions.MaximumNumberOfEpochs), o => o.MaximumNumberOfEpochs, 1, 1_000_000,
            "Set the number of passes over the training rows."),
        Open(nameof(BatchNormNetworkOptions.LearningRate), o => o.LearningRate, 0, 100, includesMaximum: true,
            "Values from 0.0003 to 0.01 are usual."),
        HalfOpen(nameof(BatchNormNetworkOptions.ValidationFraction), o => o.ValidationFraction, 0, 1,
            "It is a share of the training rows, not a number of rows; set 0 to train on all of them."),
        Closed(nameof(BatchNormNetworkOptions.EarlyStoppingPatience), o => o.EarlyStoppingPatience, 0, 1_000_000,
            "Set 0 to never stop early."),
        Closed(nameof(BatchNormNetworkOptions.NumberOfInputPieces), o => o.NumberOfInputPieces, 0, 256,
            "16 to 48 are usual; set 0 for none, or null to let the number of slots decide."),
        Closed(nameof(BatchNormNetworkOptions.NumberOfEnsembleMembers), o => o.NumberOfEnsembleMembers, 1, 100,
            "5 networks already have most of the gain; set null to let the size of the data decide."),
        Closed(nameof(BatchNormNetworkOptions.NumberOfRestarts), o => o.NumberOfRestarts, 0, 100,
            "Set 0 to train each network once; a few are enough to leave an unlucky start behind."),
        Closed(nameof(BatchNormNetworkOptions.MemoryBudgetInMegabytes), o => o.MemoryBudgetInMegabytes, 1, 1 << 20,
            "It is the memory for rows; a few hundred are enough for a table of any size."),
        Closed(nameof(BatchNormNetworkOptions.NumberOfThreads), o => o.NumberOfThreads, 1, 1024,
            "Set null to use every processor."),
        Closed(nameof(BatchNormNetworkOptions.CheckpointIntervalInEpochs), o => o.CheckpointIntervalInEpochs, 1, 1_000_000,
            "Set null to go by CheckpointIntervalInSeconds alone."),
        Closed(nameof(BatchNormNetworkOptions.CheckpointIntervalInSeconds), o => o.CheckpointIntervalInSeconds, 0, 1_000_000,
            "Set 0 to write after every epoch."),
        HalfOpen(nameof(BatchNormNetworkMulticlassTrainer.Options.LabelSmoothing), o => (o as BatchNormNetworkMulticlassTrainer.Options)?.LabelSmoothing, 0, 1,
            "It is the share of probability spread over all classes; set 0 for none."),
    ];

    /// <summary>The range in interval notation: <c>(0, 1]</c> excludes 0 and includes 1.</summary>
    public string Text => string.Create(
        CultureInfo.InvariantCulture, $"{(IncludesMinimum ? '[' : '(')}{Minimum}, {Maximum}{(IncludesMaximum ? ']' : ')')}");

    /// <summary>Whether <paramref name="value"/> is allowed; NaN never is.</summary>
    public bool Contains(double value) =>
        (IncludesMinimum ? value >= Minimum : value > Minimum) && (IncludesMaximum ? value <= Maximum : value < Maximum);

    /// <summary>What to say about a value outside the range.</summary>
    public string Complaint(double value) =>
        string.Create(CultureInfo.InvariantCulture, $"{Option} is {value}; it must be in {Text}. {Advice}");

    private static OptionRange Closed(string option, Func<BatchNormNetworkOptions, double?> read, double minimum, double maximum, string advice) =>
        new(option, read, minimum, true, maximum, true, advice);

    private static OptionRange HalfOpen(string option, Func<BatchNormNetworkOptions, double?> read, double minimum, double maximum, string advice) =>
        new(option, read, minimum, true, maximum, false, advice);

    private static OptionRange Open(
        string option, Func<BatchNormNetworkOptions, double?> read, double minimum, double maximum, bool includesMaximum, string advice) =>
        new(option, read, minimum, false, maximum, includesMaximum, advice);
}
