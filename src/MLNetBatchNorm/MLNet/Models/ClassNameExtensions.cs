using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;

namespace Microsoft.ML;

/// <summary>Which class a score of a multiclass model, or a key, stands for.</summary>
/// <remarks>
/// The names are annotations that ML.NET keeps with the columns and saves with a model: these read those of any multiclass trainer, need
/// neither the training data nor the label column, and work behind <c>MapKeyToValue</c> as well.
/// </remarks>
[SuppressMessage(
    "ApiDesign", "RS0026:Do not add multiple public overloads with optional parameters",
    Justification = "They extend different types: no call can mean two of them.")]
public static class ClassNameExtensions
{
    /// <summary>
    /// The names of the classes, in the order of the slots of a multiclass model's score column: <c>names[i]</c> is the class of
    /// <c>Score[i]</c>.
    /// </summary>
    /// <param name="schema">The schema of scored rows: <c>model.Transform(rows).Schema</c>.</param>
    /// <param name="scoreColumnName">The name of the score column.</param>
    /// <returns>As <see cref="GetClassNames(DataViewSchema.Column)"/>.</returns>
    /// <exception cref="System.ArgumentOutOfRangeException">There is no such column, or it is of another kind: yes or no and numbers have
    /// one score.</exception>
    public static IReadOnlyList<string> GetClassNames(this DataViewSchema schema, string scoreColumnName = DefaultColumnNames.Score)
    {
        Contracts.CheckValue(schema, nameof(schema));
        Contracts.CheckNonEmpty(scoreColumnName, nameof(scoreColumnName));
        if (schema.GetColumnOrNull(scoreColumnName) is { } score)
            return score.GetClassNames();
        throw Contracts.ExceptParam(
            nameof(scoreColumnName),
            $"There is no column '{scoreColumnName}': found {string.Join(", ", schema.Select(column => column.Name))}. Give scored rows.");
    }

    /// <summary>The names of the classes, in the order of the slots of the score column that <paramref name="model"/> makes.</summary>
    /// <param name="model">A multiclass model, alone or at the end of a pipeline; also a loaded one.</param>
    /// <param name="inputSchema">The schema of the rows that it scores; <c>Model.Load</c> gives it.</param>
    /// <param name="scoreColumnName">The name of the score column.</param>
    /// <returns>As <see cref="GetClassNames(DataViewSchema.Column)"/>.</returns>
    /// <exception cref="System.ArgumentOutOfRangeException">The model makes no such column, or one of another kind: yes or no and numbers
    /// have one score.</exception>
    public static IReadOnlyList<string> GetClassNames(
        this ITransformer model, DataViewSchema inputSchema, string scoreColumnName = DefaultColumnNames.Score)
    {
        Contracts.CheckValue(model, nameof(model));
        Contracts.CheckValue(inputSchema, nameof(inputSchema));
        return model.GetOutputSchema(inputSchema).GetClassNames(scoreColumnName);
    }

    /// <summary>The names of the classes, in the order of the slots of a score column, or of the keys of a label column.</summary>
    /// <param name="column">A score column of several classes, or a column of keys, such as a label or a predicted label.</param>
    /// <returns>
    /// What the labels were before they became keys: text as it is, numbers, times and the like in the invariant culture. Where the keys
    /// stand for nothing (a column that was a key from the start), the keys themselves: 1, 2 and so on.
    /// </returns>
    /// <exception cref="System.ArgumentOutOfRangeException">The column is neither of keys nor a vector of known size.</exception>
    public static IReadOnlyList<string> GetClassNames(this DataViewSchema.Column column)
    {
        int classes = column.Type switch
        {
            KeyDataViewType { Count: <= int.MaxValue } key => (int)key.Count,
            VectorDataViewType { IsKnownSize: true } scores => scores.Size,
            _ => throw Contracts.ExceptParam(
                nameof(column),
                $"Column '{column.Name}' is of type {column.Type}; classes have a column of keys, and scores a vector of known size."),
        };
        return FindClassNames(column) ?? [.. Enumerable.Range(1, classes).Select(key => key.ToString(CultureInfo.InvariantCulture))];
    }

    /// <summary>
    /// Whether the column says what its classes are called; without it <see cref="GetClassNames(DataViewSchema.Column)"/> gives their
    /// numbers.
    /// </summary>
    /// <param name="column">A score column of several classes, or a column of keys.</param>
    public static bool HasClassNames(this DataViewSchema.Column column) => FindClassNames(column) is not null;

    /// <summary>The names, or null where the keys stand for nothing.</summary>
    internal static IReadOnlyList<string>? FindClassNames(DataViewSchema.Column column)
    {
        string[]? names = column.Type is KeyDataViewType
            ? KeyValues.Of(column, AnnotationUtils.Kinds.KeyValues)
            : KeyValues.Of(column, AnnotationUtils.Kinds.TrainingLabelValues) ?? KeyValues.Of(column, AnnotationUtils.Kinds.SlotNames);
        return names is { Length: > 0 } ? names : null;
    }
}
