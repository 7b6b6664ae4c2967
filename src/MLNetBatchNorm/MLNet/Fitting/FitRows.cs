using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm;

/// <summary>The rows of one call of <c>Fit</c>: read once, in memory or in a temporary file as the budget has it, labels standardized.</summary>
internal sealed class FitRows : IDisposable
{
    private readonly RowCollector _training;
    private readonly TrainingTable? _validation;

    private FitRows(RowCollector training, TrainingTable? validation, TargetScale target)
    {
        _training = training;
        _validation = validation;
        Target = target;
        target.Standardize(training);
        if (validation is not null)
            target.Standardize(validation);
    }

    /// <summary>What the labels were standardized with.</summary>
    public TargetScale Target { get; }

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

    /// <summary>Reads the rows.</summary>
    /// <param name="loader">Reads the training rows.</param>
    /// <param name="validationLoader">Reads the validation rows, given the form and the memory of the training rows.</param>
    /// <param name="labelKind">Whether labels are numbers to be standardized.</param>
    /// <param name="cancellationToken">Asked while a file is read.</param>
    public static FitRows Load(Func<RowCollector> loader, Func<RowCollector, RowCollector>? validationLoader, LabelKind labelKind, CancellationToken cancellationToken)
    {
        RowCollector training = loader();
        try
        {
            TrainingTable? validation = null;
            if (validationLoader is not null)
            {
                using RowCollector rows = validationLoader(training);
                // Of validation rows that do not fit, as many as do, chosen at random, are as good.
                validation = rows.Table ?? rows.Load(RowPart.Of(rows.ShareInMemory(1), 0, 0), cancellationToken);
            }
            return new FitRows(training, validation, labelKind == LabelKind.Number ? TargetScale.Of(training) : TargetScale.None);
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
            return IsSparse ? InputScaling.FitSparse(new TrainingData(table), scale) : InputScaling.Fit(new TrainingData(table), passUnscaled, pieces);
        return IsSparse
            ? InputScaling.FitSparse(_training.Slots!, scale)
            : InputScaling.Fit(new TrainingData(_training.Sample!), _training.Slots!, passUnscaled, pieces);
    }

    /// <summary>The rows that one network trains on, and those it is validated on.</summary>
    /// <param name="encoder">From raw slots to the network's inputs.</param>
    /// <param name="fraction">Share of the rows set aside for validation, if none were given.</param>
    /// <param name="seed">Decides which.</param>
    /// <param name="byClass">Whether labels are classes, each of which is to give its part.</param>
    /// <param name="member">Number of the network: each sets aside another part.</param>
    /// <param name="largestBatch">Most rows read at once.</param>
    /// <param name="cancellationToken">Asked while a file is read.</param>
    public MemberRows ForMember(InputEncoder encoder, double fraction, ulong seed, bool byClass, int member, int largestBatch, CancellationToken cancellationToken)
    {
        TrainingData? validation = _validation is null ? null : new TrainingData(_validation, encoder);
        if (_training.Table is { } table)
        {
            var all = new TrainingData(table, encoder);
            // Two rows must be left to train on.
            if (validation is not null || fraction == 0 || table.Rows < 3)
                return new MemberRows(all, validation, null);
            (TrainingData training, validation) = all.Split(fraction, seed, byClass, member);
            return new MemberRows(training, validation, null);
        }

        RowPart part = RowPart.All;
        if (validation is null && fraction > 0)
        {
            RowPart aside = RowPart.Of(_training.ShareInMemory(fraction), seed, member);
            TrainingTable rows = _training.Load(aside, cancellationToken);
            validation = rows.Rows > 0 ? new TrainingData(rows, encoder) : null;
            part = aside.Rest;
        }
        var stream = new StreamedRows(_training.Spilled!, part, _training.WindowBytes, largestBatch);
        return new MemberRows(new TrainingData(stream, encoder), validation, stream);
    }

    public void Dispose() => _training.Dispose();
}

/// <summary>The rows of one network; ends the reading of rows that do not fit into memory when disposed.</summary>
internal sealed record MemberRows(TrainingData Training, TrainingData? Validation, StreamedRows? Stream) : IDisposable
{
    public void Dispose() => Stream?.Dispose();
}
