using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Reads the views of one call of <c>Fit</c>, each once.</summary>
/// <param name="host">The trainer's host.</param>
/// <param name="task">What a label means.</param>
/// <param name="seed">Chooses the rows that speak for all where these do not fit into memory.</param>
/// <param name="budgetBytes">Memory for rows.</param>
internal sealed class FitLoader(IHost host, NetworkTask task, int seed, long budgetBytes)
{
    /// <summary>Whether sparse rows may stay sparse.</summary>
    public required bool AllowsSparse { get; init; }

    /// <summary>Whether categories may be kept as numbers.</summary>
    public required bool AllowsCategories { get; init; }

    /// <summary>What a row of each class counts for, to leave out the rows of a class that counts for nothing; null: all count.</summary>
    public required float[]? ClassWeights { get; init; }

    /// <summary>The column that says which rows belong together where validation rows are set aside, or null.</summary>
    public required string? SamplingKeyColumnName { get; init; }

    /// <summary>The model that training goes on from, or null.</summary>
    public required TrainedNetwork? Start { get; init; }

    /// <summary>Told about every row that is used; may be null.</summary>
    public required FitFingerprint? Fingerprint { get; init; }

    /// <summary>Reads the rows of both views.</summary>
    /// <param name="trainingSet">The training rows.</param>
    /// <param name="validationSet">The validation rows, or null.</param>
    /// <param name="channel">Where skipped rows are reported.</param>
    /// <param name="cancellation">Asked every few hundred rows.</param>
    public FitRows Load(RoleMappedData trainingSet, RoleMappedData? validationSet, IChannel channel, CancellationToken cancellation)
    {
        // Where validation rows are given, none are set aside, and nothing has to stay together.
        string? samplingKey = validationSet is null ? SamplingKeyColumnName : null;
        // A network that goes on from another reads rows as that one does.
        bool isGiven = Start is not null || !AllowsCategories;
        CategoryRanges? ranges = Start is not null ? Start.Encoder.Ranges : AllowsCategories ? CategoricalRanges(trainingSet) : null;
        RowStore training =
            CreateLoader(AllowsSparse ? null : false, (ranges, isGiven), budgetBytes, forTraining: true, samplingKey, cancellation)
            .Load(trainingSet, "training", channel);
        RowStore? validation = null;
        try
        {
            // What the training rows leave, and a quarter in any case: the windows of spilled rows take half.
            long budget = Math.Max(budgetBytes / 4, budgetBytes - training.BytesInMemory);
            if (validationSet is not null)
            {
                RowShape shape = training.Shape;
                validation = CreateLoader(shape.IsSparse, (shape.Ranges, true), budget, forTraining: false, null, cancellation).Load(
                    validationSet, "validation", channel);
            }
        }
        catch
        {
            training.Dispose();
            throw;
        }

        return FitRows.Join(training, validation, task.Objective, Start, cancellation);
    }

    /// <summary>Refuses validation rows that are not like the training rows.</summary>
    public void CheckValidationSet(RoleMappedData trainingSet, RoleMappedData validationSet)
    {
        DataViewSchema.Column features = validationSet.Schema.Feature!.Value, trainingFeatures = trainingSet.Schema.Feature!.Value;
        validationSet.CheckFeatureFloatVector(out int slots);
        trainingSet.CheckFeatureFloatVector(out int trainingSlots);
        if (slots != trainingSlots)
        {
            throw host.ExceptSchemaMismatch(
                nameof(validationSet), "feature", features.Name, trainingFeatures.Type.ToString(), features.Type.ToString());
        }
        if (NamesOf(features) is { } slotNames)
            CheckSlotNames(trainingSet, slotNames, nameof(validationSet), "the validation set");
        DataViewSchema.Column label = validationSet.Schema.Label!.Value, trainingLabel = trainingSet.Schema.Label!.Value;
        if (task.LabelKind == LabelKind.Class && label.Type.GetKeyCount() != (ulong)task.Outputs)
        {
            throw host.ExceptSchemaMismatch(
                nameof(validationSet), "label", label.Name, trainingLabel.Type.ToString(), label.Type.ToString());
        }
        if (LabelReader.CountOf(label) != task.Targets)
        {
            throw host.ExceptSchemaMismatch(
                nameof(validationSet), "label", label.Name, trainingLabel.Type.ToString(), label.Type.ToString());
        }
        if (ClassNames(validationSet) is { } classNames)
            CheckClassNames(trainingSet, classNames, nameof(validationSet), "the validation set");
        if (task.Targets > 1)
            CheckTargetNames(trainingSet, TargetNames(validationSet), nameof(validationSet), "the validation set");
    }

