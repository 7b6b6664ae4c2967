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
            _ => column.Type == NumberDataViewType.Single,
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
            _ => RegressionResults.Read(column, inputs, scored),
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
        _ => "a Single",
    };
}

/// <summary>Results of binary classification.</summary>
internal sealed class BinaryResults(CountedRows rows, bool[] labels, float[] probabilities, bool[] decisions) : HeldOutResults(rows)
{
    public IReadOnlyList<bool> Labels { get; } = rows.Take(labels, label => label);

    /// <summary>The probability of true.</summary>
    public IReadOnlyList<double> Probabilities { get; } = rows.Take(probabilities, p => (double)p);

    public IReadOnlyList<bool> Decisions { get; } = rows.Take(decisions, decision => decision);

    protected override string? WhyUndefined =>
        Labels.Distinct().Count() < 2 ? "the area under the ROC curve is not defined where all rows are of one class" : null;

    public static BinaryResults Read(DataViewSchema.Column label, IDataView inputs, IDataView scored)
    {
        bool[] labels = [.. inputs.GetColumn<bool>(label)];
        float[] probabilities = [.. scored.GetColumn<float>("Probability")];
        bool[] decisions = [.. scored.GetColumn<bool>("PredictedLabel")];
        return new BinaryResults(
            new CountedRows(labels.Length, _ => true, i => float.IsFinite(probabilities[i])), labels, probabilities, decisions);
    }
}

/// <summary>Results of multiclass classification; classes are counted from 0.</summary>
internal sealed class MulticlassResults(IReadOnlyList<string> names, CountedRows rows, uint[] keys, float[][] scores) : HeldOutResults(rows)
{
    /// <summary>The name of each class.</summary>
    public IReadOnlyList<string> Names => names;

    public IReadOnlyList<int> Labels { get; } = rows.Take(keys, key => (int)key - 1);

    /// <summary>The probability of each class, row by row.</summary>
    public IReadOnlyList<float[]> Probabilities { get; } = rows.Take(scores, row => row);

    public IReadOnlyList<int> Decisions { get; } = rows.Take(scores, row => Array.IndexOf(row, row.Max()));

    protected override string? WhyUndefined => null;

    public static MulticlassResults Read(DataViewSchema.Column label, IDataView inputs, IDataView scored)
    {
        DataViewSchema.Column score = scored.Schema["Score"];
        int classes = ((VectorDataViewType)score.Type).Size;
        CheckClasses(label, score, classes);
        uint[] keys = [.. inputs.GetColumn<uint>(label)];
        float[][] scores = [.. scored.GetColumn<float[]>(score)];
        return new MulticlassResults(
            Reporting.Names.Distinct(label.GetClassNames(), key => $"key {key + 1}"),
            new CountedRows(keys.Length, i => keys[i] > 0, i => scores[i].All(float.IsFinite)), keys, scores);
    }

    /// <summary>A label that became a key by another mapping than in training counts right answers as wrong ones.</summary>
    private static void CheckClasses(DataViewSchema.Column label, DataViewSchema.Column score, int classes)
    {
        IReadOnlyList<string> trained = Known(score), given = Known(label);
        bool same = trained.Count > 0 && given.Count > 0
            ? trained.SequenceEqual(given)
            : ((KeyDataViewType)label.Type).Count == (ulong)classes;
        if (!same)
        {
            throw new ArgumentException(
                $"The keys of the label column '{label.Name}' stand for {Describe(given, ((KeyDataViewType)label.Type).Count)}, "
                + "those that the network was trained with for "
                + $"{Describe(trained, (ulong)classes)}. Let one MapValueToKey, fitted once, make the keys of both.");
        }
    }

    private static IReadOnlyList<string> Known(DataViewSchema.Column column) => column.HasClassNames() ? column.GetClassNames() : [];

    private static string Describe(IReadOnlyList<string> names, ulong count)
    {
        const int Shown = 5;
        return names.Count == 0
            ? $"{count} classes"
            : $"{count} classes "
                + $"({string.Join(", ", names.Take(Shown).Select(Reporting.Names.Readable))}{(names.Count > Shown ? ", ..." : "")})";
    }
}

/// <summary>Results of regression.</summary>
internal sealed class RegressionResults(
    CountedRows rows, float[] labels, float[] predictions, (double Lower, double Upper)[][]? bounds = null) : HeldOutResults(rows)
{
    /// <summary>The bounds of each row, level by level; null where the model has none.</summary>
    public (double Lower, double Upper)[][]? Bounds { get; } = bounds is null ? null : [.. rows.Take(bounds, row => row)];

    public IReadOnlyList<double> Labels { get; } = rows.Take(labels, label => (double)label);

    public IReadOnlyList<double> Predictions { get; } = rows.Take(predictions, prediction => (double)prediction);

    protected override string? WhyUndefined => Labels.Distinct().Count() < 2 ? "R² is not defined where all labels are equal" : null;

    public static RegressionResults Read(DataViewSchema.Column label, IDataView inputs, IDataView scored)
    {
        float[] labels = [.. inputs.GetColumn<float>(label)];
        float[] predictions = [.. scored.GetColumn<float>("Score")];
        return new RegressionResults(
            new CountedRows(labels.Length, i => float.IsFinite(labels[i]), i => float.IsFinite(predictions[i])), labels, predictions,
            ReadBounds(scored));
    }

    private static (double, double)[][]? ReadBounds(IDataView scored)
    {
        if (scored.Schema.GetColumnOrNull("ScoreLowerBound") is not { } lower || scored.Schema.GetColumnOrNull(
            "ScoreUpperBound") is not { } upper)
            return null;
        return [.. Read(lower).Zip(Read(upper), (low, high) => low.Zip(high, (l, h) => ((double)l, (double)h)).ToArray())];

        IEnumerable<float[]> Read(DataViewSchema.Column column) => column.Type is VectorDataViewType
            ? scored.GetColumn<float[]>(column)
            : scored.GetColumn<float>(column).Select(value => new[] { value });
    }
}
