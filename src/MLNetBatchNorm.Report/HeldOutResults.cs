using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>What the network said about the held-out rows, beside what is true. Rows without a label are left out.</summary>
internal abstract class HeldOutResults
{
    /// <summary>Scores the rows and reads the labels.</summary>
    /// <param name="network">The network.</param>
    /// <param name="inputs">The columns it reads, and the label.</param>
    /// <param name="label">The name of the label column.</param>
    /// <exception cref="ArgumentException">The label column is absent or of another type, or there is no row with a label.</exception>
    public static HeldOutResults Read(ReportedNetwork network, IDataView inputs, string label)
    {
        DataViewSchema.Column column = inputs.Schema.GetColumnOrNull(label) ?? throw new ArgumentException(
            $"There is no label column '{label}': found {string.Join(", ", inputs.Schema.Select(c => c.Name))}. Name it in {nameof(TrainingReportOptions)}.{nameof(TrainingReportOptions.LabelColumnName)}.");
        bool fits = network.Task switch
        {
            NetworkTask.Binary => column.Type is BooleanDataViewType,
            NetworkTask.Multiclass => column.Type is KeyDataViewType,
            _ => column.Type == NumberDataViewType.Single,
        };
        if (!fits)
            throw new ArgumentException($"The label column '{label}' is of type {column.Type}; a network for {network.Task.ToString().ToLowerInvariant()} results needs {Needed(network.Task)}.");

        IDataView scored = network.Predictor.Transform(inputs);
        HeldOutResults results = network.Task switch
        {
            NetworkTask.Binary => BinaryResults.Read(scored, label),
            NetworkTask.Multiclass => MulticlassResults.Read(scored, label),
            _ => RegressionResults.Read(scored, label),
        };
        return results.Count > 0 ? results : throw new ArgumentException("There is no held-out row that has a label.");
    }

    /// <summary>Number of rows.</summary>
    public abstract int Count { get; }

    private static string Needed(NetworkTask task) => task switch
    {
        NetworkTask.Binary => "a Boolean",
        NetworkTask.Multiclass => "a key (MapValueToKey)",
        _ => "a Single",
    };
}

/// <summary>Results of binary classification.</summary>
internal sealed class BinaryResults(IReadOnlyList<bool> labels, IReadOnlyList<double> probabilities, IReadOnlyList<bool> decisions) : HeldOutResults
{
    public override int Count => labels.Count;

    public IReadOnlyList<bool> Labels => labels;

    /// <summary>The probability of true.</summary>
    public IReadOnlyList<double> Probabilities => probabilities;

    public IReadOnlyList<bool> Decisions => decisions;

    public static BinaryResults Read(IDataView scored, string label) => new(
        [.. scored.GetColumn<bool>(label)],
        [.. scored.GetColumn<float>("Probability").Select(p => (double)p)],
        [.. scored.GetColumn<bool>("PredictedLabel")]);
}

/// <summary>Results of multiclass classification; classes are counted from 0.</summary>
internal sealed class MulticlassResults(IReadOnlyList<string> names, IReadOnlyList<int> labels, IReadOnlyList<float[]> probabilities) : HeldOutResults
{
    public override int Count => labels.Count;

    /// <summary>The name of each class.</summary>
    public IReadOnlyList<string> Names => names;

    public IReadOnlyList<int> Labels => labels;

    /// <summary>The probability of each class, row by row.</summary>
    public IReadOnlyList<float[]> Probabilities => probabilities;

    public IReadOnlyList<int> Decisions { get; } = [.. probabilities.Select(row => Array.IndexOf(row, row.Max()))];

    public static MulticlassResults Read(IDataView scored, string label)
    {
        uint[] keys = [.. scored.GetColumn<uint>(label)];
        float[][] scores = [.. scored.GetColumn<float[]>("Score")];
        int[] labelled = [.. Enumerable.Range(0, keys.Length).Where(i => keys[i] > 0)];
        int classes = ((VectorDataViewType)scored.Schema["Score"].Type).Size;
        return new MulticlassResults(
            ClassNames.Of(scored.Schema[label], classes), [.. labelled.Select(i => (int)keys[i] - 1)], [.. labelled.Select(i => scores[i])]);
    }
}

/// <summary>Results of regression.</summary>
internal sealed class RegressionResults(IReadOnlyList<double> labels, IReadOnlyList<double> predictions) : HeldOutResults
{
    public override int Count => labels.Count;

    public IReadOnlyList<double> Labels => labels;

    public IReadOnlyList<double> Predictions => predictions;

    public static RegressionResults Read(IDataView scored, string label)
    {
        float[] labels = [.. scored.GetColumn<float>(label)];
        float[] scores = [.. scored.GetColumn<float>("Score")];
        int[] labelled = [.. Enumerable.Range(0, labels.Length).Where(i => !float.IsNaN(labels[i]))];
        return new RegressionResults([.. labelled.Select(i => (double)labels[i])], [.. labelled.Select(i => (double)scores[i])]);
    }
}
