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
        RowStore training = CreateLoader(AllowsSparse ? null : false, budgetBytes, forTraining: true, samplingKey, cancellation)
            .Load(trainingSet, "training", channel);
        RowStore? validation = null;
        try
        {
            // What the training rows leave, and a quarter in any case: the windows of spilled rows take half.
            long budget = Math.Max(budgetBytes / 4, budgetBytes - training.BytesInMemory);
            if (validationSet is not null)
            {
                validation = CreateLoader(training.Shape.IsSparse, budget, forTraining: false, null, cancellation).Load(
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
        if (task.LabelKind == LabelKind.Class && KeyValues.FirstDifference(trainingLabel, label) is { } difference)
        {
            throw host.ExceptUserArg(
                nameof(validationSet),
                $"Key {difference.Key} of label column '{label.Name}' is '{difference.Other}' in the validation set, "
                + $"and '{difference.First}' in the training set. Turn the labels of both into keys with the same fitted transformer.");
        }
    }

    /// <summary>The names of the targets of a label column that is a vector; null if there are none.</summary>
    public static SlotNames? TargetNames(RoleMappedData data)
    {
        DataViewSchema.Column label = data.Schema.Label!.Value;
        if (!label.HasSlotNames())
            return null;
        VBuffer<ReadOnlyMemory<char>> names = default;
        label.GetSlotNames(ref names);
        return Encoding.SlotNames.Create(names.Length, names.DenseValues(), out _);
    }

    /// <summary>Which feature slots the view says to be parts of categories, such as one-hot columns.</summary>
    public static bool[] CategoricalSlots(RoleMappedData data)
    {
        bool[] categorical = new bool[((VectorDataViewType)data.Schema.Feature!.Value.Type).Size];
        foreach ((int first, int count) in CategoricalRanges(data))
            Array.Fill(categorical, true, first, count);
        return categorical;
    }

    /// <summary>First slot and number of slots of each category that the view knows of.</summary>
    public static IEnumerable<(int First, int Count)> CategoricalRanges(RoleMappedData data) =>
        AnnotationUtils.TryGetCategoricalFeatureIndices(data.Schema.Schema, data.Schema.Feature!.Value.Index, out int[] ranges)
            ? ranges.Chunk(2).Select(range => (range[0], range[1] - range[0] + 1))
            : [];

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
        bool? sparse, long budget, bool forTraining, string? samplingKey, CancellationToken cancellation) =>
        new(host, task, unchecked((ulong)seed), cancellation)
        {
            Sparse = sparse, BudgetBytes = budget, ForTraining = forTraining, ClassWeights = ClassWeights, Fingerprint = Fingerprint,
            SamplingKeyColumnName = samplingKey, GoesOn = Start is not null,
        };
}
