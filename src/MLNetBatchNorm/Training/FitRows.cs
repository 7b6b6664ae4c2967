using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// The rows of one call of <c>Fit</c>: read once, in memory or in a temporary file as the budget has it, labels standardized.
/// </summary>
internal sealed class FitRows : IDisposable
{
    private readonly RowStore _training;
    private readonly TrainingTable? _validation;

    private FitRows(RowStore training, TrainingTable? validation, LabelUnits target, bool areStandardized)
    {
        _training = training;
        _validation = validation;
        Target = target;
        // Rows in a file are standardized whenever they are read.
        if (!areStandardized || !training.IsInMemory)
            target.Standardize(training);
        if (validation is not null && !areStandardized)
            target.Standardize(validation);
    }

    /// <summary>The training rows.</summary>
    public RowStore Training => _training;

    /// <summary>The validation rows that were given, or null.</summary>
    public TrainingTable? Validation => _validation;

    /// <summary>What the labels were standardized with.</summary>
    public LabelUnits Target { get; }

    /// <summary>How the training rows are spread over the classes, before any are set aside; null where labels are numbers.</summary>
    public ClassSummary? Classes => _training.Classes;

    /// <summary>Targets that are the same in all rows; see <see cref="RowStore.ConstantTargets"/>.</summary>
    public IReadOnlyList<ConstantTarget> ConstantTargets => _training.ConstantTargets;

    /// <summary>Which slots of a raw row are categories, of which rows keep the number; null: none.</summary>
    public CategoryRanges? Ranges => _training.Shape.Ranges;

    /// <summary>Whether rows keep only the features that are not zero.</summary>
    public bool IsSparse => _training.Shape.IsSparse;

    /// <summary>Whether the rows are in a temporary file because they do not fit the budget.</summary>
    public bool IsSpilled => !_training.IsInMemory;

    /// <summary>Number of training rows, before any are set aside.</summary>
    public int Count => _training.Rows;

    /// <summary>Whether validation rows were given, so that none are set aside.</summary>
    public bool HasValidation => _validation is not null;

    /// <summary>
    /// Whether the rows that a network sets aside are copies of its own, read from the file for it alone. Validation rows that were given
    /// are the same in all networks, wherever the training rows are.
    /// </summary>
    public bool CopiesHeldOut => IsSpilled && !HasValidation;

    /// <summary>Mean number of entries of a sparse row; of spilled rows from the memory they would take.</summary>
    public double EntriesOfRow => _training.EntriesOfRow;

    /// <summary>Joins the rows that were read. They belong to the new object from then on, also if this fails.</summary>
    /// <param name="training">The training rows.</param>
    /// <param name="validation">The validation rows; null: each network sets some of the training rows aside.</param>
    /// <param name="objective">Says what labels become.</param>
    /// <param name="start">The model that training goes on from, or null.</param>
    /// <param name="cancellation">Asked while a file is read.</param>
    public static FitRows Join(
        RowStore training, RowStore? validation, Objective objective, TrainedNetwork? start, CancellationToken cancellation)
    {
        try
        {
            using (validation)
            {
                // Of validation rows that do not fit, as many as do, chosen at random, are as good.
                TrainingTable? table = validation?.ToTable(cancellation);
                return new FitRows(training, table, LabelUnits.Of(objective, training, start), areStandardized: false);
            }
        }
        catch
        {
            training.Dispose();
            throw;
        }
    }

    /// <summary>Joins rows that another process has read, standardized and taken apart in blocks; they belong to the new object.</summary>
    public static FitRows Received(RowStore training, TrainingTable? validation, LabelUnits target) =>
        new(training, validation, target, areStandardized: true);

    /// <summary>What is known of all values of the features.</summary>
    public SlotSummary Slots => _training.Slots;

    /// <summary>Learns how features are encoded.</summary>
    /// <param name="kinds">How each slot is to be treated.</param>
    /// <param name="pieces">Pieces of a slot at most.</param>
    public InputEncoder FitEncoder(ReadOnlySpan<SlotKind> kinds, int pieces) => EncoderLearning.Learn(_training, kinds, pieces);

    /// <summary>Learns how the channels of pictures are scaled.</summary>
    /// <param name="channels">Number of channels.</param>
    /// <param name="order">The order of a picture's numbers.</param>
    /// <param name="scale">Whether they are scaled at all.</param>
    public InputEncoder FitChannels(int channels, PixelOrder order, bool scale) =>
        ChannelLearning.Learn(_training, channels, order, scale);

    /// <summary>The rows that one network trains on, and those it is validated on.</summary>
    /// <param name="network">
    /// The training; each network sets aside another part of the rows, and one that is taught by others none: it has no labels to learn by
    /// heart, and those that chose its epoch would choose one of the first by chance.
    /// </param>
    /// <param name="cancellation">Asked while a file is read.</param>
    public NetworkRows Of(NetworkTraining network, CancellationToken cancellation)
    {
        InputEncoder encoder = network.Encoder;
        (double fraction, ulong seed, bool byClass, bool keepsBack) = network.Split;
        int largestBatch = BatchPlan.LargestBatchOf(network.Settings.BatchSize);
        (RowSource training, TableRows? validation) = (_validation, network.Settings.Teacher) switch
        {
            (_, { }) => (_training.All(largestBatch), null),
            (null, _) => _training.Split(fraction, seed, byClass, network.Number.Member, largestBatch, cancellation),
            ({ } given, _) => (_training.All(largestBatch), new TableRows(given)),
        };
        TableRows? keptBack = null;
        if (keepsBack && validation is not null)
            (validation, keptBack) = HeldOut(network.Split).Part(validation);
        return new NetworkRows(new EncodedRows(training, encoder), Encoded(validation), Encoded(keptBack));

        EncodedRows? Encoded(TableRows? rows) => rows is { Count: > 0 } ? new EncodedRows(rows, encoder) : null;
    }

    /// <summary>Which validation rows are kept back.</summary>
    public HeldOutRows HeldOut(ValidationSplit split) => new(split.Seed, HasValidation ? null : _training.Groups);

    /// <summary>Rows that networks may set aside, or be given for validation, at most.</summary>
    public int MostHeldOut => _validation?.Rows ?? _training.Rows;

    public void Dispose() => _training.Dispose();
}
