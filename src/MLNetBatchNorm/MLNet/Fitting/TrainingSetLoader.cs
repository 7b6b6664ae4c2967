using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Reads a view, once, into a table or a temporary file, and refuses what cannot be learned from.</summary>
/// <param name="host">The trainer's host.</param>
/// <param name="task">What a label means.</param>
/// <param name="seed">Chooses the rows that speak for all where these do not fit into memory.</param>
/// <param name="cancellationToken">Asked every few hundred rows.</param>
internal sealed class TrainingSetLoader(IHost host, NetworkTask task, ulong seed, CancellationToken cancellationToken)
{
    // Far from the ends of the range, 1E-38 and 3E+38, so that a batch's sum and its inverse are in it as well.
    private const double SmallestMeanWeight = 1e-30;
    private const double LargestMeanWeight = 1e30;

    /// <summary>Whether the rows are to be kept sparse; null: as takes less.</summary>
    public bool? Sparse { get; init; }

    /// <summary>Which slots are categories; null: none that is known.</summary>
    public CategoryRanges? Ranges { get; init; }

    /// <summary>Whether these stay as they are, whatever the rows hold.</summary>
    public required bool RangesAreGiven { get; init; }

    /// <summary>Whether slots that turn out to be categories become ranges.</summary>
    public bool FindsCategories { get; init; }

    /// <summary>Whether what makes rows useless for training is an error.</summary>
    public bool ForTraining { get; init; } = true;

    /// <summary>Memory for rows.</summary>
    public required long BudgetBytes { get; init; }

    /// <summary>What a row of each class counts for, to leave out the rows of a class that counts for nothing; null: all count.</summary>
    public float[]? ClassWeights { get; init; }

    /// <summary>The model that training goes on from, or null.</summary>
    public TrainedNetwork? Start { get; init; }

    /// <summary>The column that says which rows belong together; null: each is alone.</summary>
    public string? SamplingKeyColumnName { get; init; }

    /// <summary>Told about every row that is used; may be null.</summary>
    public FitFingerprint? Fingerprint { get; init; }

    /// <summary>Reads all rows that can be used.</summary>
    /// <param name="data">The view with its roles.</param>
    /// <param name="set">"training" or "validation", for messages.</param>
    /// <param name="channel">Where skipped rows are reported.</param>
    public RowStore Load(RoleMappedData data, string set, IChannel channel)
    {
        int slots = ((VectorDataViewType)data.Schema.Feature!.Value.Type).Size;
        RowCollector? rows = null;
        RowStore store;
        Fingerprint?.BeginSet(set);
        try
        {
            var seenSlots = new SlotsWithValues(slots);
            ClassSummary? classes = task.HasClasses ? new ClassSummary(task.Classes) : null;
            // A single number that is the same in all rows is its own mean, but for a network that says logarithms.
            TargetFacts? targets =
                task.TargetWeights is null && !task.Objective.PredictsLogarithm ? null : new TargetFacts(task.Targets);
            double weights = 0;
            long withoutWeight = 0;
            RowGroups? groups = SamplingKeyColumnName is null ? null : new RowGroups();
            DataViewSchema.Column? samplingKey =
                SamplingKeyColumnName is { } key ? SamplingKeyReader.Column(host, data.Schema.Schema, key) : null;
            using var reader = new ExampleReader(host, data, task.Objective.Labels, cancellationToken, samplingKey);
            while (reader.MoveNext())
            {
                if (ClassWeights?[(int)reader.Targets[0]] == 0)
                {
                    withoutWeight++;
                    continue;
                }

                Fingerprint?.AddRow(reader.Targets, reader.Weight, reader.Buffer);
                rows ??= Collect(slots, data.Schema.Weight is not null);
                if (reader.Buffer.IsDense)
                    rows.Add(reader.Buffer.GetValues(), reader.Targets, reader.Weight);
                else
                    rows.AddSparse(reader.Buffer.GetIndices(), reader.Buffer.GetValues(), reader.Targets, reader.Weight);
                classes?.Add((int)reader.Targets[0], rows.Rows - 1, reader.Weight);
                targets?.Add(reader.Targets);
                if (groups is not null)
                {
                    uint group = reader.SamplingKey ?? SamplingKeyReader.Alone(rows.Rows - 1);
                    groups.Add(group);
                    Fingerprint?.AddGroup(group);
                }

                weights += reader.Weight;
                if (ForTraining)
                    seenSlots.Add(reader.Buffer);
            }

            reader.ReportSkippedRows(channel, set);
            ReportMissingTargets(data, targets, rows?.Rows ?? 0, set, channel);
            if (rows is null)
                throw host.Except(NoRowsMessage(reader, data, set, withoutWeight));
            store = rows.Complete();
            store.Classes = classes;
            store.Groups = groups;
            if (ForTraining)
            {
                CheckClasses(data, classes, rows.Rows);
                store.ConstantTargets = targets is null ? [] : Start is null ? targets.Constants : StillConstant(targets, Start);
                CheckTargets(data, targets, rows.Rows, store.ConstantTargets, channel);
                CheckWeights(data, weights / rows.Rows);
                CheckSlots(data, seenSlots, rows.Rows, slots, channel);
            }
        }
        catch
        {
            rows?.Dispose();
            throw;
        }

        if (!store.IsInMemory)
        {
            channel.Info(
                MessageSensitivity.None,
                "{0} rows of the {1} set are more than MemoryBudgetInMegabytes allows in memory; "
                + "they are in a temporary file of {2} MB in '{3}'.",
                store.Rows, set, store.FileBytes >> 20, Directory);
        }
        return store;
    }