    /// <summary>Refuses targets in another order than those of the training set, where both have names.</summary>
    /// <param name="trainingSet">The training set.</param>
    /// <param name="others">The names of the other targets, as many, or null.</param>
    /// <param name="argument">Whose they are: an argument of <c>Fit</c>.</param>
    /// <param name="where">What it is called in the message.</param>
    public void CheckTargetNames(RoleMappedData trainingSet, SlotNames? others, string argument, string where)
    {
        if (TargetNames(trainingSet) is { } names && others is not null && names.FirstDifference(others) is { } target)
        {
            throw host.ExceptUserArg(
                argument,
                $"Target {target} of label column '{trainingSet.Schema.Label!.Value.Name}' is '{names[target]}' in the training set, "
                + $"and '{others[target]}' in {where}. Give the targets of both in the same order.");
        }
    }

    /// <summary>Refuses classes whose keys stand for something else than those of the training set, where both say it.</summary>
    /// <param name="trainingSet">The training set.</param>
    /// <param name="others">What the other keys stand for, as many.</param>
    /// <param name="argument">Whose they are: an argument of <c>Fit</c>.</param>
    /// <param name="where">What it is called in the message.</param>
    public void CheckClassNames(RoleMappedData trainingSet, SlotNames others, string argument, string where)
    {
        if (ClassNames(trainingSet) is { } names && names.FirstDifference(others) is { } key)
        {
            throw host.ExceptUserArg(
                argument,
                $"Key {key + 1} of label column '{trainingSet.Schema.Label!.Value.Name}' is '{others[key]}' in {where}, "
                + $"and '{names[key]}' in the training set. Turn the labels of both into keys with the same fitted transformer.");
        }
    }

    /// <summary>
    /// Refuses slots in another order than those of the training set: another name may be the same thing called otherwise, but not if the
    /// training set has that name at another slot.
    /// </summary>
    /// <param name="trainingSet">The training set.</param>
    /// <param name="others">The other slots' names, as many.</param>
    /// <param name="argument">Whose they are: an argument of <c>Fit</c>.</param>
    /// <param name="where">What it is called in the message.</param>
    public void CheckSlotNames(RoleMappedData trainingSet, SlotNames others, string argument, string where)
    {
        DataViewSchema.Column features = trainingSet.Schema.Feature!.Value;
        if (NamesOf(features) is { } names && names.FirstMoved(others) is { } moved)
        {
            throw host.ExceptUserArg(
                argument,
                $"Slot {moved.Slot} of feature column '{features.Name}' is '{others[moved.Slot]}' in {where}, which is slot {moved.Here} "
                + "in the training set. Make the features of both by the same fitted transformer.");
        }
    }

    /// <summary>The names of the targets of a label column that is a vector; null if there are none.</summary>
    public static SlotNames? TargetNames(RoleMappedData data) => NamesOf(data.Schema.Label!.Value);

    /// <summary>
    /// What the keys of a label column stand for; null if it does not say it of every key, or has none: the annotation is anybody's to
    /// write, and need not have as many values as there are keys.
    /// </summary>
    public static SlotNames? ClassNames(RoleMappedData data) =>
        KeyValues.Of(data.Schema.Label!.Value) is { } values && (ulong)values.Length == data.Schema.Label!.Value.Type.GetKeyCount()
        ? Encoding.SlotNames.Create(values.Length, values.Select(value => value.AsMemory()), out _)
        : null;

    private static SlotNames? NamesOf(DataViewSchema.Column column)
    {
        if (!column.HasSlotNames())
            return null;
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return Encoding.SlotNames.Create(names.Length, names.DenseValues(), out _);
    }

    /// <summary>Which feature slots the view says to be parts of categories, such as one-hot columns.</summary>
    public bool[] CategoricalSlots(RoleMappedData data)
    {
        bool[] categorical = new bool[((VectorDataViewType)data.Schema.Feature!.Value.Type).Size];
        foreach (CategoryRange range in RangesOf(data))
            Array.Fill(categorical, true, range.First, range.Count);
        return categorical;
    }

