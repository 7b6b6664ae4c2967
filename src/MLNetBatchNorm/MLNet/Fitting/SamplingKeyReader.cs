using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm;

/// <summary>
/// Reads the column that says which rows belong together, as a number for each row: a hash of the key, the same on every machine.
/// </summary>
internal sealed class SamplingKeyReader
{
    private const string Expected = "a scalar: text, a number, true or false, a time, a row's id or a key";

    /// <summary>Types of the values of a key, each with a number made of one; null: the value is missing.</summary>
    private static readonly Dictionary<Type, Func<DataViewRow, DataViewSchema.Column, Func<ulong?>>> s_readers = new()
    {
        [typeof(ReadOnlyMemory<char>)] = Reader<ReadOnlyMemory<char>>(value => value.IsEmpty ? null : OfText(value.Span)),
        [typeof(bool)] = Reader<bool>(value => value ? 1UL : 0),
        [typeof(sbyte)] = Reader<sbyte>(value => unchecked((ulong)value)),
        [typeof(short)] = Reader<short>(value => unchecked((ulong)value)),
        [typeof(int)] = Reader<int>(value => unchecked((ulong)value)),
        [typeof(long)] = Reader<long>(value => unchecked((ulong)value)),
        [typeof(byte)] = Reader<byte>(value => value),
        [typeof(ushort)] = Reader<ushort>(value => value),
        [typeof(uint)] = Reader<uint>(value => value),
        [typeof(ulong)] = Reader<ulong>(value => value),
        [typeof(float)] = Reader<float>(value => OfNumber(value)),
        [typeof(double)] = Reader<double>(OfNumber),
        [typeof(TimeSpan)] = Reader<TimeSpan>(value => unchecked((ulong)value.Ticks)),
        [typeof(DateTime)] = Reader<DateTime>(value => unchecked((ulong)value.Ticks)),
        [typeof(DateTimeOffset)] = Reader<DateTimeOffset>(value => unchecked((ulong)value.UtcTicks)),
        [typeof(DataViewRowId)] = Reader<DataViewRowId>(value => RandomStream.Mix(value.High) ^ value.Low),
    };

    private readonly Func<ulong?> _read;
    private readonly bool _isKey;

    /// <summary>Reads a column of a cursor.</summary>
    public SamplingKeyReader(DataViewRow cursor, DataViewSchema.Column column)
    {
        _isKey = column.Type is KeyDataViewType;
        _read = s_readers[column.Type.RawType](cursor, column);
    }

    /// <summary>The group of the current row; null: its key is missing.</summary>
    public uint? Read() => _read() is not { } key || (_isKey && key == 0) ? null : Group(key);

    /// <summary>The group of a row that belongs to no other.</summary>
    public static uint Alone(int row) => Group(RandomStream.Mix(RandomPurpose.RowsWithoutKey) + (ulong)row);

    /// <summary>The column of that name, if it can be a key.</summary>
    public static DataViewSchema.Column Column(IHost host, DataViewSchema schema, string name)
    {
        if (schema.GetColumnOrNull(name) is not { } column)
            throw host.ExceptSchemaMismatch(nameof(schema), "sampling key", name);
        if (!IsAllowed(column.Type))
            throw host.ExceptSchemaMismatch(nameof(schema), "sampling key", name, Expected, column.Type.ToString());
        return column;
    }

    /// <summary>Refuses a schema in which the column is absent or cannot be a key.</summary>
    public static void Check(IHost host, SchemaShape schema, string name)
    {
        if (!schema.TryFindColumn(name, out SchemaShape.Column column))
            throw host.ExceptSchemaMismatch(nameof(schema), "sampling key", name);
        if (column.Kind != SchemaShape.Column.VectorKind.Scalar || !IsAllowed(column.ItemType))
            throw host.ExceptSchemaMismatch(nameof(schema), "sampling key", name, Expected, column.GetTypeString());
    }

    /// <summary>The schema with the column, which validation rows need not have.</summary>
    public static SchemaShape WithColumn(SchemaShape schema, string? name)
    {
        if (name is null)
            return schema;
        var key = new SchemaShape.Column(name, SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance, isKey: false);
        return new SchemaShape(schema.Where(column => column.Name != name).Append(key));
    }

    private static bool IsAllowed(DataViewType type) => type is PrimitiveDataViewType && s_readers.ContainsKey(type.RawType);

    private static uint Group(ulong key) => (uint)(RandomStream.Mix(key) >> 32);

    // All zeros are one group, and a number is the same in single and double precision.
    private static ulong? OfNumber(double value) => double.IsNaN(value) ? null : BitConverter.DoubleToUInt64Bits(value == 0 ? 0 : value);

    private static ulong OfText(ReadOnlySpan<char> text)
    {
        ulong hash = (ulong)text.Length;
        foreach (char c in text)
            hash = RandomStream.Mix(hash ^ c);
        return hash;
    }

    private static Func<DataViewRow, DataViewSchema.Column, Func<ulong?>> Reader<T>(Func<T, ulong?> number) => (row, column) =>
    {
        ValueGetter<T> get = row.GetGetter<T>(column);
        T value = default!;
        return () =>
        {
            get(ref value);
            return number(value);
        };
    };
}
