using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>
/// What the network said about the held-out rows, beside what is true. Rows without a label and
/// rows without a score are counted, and left out.
/// </summary>
internal abstract class HeldOutResults(CountedRows rows)
{
    /// <summary>Scores the rows and reads the labels.</summary>
    /// <param name="network">The network.</param>
    /// <param name="inputs">The columns it reads, and the label.</param>
    /// <param name="label">The name of the label column.</param>
    /// <exception cref="ArgumentException">
    /// The label column is absent, of another type or of other classes, or there is no row with a label.
    /// </exception>
    public static HeldOutResults Read(ReportedNetwork network, IDataView inputs, string label)
    {
        DataViewSchema.Column column = inputs.Schema.GetColumnOrNull(label) ?? throw new ArgumentException(
            $"There is no label column '{label}': found {string.Join(", ", inputs.Schema.Select(c => c.Name))}. "
            + $"Name it in {nameof(TrainingReportOptions)}.{nameof(TrainingReportOptions.LabelColumnName)}.");
        bool fits = network.Task switch
        {
            NetworkTask.Binary => column.Type is BooleanDataViewType,
            NetworkTask.Multiclass => column.Type is KeyDataViewType && column.Type.RawType == typeof(uint),
            NetworkTask.Regression => column.Type == NumberDataViewType.Single,
            _ => throw new InvalidOperationException($"Unknown task {network.Task}."),
        };
        if (!fits)
        {
            throw new ArgumentException(
                $"The label column '{label}' is of type {column.Type}; a network for {network.Task.ToString().ToLowerInvariant()} results "
                + $"needs {Needed(network.Task)}.");
        }

        IDataView scored = network.Predictor.Transform(inputs);
        HeldOutResults results = network.Task switch
        {
            NetworkTask.Binary => BinaryResults.Read(column, inputs, scored),
            NetworkTask.Multiclass => MulticlassResults.Read(column, inputs, scored),
            NetworkTask.Regression => RegressionResults.Read(column, inputs, scored),
            _ => throw new InvalidOperationException($"Unknown task {network.Task}."),
        };
        return results.Count + results.Unscored > 0 ? results : throw new ArgumentException("There is no held-out row that has a label.");
    }

    /// <summary>Number of rows that have a label and a score.</summary>
    public int Count => rows.Count;

    /// <summary>Rows that have no label.</summary>
    public int Unlabelled => rows.Unlabelled;

    /// <summary>Rows that have a label and no score.</summary>
    public int Unscored => rows.Unscored;

    /// <summary>Why there is no measure of these rows that could fall, as a sentence says it; null if there is.</summary>
    public string? WhyNoMeasure => Count == 0 ? "no row could be scored" : WhyUndefined;

    /// <summary>Why the measure of the importance is not defined for these rows; null if it is.</summary>
    protected abstract string? WhyUndefined { get; }

    private static string Needed(NetworkTask task) => task switch
    {
        NetworkTask.Binary => "a Boolean",
        NetworkTask.Multiclass => "a key (MapValueToKey)",
        NetworkTask.Regression => "a Single",
        _ => throw new ArgumentOutOfRangeException(nameof(task), task, "Unknown task."),
    };
}