    /// <summary>The ranges of slots of which a row sets one, if there are any; a single slot is no range.</summary>
    private CategoryRanges? CategoricalRanges(RoleMappedData data)
    {
        CategoryRange[] ranges = [.. RangesOf(data).Where(range => range.Count > 1)];
        return ranges.Length == 0 ? null : new CategoryRanges(((VectorDataViewType)data.Schema.Feature!.Value.Type).Size, ranges);
    }

    /// <summary>The ranges in the annotation of the feature column, rising. Refuses those that are none.</summary>
    private List<CategoryRange> RangesOf(RoleMappedData data)
    {
        DataViewSchema.Column features = data.Schema.Feature!.Value;
        int slots = ((VectorDataViewType)features.Type).Size;
        const string kind = AnnotationUtils.Kinds.CategoricalSlotRanges;
        if (features.Annotations.Schema.GetColumnOrNull(kind) is not { Type: VectorDataViewType { ItemType.RawType: var type } }
            || type != typeof(int))
        {
            return [];
        }
        VBuffer<int> annotation = default;
        features.Annotations.GetValue(kind, ref annotation);
        int[] ends = [.. annotation.DenseValues()];
        string column = $"Feature column '{features.Name}' has the annotation {kind}, ";
        if (ends.Length % 2 != 0)
            throw host.Except($"{column}whose {ends.Length} numbers are no pairs of a first and a last slot.");
        var ranges = new List<CategoryRange>();
        for (int i = 0; i < ends.Length; i += 2)
        {
            int first = ends[i], last = ends[i + 1];
            if (first < 0 || last < first || last >= slots)
            {
                throw host.Except(
                    $"{column}in which range {i / 2} goes from slot {first} to {last}; the column has the slots 0 to {slots - 1}. "
                    + "It may have been copied from a vector of another length; leave it out, or give that of this column.");
            }
            ranges.Add(new CategoryRange(first, last - first + 1));
        }
        ranges.Sort((one, other) => one.First.CompareTo(other.First));
        for (int i = 1; i < ranges.Count; i++)
        {
            if (ranges[i].First < ranges[i - 1].End)
            {
                throw host.Except(
                    $"{column}in which the ranges {ranges[i - 1].First} to {ranges[i - 1].End - 1} and {ranges[i].First} to "
                    + $"{ranges[i].End - 1} overlap. A slot belongs to one category.");
            }
        }

        return ranges;
    }

    /// <summary>First slot and number of slots of each category that the view knows of.</summary>
    public IReadOnlyList<(int First, int Count)> CategoriesOf(RoleMappedData data) =>
        [.. RangesOf(data).Select(range => (range.First, range.Count))];

    /// <summary>The names of the feature column's slots, as far as a model keeps them; null if there are none.</summary>
    public static SlotNames? SlotNames(RoleMappedData data, IChannel channel)
    {
        DataViewSchema.Column features = data.Schema.Feature!.Value;
        if (!features.HasSlotNames())
            return null;
        VBuffer<ReadOnlyMemory<char>> names = default;
        features.GetSlotNames(ref names);
        SlotNames? kept = Encoding.SlotNames.Create(names.Length, names.DenseValues(), out long bytes);
        if (bytes > Encoding.SlotNames.MaximumBytes)
        {
            channel.Info(
                MessageSensitivity.None, "The names of the feature slots take {0} MB, more than the {1} that a model keeps; it keeps none.",
                bytes >> 20, Encoding.SlotNames.MaximumBytes >> 20);
        }

        return kept;
    }

    private TrainingSetLoader CreateLoader(
        bool? sparse, (CategoryRanges? Known, bool AreGiven) ranges, long budget, bool forTraining, string? samplingKey,
        CancellationToken cancellation) =>
        new(host, task, unchecked((ulong)seed), cancellation)
        {
            Sparse = sparse, BudgetBytes = budget, ForTraining = forTraining, ClassWeights = ClassWeights, Fingerprint = Fingerprint,
            SamplingKeyColumnName = samplingKey, Start = Start, Ranges = ranges.Known,
            RangesAreGiven = ranges.AreGiven, FindsCategories = !ranges.AreGiven,
        };
}