    /// <summary>
    /// The numbers that are the same in all rows and were so in those of the model to go on from: there is as little to learn of them as
    /// there. What a model knew to vary is not forgotten because a few new rows are alike.
    /// </summary>
    private IReadOnlyList<ConstantTarget> StillConstant(TargetFacts targets, TrainedNetwork start) =>
        task.TargetWeights is null || task.Objective.PredictsLogarithm
            ? []
            : [.. targets.Constants.Where(constant => start.IsConstant(constant.Target))];

    /// <summary>Where temporary files go: <c>MLContext.TempFilePath</c>, or the system's choice.</summary>
    private string Directory => (host as IHostEnvironmentInternal)?.TempFilePath ?? Path.GetTempPath();

    private RowCollector Collect(int slots, bool weighted) =>
        new(
            new RowShape(Ranges?.Slots ?? slots, task.Targets, weighted, Sparse ?? false, Ranges), BudgetBytes,
            () => SpillFile.Create(Directory), seed, isDecided: Sparse is not null)
        {
            RangesAreGiven = RangesAreGiven, FindsCategories = FindsCategories,
        };

    private static string NoRowsMessage(ExampleReader reader, RoleMappedData data, string set, long withoutWeight)
    {
        string label = data.Schema.Label!.Value.Name;
        return $"The {set} set has no row to learn from: {reader.RowsWithoutLabel} rows have no value in label column '{label}', "
            + $"{reader.RowsOfWeightZero} have weight 0, {reader.RowsOfNegativeWeight} have a negative weight, "
            + $"{(withoutWeight > 0 ? $"{withoutWeight} are of classes of weight 0, " : "")}and there are no others. "
            + "At least one row with a label and a positive weight is needed.";
    }

    private void CheckClasses(RoleMappedData data, ClassSummary? classes, int rows)
    {
        // Of yes or no a constant is a model: one-versus-all asks for it where a class has no rows.
        if (task.LabelKind != LabelKind.Class || classes!.Present > 1)
            return;
        int only = Array.FindIndex(classes.Rows, count => count > 0);
        string counting = ClassWeights is null ? "" : " whose class has a weight above 0";
        throw host.Except(
            $"Label column '{data.Schema.Label!.Value.Name}' is class {only + 1} of {classes.Rows.Length} in all {rows} rows of "
            + $"the training set{counting}. Rows of at least two classes are needed.");
    }

