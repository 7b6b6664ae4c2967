using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm.Training;

/// <summary>
/// The rows that the networks of one number, of all trials, have neither learned from nor been chosen by: half of those that they set
/// aside, or half of the validation rows that were given. Where errors are measured too, half of these again.
/// </summary>
internal sealed class JudgedRows
{
    private readonly TrainingTable? _table;
    private readonly int[] _rows;
    private readonly int _outputs;

    /// <param name="training">A training of a network of this number.</param>
    /// <param name="most">Rows at most: the first of them, which are in no order that matters, are as good as all.</param>
    /// <param name="measuresErrors">Whether half of them are left for prediction intervals.</param>
    /// <param name="cancellation">Asked while a file is read.</param>
    public JudgedRows(NetworkTraining training, int most, bool measuresErrors, CancellationToken cancellation)
    {
        using NetworkRows rows = training.Rows.Of(training, cancellation);
        _outputs = training.Definition.Outputs;
        (_table, _rows) = (null, []);
        if (rows.KeptBack?.Source is not TableRows kept)
            return;
        // Evenly taken, because rows in memory stand in the order in which they came.
        int[] numbers = kept.Numbers;
        HeldOutRows held = training.Rows.HeldOut(training.Split);
        int[] judging = [.. Enumerable.Range(0, kept.Count).Where(i => !measuresErrors || held.Judges(numbers[i]))];
        int count = Math.Min(most, judging.Length);
        int[] taken = [.. Enumerable.Range(0, count).Select(i => judging[(int)((long)i * judging.Length / count)])];
        (_table, _rows) = (kept.Table, [.. taken.Select(i => kept.Rows[i])]);
        // Of a file all rows that were set aside have been read, into a table that would be kept for each network.
        if (training.Rows.CopiesHeldOut)
            (_table, _rows) = (Copy(_table, _rows), [.. Enumerable.Range(0, _rows.Length)]);
        Hashes = new ulong[taken.Length];
        for (int i = 0; i < taken.Length; i++)
            Hashes[i] = held.HashOf(numbers[taken[i]]);
        var all = new EncodedRows(new TableRows(_table, _rows));
        TrainingSettings settings = training.Settings;
        Targets = new float[taken.Length * all.Shape.TargetColumns];
        float[] weights = new float[all.Shape.IsWeighted || settings.ClassWeights is not null ? taken.Length : 0];
        all.GatherTargets(0, taken.Length, Targets, all.Shape.IsWeighted ? weights : default);
        RowLosses.WeighByClass(settings, Targets, weights, all.Shape.IsWeighted);
        if (settings.TargetWeights is not null)
        {
            if (!all.Shape.IsWeighted)
                weights = new float[taken.Length];
            RowLosses.WeighByTargets(settings, Targets, weights, all.Shape.IsWeighted);
        }

        Weights = weights;
    }

    /// <summary>The rows, and others where all are in memory; null: there are none.</summary>
    public TrainingTable? Table => _table;

    /// <summary>Number of rows.</summary>
    public int Count => _rows.Length;

    /// <summary>Random bits of each row, the same for all rows of a group.</summary>
    public ulong[] Hashes { get; } = [];

    /// <summary>Targets, row by row.</summary>
    public float[] Targets { get; } = [];

    /// <summary>What each row counts for; empty: all alike.</summary>
    public float[] Weights { get; } = [];

    /// <summary>
    /// What a network says of the rows, [rows, outputs] row-major, with what the link does before networks are averaged. For any thread.
    /// </summary>
    public float[] Score(NetworkTraining training, NetworkParameters parameters, CancellationToken cancellation)
    {
        float[] scores = new float[Count * _outputs];
        if (Count == 0)
            return scores;
        var rows = new EncodedRows(new TableRows(_table!, _rows), training.Encoder);
        OutputLink link = training.Settings.Objective.LinkOf(null);
        FoldedNetwork folded = FoldedNetwork.Create(training.Encoder, parameters, sharesFirstLayer: rows.Shape.IsSparse);
        ScoringScratch scratch = folded.CreateScratch();
        for (int first = 0; first < Count; first += scratch.Rows)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(scratch.Rows, Count - first);
            NodeInput input = scratch.InputFor(rows.Shape);
            input.Prepare(rows, first, count);
            input.Fill(rows, first, 0, count);
            PanelMatrix outputs = folded.Forward(scratch, count, input, link);
            OutputLink.Identity.Apply(outputs, count, scores.AsSpan(first * _outputs, count * _outputs));
        }

        return scores;
    }

    private static TrainingTable Copy(TrainingTable table, int[] rows)
    {
        TrainingTable copy = table.Shape.CreateTable();
        foreach (int row in rows)
            copy.AddFrom(table, row);
        return copy;
    }
}
