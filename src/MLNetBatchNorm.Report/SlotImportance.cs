using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>
/// What one slot of the features is worth: how much worse the held-out rows are predicted once its values are shuffled among them.
/// </summary>
/// <param name="Name">The slot's name, or its number.</param>
/// <param name="Loss">By how much the measure falls, in the mean of the permutations.</param>
/// <param name="StandardError">Of that mean; null for a single permutation.</param>
internal sealed record SlotImportance(string Name, double Loss, double? StandardError)
{
    /// <summary>What <see cref="Loss"/> is a loss of.</summary>
    public static string Measure(NetworkTask task) => task switch
    {
        NetworkTask.Binary => "area under the ROC curve",
        NetworkTask.Multiclass => "accuracy",
        NetworkTask.Regression => "R²",
        _ => throw new ArgumentOutOfRangeException(nameof(task), task, "Unknown task."),
    };

    // ML.NET evaluates by the name of the label, and the network's own columns would hide a label that is called Score.
    private const string Label = "Label of the report";

    /// <summary>Every slot, the most important one first; by ML.NET's permutation feature importance.</summary>
    /// <param name="mlContext">Shuffles.</param>
    /// <param name="network">The network.</param>
    /// <param name="inputs">The columns it reads, and the label.</param>
    /// <param name="areLeftOut">
    /// Whether there are rows without a label or score. Left in, what they lack would be shuffled into other rows.
    /// </param>
    /// <param name="options">How often is shuffled, and which column is the label.</param>
    public static IReadOnlyList<SlotImportance> Measure(
        MLContext mlContext, ReportedNetwork network, IDataView inputs, bool areLeftOut, TrainingReportOptions options)
    {
        const string label = Label;
        int permutations = options.PermutationCount;
        IDataView labelled = mlContext.Transforms.CopyColumns(Label, options.LabelColumnName).Fit(inputs).Transform(inputs);
        IDataView rows = mlContext.Data.Cache(
            areLeftOut ? Counted(mlContext, network.Task, network.Predictor.Transform(labelled)) : labelled);
        IEnumerable<MetricStatistics> changes = network.Task switch
        {
            NetworkTask.Binary => mlContext.BinaryClassification
                .PermutationFeatureImportance(network.Predictor, rows, label, permutationCount: permutations)
                .Select(change => change.AreaUnderRocCurve),
            NetworkTask.Multiclass => mlContext.MulticlassClassification
                .PermutationFeatureImportance(network.Predictor, rows, label, permutationCount: permutations)
                .Select(change => change.MicroAccuracy),
            NetworkTask.Regression => mlContext.Regression
                .PermutationFeatureImportance(network.Predictor, rows, label, permutationCount: permutations)
                .Select(change => change.RSquared),
            _ => throw new InvalidOperationException($"Unknown task {network.Task}."),
        };
        IReadOnlyList<string> names = SlotNames(inputs.Schema[network.Predictor.FeatureColumnName]);
        return
        [
            .. changes
                .Select((change, slot) => new SlotImportance(names[slot], -change.Mean, change.Count > 1 ? change.StandardError : null))
                .OrderByDescending(importance => importance.Loss),
        ];
    }

    /// <summary>The rows that have a score, and one that is finite.</summary>
    private static IDataView Counted(MLContext mlContext, NetworkTask task, IDataView scored) => task == NetworkTask.Regression
        ? Finite(mlContext, Finite(mlContext, scored, Label), "Score")
        : mlContext.Data.FilterRowsByMissingValues(scored, "Score");

    // The upper bound is excluded.
    private static IDataView Finite(MLContext mlContext, IDataView rows, string column)
        => mlContext.Data.FilterRowsByColumn(rows, column, float.MinValue, double.PositiveInfinity);

    private static IReadOnlyList<string> SlotNames(DataViewSchema.Column features)
    {
        int slots = ((VectorDataViewType)features.Type).Size;
        VBuffer<ReadOnlyMemory<char>> names = default;
        if (features.HasSlotNames())
            features.GetSlotNames(ref names);
        ReadOnlyMemory<char>[] known = [.. names.DenseValues()];
        return Names.Distinct(
            Enumerable.Range(0, slots).Select(i => i < known.Length && !known[i].IsEmpty ? known[i].ToString() : $"slot {i}"),
            i => $"slot {i}");
    }
}
