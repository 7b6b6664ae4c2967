using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>What one slot of the features is worth: how much worse the held-out rows are predicted once its values are shuffled among them.</summary>
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
        _ => "R²",
    };

    /// <summary>Every slot, the most important one first; by ML.NET's permutation feature importance.</summary>
    public static IReadOnlyList<SlotImportance> Measure(MLContext mlContext, ReportedNetwork network, IDataView inputs, TrainingReportOptions options)
    {
        string label = options.LabelColumnName;
        int permutations = options.PermutationCount;
        IDataView rows = mlContext.Data.Cache(inputs);
        IEnumerable<MetricStatistics> changes = network.Task switch
        {
            NetworkTask.Binary => mlContext.BinaryClassification
                .PermutationFeatureImportance(network.Predictor, rows, label, permutationCount: permutations).Select(change => change.AreaUnderRocCurve),
            NetworkTask.Multiclass => mlContext.MulticlassClassification
                .PermutationFeatureImportance(network.Predictor, rows, label, permutationCount: permutations).Select(change => change.MicroAccuracy),
            _ => mlContext.Regression
                .PermutationFeatureImportance(network.Predictor, rows, label, permutationCount: permutations).Select(change => change.RSquared),
        };
        string[] names = SlotNames(inputs.Schema[network.Predictor.FeatureColumnName]);
        return
        [
            .. changes
                .Select((change, slot) => new SlotImportance(names[slot], -change.Mean, change.Count > 1 ? change.StandardError : null))
                .OrderByDescending(importance => importance.Loss),
        ];
    }

    private static string[] SlotNames(DataViewSchema.Column features)
    {
        int slots = ((VectorDataViewType)features.Type).Size;
        VBuffer<ReadOnlyMemory<char>> names = default;
        if (features.HasSlotNames())
            features.GetSlotNames(ref names);
        ReadOnlyMemory<char>[] known = [.. names.DenseValues()];
        return [.. Enumerable.Range(0, slots).Select(i => i < known.Length && !known[i].IsEmpty ? known[i].ToString() : $"slot {i}")];
    }
}
