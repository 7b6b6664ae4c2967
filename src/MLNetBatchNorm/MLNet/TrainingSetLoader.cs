using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Reads a view into a table, once, and refuses what cannot be learned from.</summary>
internal sealed class TrainingSetLoader(IHost host, NetworkTask task, CancellationToken cancellationToken, bool forTraining = true)
{
    /// <summary>Reads all rows that can be used.</summary>
    /// <param name="data">The view with its roles.</param>
    /// <param name="set">"training" or "validation", for messages.</param>
    /// <param name="channel">Where skipped rows are reported.</param>
    public TrainingTable Load(RoleMappedData data, string set, IChannel channel)
    {
        int slots = ((VectorDataViewType)data.Schema.Feature!.Value.Type).Size;
        var table = new TrainingTable(slots, 1, weighted: data.Schema.Weight is not null);
        var seenSlots = new SlotsWithValues(slots);
        long[] rowsOfClass = new long[task.LabelKind switch { LabelKind.Binary => 2, LabelKind.Class => task.Outputs, _ => 1 }];
        using var reader = new ExampleReader(host, data, task.LabelKind, cancellationToken);
        while (reader.MoveNext())
        {
            float label = reader.Label;
            table.Add(reader.Features, [label], reader.Weight);
            rowsOfClass[task.LabelKind == LabelKind.Number ? 0 : (int)label]++;
            if (forTraining)
                seenSlots.Add(reader.Features);
        }

        reader.ReportSkippedRows(channel, set);
        if (table.Rows == 0)
            throw host.Except(NoRowsMessage(reader, data, set));
        if (forTraining)
        {
            CheckClasses(data, rowsOfClass, table.Rows);
            CheckSlots(data, seenSlots, table.Rows);
        }

        return table;
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
        private List<int> _without = [.. Enumerable.Range(0, slots)];

        public int? FirstWithout => _without.Count > 0 ? _without[0] : null;

        public int CountWithout => _without.Count;

        public void Add(ReadOnlySpan<float> features)
        {
            if (_without.Count == 0)
                return;
            var still = new List<int>();
            foreach (int slot in _without)
            {
                if (float.IsNaN(features[slot]))
                    still.Add(slot);
            }

            _without = still;
        }
    }
}
