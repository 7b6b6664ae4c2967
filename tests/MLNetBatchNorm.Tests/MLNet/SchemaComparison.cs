using System.Collections;
using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Whether two schemas are the same: columns, order, types, hidden or not, and every annotation with its value.</summary>
internal static class SchemaComparison
{
    private const string UnknownKind = "NoSuchAnnotation";

    /// <summary>The differences found, each as a sentence; none when the schemas are the same.</summary>
    public static List<string> Differences(DataViewSchema expected, DataViewSchema actual)
    {
        var found = new List<string>();
        if (expected.Count != actual.Count)
            found.Add($"{actual.Count} columns ({Names(actual)}) instead of {expected.Count} ({Names(expected)})");
        for (int i = 0; i < Math.Min(expected.Count, actual.Count); i++)
            CompareColumns(expected, actual, expected[i], actual[i], found);
        return found;
    }

    /// <summary>As <see cref="Differences"/>, of the columns that are not hidden; ML.NET saves no others with a model.</summary>
    public static List<string> VisibleDifferences(DataViewSchema expected, DataViewSchema actual)
    {
        var found = new List<string>();
        DataViewSchema.Column[] expectedColumns = expected.Where(c => !c.IsHidden).ToArray();
        DataViewSchema.Column[] actualColumns = actual.Where(c => !c.IsHidden).ToArray();
        if (expectedColumns.Length != actualColumns.Length)
            found.Add($"{actualColumns.Length} visible columns ({Names(actual)}) instead of {expectedColumns.Length} ({Names(expected)})");
        for (int i = 0; i < Math.Min(expectedColumns.Length, actualColumns.Length); i++)
        {
            if (expectedColumns[i].Name != actualColumns[i].Name)
                found.Add($"column {i} is '{actualColumns[i].Name}' instead of '{expectedColumns[i].Name}'");
            else if (!expectedColumns[i].Type.Equals(actualColumns[i].Type))
                found.Add($"column '{expectedColumns[i].Name}' has type {actualColumns[i].Type} instead of {expectedColumns[i].Type}");
            else
                CompareAnnotations(expectedColumns[i], actualColumns[i], found);
        }

        return found;
    }

    private static string Names(DataViewSchema schema) => string.Join(", ", schema.Select(c => c.Name));

    private static void CompareColumns(
        DataViewSchema expected, DataViewSchema actual, DataViewSchema.Column first, DataViewSchema.Column second, List<string> found)
    {
        string name = first.Name;
        if (second.Name != name)
        {
            found.Add($"column {first.Index} is '{second.Name}' instead of '{name}'");
            return;
        }

        if (!first.Type.Equals(second.Type))
            found.Add($"column '{name}' has type {second.Type} instead of {first.Type}");
        if (first.IsHidden != second.IsHidden)
            found.Add($"column '{name}' (index {first.Index}) is {(second.IsHidden ? "hidden" : "visible")}, expected the opposite");
        if (expected.GetColumnOrNull(name)?.Index != actual.GetColumnOrNull(name)?.Index)
        {
            found.Add(
                $"the name '{name}' leads to column {actual.GetColumnOrNull(name)?.Index} instead of "
                + $"{expected.GetColumnOrNull(name)?.Index}");
        }
        CompareAnnotations(first, second, found);
    }

    private static void CompareAnnotations(DataViewSchema.Column first, DataViewSchema.Column second, List<string> found)
    {
        Type? firstFailure = FailureOfUnknownKind(first);
        Type? secondFailure = FailureOfUnknownKind(second);
        if (firstFailure == null || firstFailure != secondFailure)
        {
            found.Add(
                $"column '{first.Name}': asking for an unknown annotation gives {secondFailure?.Name ?? "no exception"}, "
                + $"expected {firstFailure?.Name ?? "an exception"}");
        }

        string[] kinds = first.Annotations.Schema.Select(a => a.Name).Order(StringComparer.Ordinal).ToArray();
        string[] others = second.Annotations.Schema.Select(a => a.Name).Order(StringComparer.Ordinal).ToArray();
        if (!kinds.SequenceEqual(others))
        {
            found.Add($"column '{first.Name}' has annotations [{string.Join(", ", others)}] instead of [{string.Join(", ", kinds)}]");
            return;
        }

        foreach (string kind in kinds)
        {
            DataViewType type = first.Annotations.Schema[kind].Type;
            DataViewType other = second.Annotations.Schema[kind].Type;
            if (!type.Equals(other))
            {
                found.Add($"annotation '{kind}' of column '{first.Name}' has type {other} instead of {type}");
                continue;
            }

            object? value = Value(first, kind);
            object? otherValue = Value(second, kind);
            if (!StructuralComparisons.StructuralEqualityComparer.Equals(value, otherValue))
                found.Add($"annotation '{kind}' of column '{first.Name}' is {RowTable.Show(otherValue)} instead of {RowTable.Show(value)}");
            if (kind == AnnotationUtils.Kinds.SlotNames && value is Array names && names.Length != first.Type.GetValueCount())
                found.Add($"column '{first.Name}' has {names.Length} slot names for {first.Type.GetValueCount()} slots");
        }
    }

    private static Type? FailureOfUnknownKind(DataViewSchema.Column column)
    {
        try
        {
            float value = 0;
            column.Annotations.GetValue(UnknownKind, ref value);
            return null;
        }
        catch (Exception e)
        {
            return e.GetType();
        }
    }

    private static object? Value(DataViewSchema.Column column, string kind)
    {
        DataViewType type = column.Annotations.Schema[kind].Type;
        bool vector = type is VectorDataViewType;
        Type item = vector ? ((VectorDataViewType)type).ItemType.RawType : type.RawType;
        MethodInfo method = typeof(SchemaComparison).GetMethod(
            vector ? nameof(VectorValue) : nameof(ScalarValue), BindingFlags.NonPublic | BindingFlags.Static)!;
        return method.MakeGenericMethod(item).Invoke(null, BindingFlags.DoNotWrapExceptions, null, [column, kind], null);
    }

    private static object? ScalarValue<T>(DataViewSchema.Column column, string kind)
    {
        T value = default!;
        column.Annotations.GetValue(kind, ref value);
        return value is ReadOnlyMemory<char> text ? text.ToString() : value;
    }

    private static object VectorValue<T>(DataViewSchema.Column column, string kind)
    {
        VBuffer<T> value = default;
        column.Annotations.GetValue(kind, ref value);
        T[] dense = value.DenseValues().ToArray();
        return dense is ReadOnlyMemory<char>[] texts ? texts.Select(t => t.ToString()).ToArray() : dense;
    }
}
