using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Reporting;

/// <summary>The names of the classes: the values that a key column stands for, as text.</summary>
internal static class ClassNames
{
    /// <summary>The annotation of a key column that says what its keys stand for.</summary>
    public const string KeyValues = "KeyValues";

    /// <summary>The annotation of a score column that says what the keys of the labels stood for in training.</summary>
    public const string TrainingLabelValues = "TrainingLabelValues";

    /// <summary>Every type that labels may have before they become keys.</summary>
    private static readonly Dictionary<Type, Func<DataViewSchema.Column, string, IReadOnlyList<string>>> s_readers = new()
    {
        [typeof(ReadOnlyMemory<char>)] = Read<ReadOnlyMemory<char>>,
        [typeof(bool)] = Read<bool>,
        [typeof(sbyte)] = Read<sbyte>,
        [typeof(short)] = Read<short>,
        [typeof(int)] = Read<int>,
        [typeof(long)] = Read<long>,
        [typeof(byte)] = Read<byte>,
        [typeof(ushort)] = Read<ushort>,
        [typeof(uint)] = Read<uint>,
        [typeof(ulong)] = Read<ulong>,
        [typeof(float)] = Read<float>,
        [typeof(double)] = Read<double>,
        [typeof(TimeSpan)] = Read<TimeSpan>,
        [typeof(DateTime)] = Read<DateTime>,
        [typeof(DateTimeOffset)] = Read<DateTimeOffset>,
        [typeof(DataViewRowId)] = Read<DataViewRowId>,
    };

    /// <summary>One name for each class, as it can be shown; the class's number, from 1, where the column does not say.</summary>
    public static IReadOnlyList<string> Of(DataViewSchema.Column label, int classes)
    {
        IReadOnlyList<string> known = In(label, KeyValues);
        return Names.Distinct(Enumerable.Range(0, classes).Select(i => i < known.Count ? known[i] : Number(i)), i => $"key {Number(i)}");
    }

    /// <summary>The names as an annotation has them; none where there is no such annotation.</summary>
    public static IReadOnlyList<string> In(DataViewSchema.Column column, string annotation)
        // Not HasKeyValues: that asks for text, and the values are of the type that the labels had before they became keys.
        => column.Annotations.Schema.GetColumnOrNull(annotation)?.Type is VectorDataViewType values && s_readers.TryGetValue(values.ItemType.RawType, out var read)
            ? read(column, annotation)
            : [];

    private static string Number(int index) => (index + 1).ToString(CultureInfo.InvariantCulture);

    private static IReadOnlyList<string> Read<T>(DataViewSchema.Column column, string annotation)
    {
        VBuffer<T> values = default;
        column.Annotations.GetValue(annotation, ref values);
        return [.. values.DenseValues().Select(value => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")];
    }
}
