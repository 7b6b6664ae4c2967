using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Training;

/// <summary>The rows of one call of <c>Fit</c>: read once, in memory or in a temporary file as the budget has it, labels standardized.</summary>
internal sealed class FitRows : IDisposable
{
    private readonly RowCollector _training;
    private readonly TrainingTable? _validation;

    private FitRows(RowCollector training, TrainingTable? validation, LabelUnits target)
    {
        _training = training;
        _validation = validation;
        Target = target;
        target.Standardize(training);
        if (validation is not null)
            target.Standardize(validation);
    }

    /// <summary>What the labels were standardized with.</summary>
    public LabelUnits Target { get; }

    /// <summary>Sum of the weights of the training rows of each class, before any are set aside.</summary>
    public double[] WeightOfClass => _training.WeightOfClass;

    /// <summary>Whether rows keep only the features that are not zero.</summary>
    public bool IsSparse => _training.Shape.IsSparse;

    /// <summary>Whether the rows are in a temporary file because they do not fit the budget.</summary>
    public bool IsSpilled => _training.Table is null;

    /// <summary>Number of training rows, before any are set aside.</summary>
    public int Count => _training.Rows;

    /// <summary>Mean number of entries of a sparse row; of spilled rows from the memory they would take.</summary>
    public double EntriesOfRow => (_training.Table is { } table ? table.Sparse!.Entries : _training.Spilled!.MemoryBytes / (2.0 * sizeof(float))) / Math.Max(1, Count);

    /// <summary>Joins the rows that were read. They belong to the new object from then on, also if this fails.</summary>
    /// <param name="training">The training rows.</param>
    /// <param name="validation">The validation rows; null: each network sets some of the training rows aside.</param>
    /// <param name="objective">Says what labels become.</param>
    /// <param name="cancellation">Asked while a file is read.</param>
    public static FitRows Join(RowCollector training, RowCollector? validation, Objective objective, CancellationToken cancellation)
    {
        try
        {
            using (validation)
            {
                // Of validation rows that do not fit, as many as do, chosen at random, are as good.
                TrainingTable? table = validation?.Table ?? validation?.Load(RowPart.Of(validation.ShareInMemory(1), 0, 0), cancellation);
                return new FitRows(training, table, LabelUnits.Of(objective, training));
            }
        }
        catch
        {
            training.Dispose();
            throw;
        }
    }

    /// <summary>Learns how features are encoded.</summary>
    /// <param name="passUnscaled">Slots that are not scaled; not read for sparse rows.</param>
    /// <param name="scale">Whether slots may be scaled.</param>
    /// <param name="pieces">Pieces of a slot at most.</param>
    public InputEncoder FitEncoder(ReadOnlySpan<bool> passUnscaled, bool scale, int pieces)
    {
        if (_training.Table is { } table)
            return EncoderLearning.Learn(new TrainingData(table), passUnscaled, pieces, scale);
        return EncoderLearning.Learn(IsSparse ? null : new TrainingData(_training.Sample!), _training.Slots!, passUnscaled, pieces, scale);
    }

    /// <summary>The rows that one network trains on, and those it is validated on.</summary>
    /// <param name="network">The training; each network sets aside another part of the rows.</param>
    /// <param name="cancellation">Asked while a file is read.</param>
    public NetworkRows Of(NetworkTraining network, CancellationToken cancellation)
    {
        InputEncoder encoder = network.Encoder;
        (double fraction, ulong seed, bool byClass) = network.Split;
        int part = network.Number.Member;
        TrainingData? validation = _validation is null ? null : new TrainingData(_validation, encoder);
        if (_training.Table is { } table)
        {
            var all = new TrainingData(table, encoder);
            // Two rows must be left to train on.
            if (validation is not null || fraction == 0 || table.Rows < 3)
                return new NetworkRows(all, validation, null);
            (TrainingData training, validation) = all.Split(fraction, seed, byClass, part);
            return new NetworkRows(training, validation, null);
        }

        RowPart learned = RowPart.All;
        if (validation is null && fraction > 0)
        {
            RowPart aside = RowPart.Of(_training.ShareInMemory(fraction), seed, part);
            TrainingTable rows = _training.Load(aside, cancellation);
            validation = rows.Rows > 0 ? new TrainingData(rows, encoder) : null;
            learned = aside.Rest;
        }
        var stream = new StreamedRows(_training.Spilled!, learned, _training.WindowBytes, BatchPlan.LargestBatchOf(network.Settings.BatchSize));
        return new NetworkRows(new TrainingData(stream, encoder), validation, stream);
    }

    public void Dispose() => _training.Dispose();
}