    /// <summary>
    /// Refuses targets without any value, and tells of those that are the same in all rows, of which the model says just that, as a model
    /// of a single target does: in cross-validation a rare label is so in one fold. Not so where a model is trained on, which knows the
    /// targets already, and of which new rows may be few.
    /// </summary>
    private void CheckTargets(
        RoleMappedData data, TargetFacts? targets, int rows, IReadOnlyList<ConstantTarget> constants, IChannel channel)
    {
        if (targets is null || Start is not null || task.TargetWeights is null)
            return;
        DataViewSchema.Column label = data.Schema.Label!.Value;
        if (targets.FirstWithoutValue is { } without)
        {
            throw host.Except(
                $"Label column '{label.Name}' has no value (only NaN) in all {rows} rows of the training set at "
                + $"{LabelReader.TargetText(label, without)}. Leave the target out of the label.");
        }

        if (constants.Count == 0)
            return;
        ConstantTarget first = constants[0];
        string others = constants.Count > 1 ? $"; so it is with {constants.Count} targets" : "";
        channel.Warning(
            MessageSensitivity.Schema, "{0}",
            string.Create(
                CultureInfo.InvariantCulture,
                $"Label column '{label.Name}' is {first.Value} in all {first.Rows} rows of the training set that have "
                + $"{LabelReader.TargetText(label, first.Target)}; the model says so of every row{others}."));
    }

    private static void ReportMissingTargets(RoleMappedData data, TargetFacts? targets, int rows, string set, IChannel channel)
    {
        if (targets is null || targets.Rows.All(count => count == rows))
            return;
        const int mostShown = 20;
        DataViewSchema.Column label = data.Schema.Label!.Value;
        string[] missing =
        [
            .. Enumerable.Range(0, targets.Rows.Length).Where(target => targets.Rows[target] < rows)
                .Select(target => FormattableString.Invariant(
                    $"{LabelReader.TargetText(label, target)} in {rows - targets.Rows[target]}")),
        ];
        channel.Info(
            MessageSensitivity.Schema,
            "Of the {0} rows of the {1} set some lack targets of label column '{2}', which do not count there: {3}{4}.",
            rows, set, label.Name, string.Join(", ", missing.Take(mostShown)), missing.Length > mostShown ? ", ..." : "");
    }

    /// <summary>Refuses weights whose sums, or one divided by them, leave the range of single precision.</summary>
    private void CheckWeights(RoleMappedData data, double mean)
    {
        if (mean is >= SmallestMeanWeight and <= LargestMeanWeight)
            return;
        string size = mean < SmallestMeanWeight ? "small" : "large";
        throw host.Except(string.Create(
            CultureInfo.InvariantCulture,
            $"Weight column '{data.Schema.Weight!.Value.Name}' is {mean:G4} in the mean of the training set, "
            + $"which is too {size} to compute with in single precision; the mean must be in [{SmallestMeanWeight}, {LargestMeanWeight}]. "
            + $"Multiply all weights by the same factor, which makes no difference to the model."));
    }

    /// <summary>
    /// Tells of slots that hold nothing: one is no reason to learn nothing from the others, since in cross-validation a column of few
    /// values is empty in one fold. Refuses rows that hold nothing at all.
    /// </summary>
    private void CheckSlots(RoleMappedData data, SlotsWithValues seen, int rows, int slots, IChannel channel)
    {
        if (seen.FirstWithout is not { } slot)
            return;
        string column =
            $"Feature column '{data.Schema.Feature!.Value.Name}' has no value (only NaN) in all {rows} rows of the training set";
        if (seen.CountWithout == slots)
            throw host.Except($"{column}. At least one slot with a value is needed.");
        string others = seen.CountWithout > 1 ? $"; so it is with {seen.CountWithout} slots" : "";
        // A model to go on from has the slot, and may know it.
        string learned = Start is null ? "Nothing is learned of it. Leave the slot out, or fill it" : "Nothing new is learned of it";
        channel.Warning(MessageSensitivity.Schema, "{0}", $"{column} at {ExampleReader.SlotText(data, slot)}. {learned}{others}.");
    }

    /// <summary>
    /// Which slots have had a value that is not NaN. Nearly always all of them after a row or two, and then a row costs nothing.
    /// </summary>
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
