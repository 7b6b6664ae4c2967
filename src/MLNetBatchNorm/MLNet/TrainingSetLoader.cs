using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Reads a view into a table, once, and refuses what cannot be learned from.</summary>
/// <param name="host">The trainer's host.</param>
/// <param name="task">What a label means.</param>
/// <param name="cancellationToken">Asked every few hundred rows.</param>
/// <param name="sparse">Whether the table is to be sparse; null: as the first row is.</param>
/// <param name="forTraining">Whether what makes rows useless for training is an error.</param>
internal sealed class TrainingSetLoader(IHost host, NetworkTask task, CancellationToken cancellationToken, bool? sparse, bool forTraining = true)
{
    /// <summary>Fewest slots of a table that is kept sparse: below, whole rows are small and the dense kernels faster.</summary>
    private const int FewestSparseSlots = 1024;

    /// <summary>Largest share of entries of a sparse table: from here on the dense kernels, which do not look up columns, are faster.</summary>
    private const double LargestSparseShare = 0.2;

    /// <summary>Told about every row that is used; may be null.</summary>
    public FitFingerprint? Fingerprint { get; init; }

    /// <summary>Reads all rows that can be used.</summary>
    /// <param name="data">The view with its roles.</param>
    /// <param name="set">"training" or "validation", for messages.</param>
    /// <param name="channel">Where skipped rows are reported.</param>
    public TrainingTable Load(RoleMappedData data, string set, IChannel channel)
    {
        int slots = ((VectorDataViewType)data.Schema.Feature!.Value.Type).Size;
        TrainingTable? table = null;
        Fingerprint?.BeginSet(set);
        var seenSlots = new SlotsWithValues(slots);
        long[] rowsOfClass = new long[task.LabelKind switch { LabelKind.Binary => 2, LabelKind.Class => task.Outputs, _ => 1 }];
        using var reader = new ExampleReader(host, data, task.LabelKind, cancellationToken);
        while (reader.MoveNext())
        {
            float label = reader.Label;
            Fingerprint?.AddRow(label, reader.Weight, reader.Buffer);
            // The first row speaks for all: text and long one-hot columns come sparse from the start.
            table ??= CreateTable(slots, data.Schema.Weight is not null, sparse ?? IsSparse(reader.Buffer, slots));
            if (table.Sparse is null)
                table.Add(reader.Features, [label], reader.Weight);
            else
                AddSparse(table, reader, label);
            rowsOfClass[task.LabelKind == LabelKind.Number ? 0 : (int)label]++;
            if (forTraining)
                seenSlots.Add(reader.Buffer);
        }

        reader.ReportSkippedRows(channel, set);
        if (table is null)
            throw host.Except(NoRowsMessage(reader, data, set));
        if (forTraining)
        {
            CheckClasses(data, rowsOfClass, table.Rows);
            CheckSlots(data, seenSlots, table.Rows);
        }

        return table;
    }

    private static bool IsSparse(in VBuffer<float> row, int slots) =>
        slots >= FewestSparseSlots && !row.IsDense && row.GetValues().Length <= LargestSparseShare * slots;

    private static TrainingTable CreateTable(int slots, bool weighted, bool sparse) =>
        sparse ? TrainingTable.CreateSparse(slots, 1, weighted) : new TrainingTable(slots, 1, weighted);

    private static void AddSparse(TrainingTable table, ExampleReader reader, float label)
    {
        if (!reader.Buffer.IsDense)
        {
            table.AddSparse(reader.Buffer.GetIndices(), reader.Buffer.GetValues(), [label], reader.Weight);
            return;
        }
        int[] all = [.. Enumerable.Range(0, table.Inputs)];
        table.AddSparse(all, reader.Buffer.GetValues(), [label], reader.Weight);
    }

    private static string NoRowsMessage(ExampleReader reader, RoleMappedData data, string set)
    {
        string label = data.Schema.Label!.Value.Name;
        return $"The {set} set has no row to learn from: {reader.RowsWithoutLabel} rows have no value in label column '{label}', "
            + $"{reader.RowsOfWeightZero} have weight 0, {reader.RowsOfNegativeWeight} have a negative weight, and there are no others. "
            + "At least one row with a label and a positive weight is needed.";
    }

    private void CheckClasses(RoleMappedData data, long[] rowsOfClass, int rows)
    {
        if (task.LabelKind == LabelKind.Number || rowsOfClass.Count(count => count > 0) > 1)
            return;
        string label = data.Schema.Label!.Value.Name;
        int only = Array.FindIndex(rowsOfClass, count => count > 0);
        string found = task.LabelKind == LabelKind.Binary ? only == 1 ? "true" : "false" : $"class {only + 1} of {rowsOfClass.Length}";
        throw host.Except($"Label column '{label}' is {found} in all {rows} rows of the training set. Rows of at least two classes are needed.");
    }

    private void CheckSlots(RoleMappedData data, SlotsWithValues seen, int rows)
    {
        if (seen.FirstWithout is not { } slot)
            return;
        throw host.Except(
            $"Feature column '{data.Schema.Feature!.Value.Name}' has no value (only NaN) in all {rows} rows of the training set at {ExampleReader.SlotText(data, slot)}. "
            + $"Leave the slot out, or fill it{(seen.CountWithout > 1 ? $"; so it is with {seen.CountWithout} slots" : "")}.");
    }

    /// <summary>Which slots have had a value that is not NaN. Nearly always all of them after a row or two, and then a row costs nothing.</summary>
    private sealed class SlotsWithValues(int slots)
    {
        private List<int>? _without;

        public int? FirstWithout => _without is { Count: > 0 } ? _without[0] : null;

        public int CountWithout => _without?.Count ?? slots;

        public void Add(in VBuffer<float> features)
        {
            if (_without is { Count: 0 })
                return;
            // A slot that a sparse row does not mention has the value 0.
            var missing = new List<int>();
            ReadOnlySpan<float> values = features.GetValues();
            for (int i = 0; i < values.Length; i++)
            {
                if (float.IsNaN(values[i]))
                    missing.Add(features.IsDense ? i : features.GetIndices()[i]);
            }

            _without = _without is null ? missing : [.. _without.Intersect(missing)];
        }
    }
}
