using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

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
