using System.Globalization;
using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>The names of the classes: the values that a key column stands for, as text.</summary>
internal static class ClassNames
{
    private const string KeyValues = "KeyValues";

    /// <summary>One name for each class; the class's number, from 1, where the column does not say.</summary>
    public static IReadOnlyList<string> Of(DataViewSchema.Column label, int classes)
    {
        // Not HasKeyValues: that asks for text, and the values are of the type that the labels had before they became keys.
        IReadOnlyList<string> known = label.Annotations.Schema.GetColumnOrNull(KeyValues)?.Type is VectorDataViewType values
            ? (IReadOnlyList<string>)s_read.MakeGenericMethod(values.ItemType.RawType).Invoke(null, [label])!
            : [];
        return [.. Enumerable.Range(0, classes).Select(i => i < known.Count ? known[i] : (i + 1).ToString(CultureInfo.InvariantCulture))];
    }

    private static readonly MethodInfo s_read = typeof(ClassNames).GetMethod(nameof(Read), BindingFlags.NonPublic | BindingFlags.Static)!;

    private static IReadOnlyList<string> Read<T>(DataViewSchema.Column label)
    {
        VBuffer<T> values = default;
        label.Annotations.GetValue(KeyValues, ref values);
        return [.. values.DenseValues().Select(value => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")];
    }
}
