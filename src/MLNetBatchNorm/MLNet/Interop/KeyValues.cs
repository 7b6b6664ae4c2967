using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm;

/// <summary>The values that the keys of a column stand for.</summary>
internal static class KeyValues
{
    private static readonly Dictionary<Type, Func<DataViewSchema.Column, string, string[]>> s_readers = new()
    {
        [typeof(ReadOnlyMemory<char>)] = Read<ReadOnlyMemory<char>>,
        [typeof(bool)] = Read<bool>,
        [typeof(sbyte)] = Read<sbyte>,
        [typeof(byte)] = Read<byte>,
        [typeof(short)] = Read<short>,
        [typeof(ushort)] = Read<ushort>,
        [typeof(int)] = Read<int>,
        [typeof(uint)] = Read<uint>,
        [typeof(long)] = Read<long>,
        [typeof(ulong)] = Read<ulong>,
        [typeof(float)] = Read<float>,
        [typeof(double)] = Read<double>,
        [typeof(DateTime)] = Read<DateTime>,
        [typeof(DateTimeOffset)] = Read<DateTimeOffset>,
        [typeof(TimeSpan)] = Read<TimeSpan>,
        [typeof(DataViewRowId)] = Read<DataViewRowId>,
    };

    /// <summary>
    /// The values of an annotation that has one for each key, as text; null if the column has no such annotation, or it has more or fewer.
    /// </summary>
    /// <param name="column">The column.</param>
    /// <param name="annotation">The annotation's kind.</param>
    public static string[]? Of(DataViewSchema.Column column, string annotation = AnnotationUtils.Kinds.KeyValues) =>
        column.Annotations.Schema.GetColumnOrNull(annotation)?.Type is VectorDataViewType type
        && HasAsMany(column.Type, type.Size)
        && s_readers.TryGetValue(type.ItemType.RawType, out Func<DataViewSchema.Column, string, string[]>? read)
            ? read(column, annotation)
            : null;

    private static bool HasAsMany(DataViewType column, int values) => column switch
    {
        KeyDataViewType key => key.Count == (ulong)values,
        VectorDataViewType vector => vector.Size == values,
        _ => true,
    };

    private static string[] Read<T>(DataViewSchema.Column column, string annotation)
    {
        VBuffer<T> values = default;
        column.Annotations.GetValue(annotation, ref values);
        // As text: 1 is the same class, whichever type of number it was read as.
        return [.. values.DenseValues().Select(value => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "")];
    }
}
