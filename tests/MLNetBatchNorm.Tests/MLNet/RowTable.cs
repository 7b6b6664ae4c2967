using System.Collections;
using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The values of some columns of a data view, row by row, as one way of reading it gave them.</summary>
/// <remarks>Columns are indices of the view's schema, so hidden columns are read as well. Vectors are kept dense.</remarks>
internal sealed class RowTable
{
    private RowTable(int[] columns) => Columns = columns;

    /// <summary>The columns read, as indices of the schema.</summary>
    public int[] Columns { get; }

    public List<DataViewRowId> Ids { get; } = [];

    /// <summary>One array per row, parallel to <see cref="Columns"/>.</summary>
    public List<object?[]> Rows { get; } = [];

    /// <summary>Reads with one cursor. What breaks the contract of a cursor is added to <paramref name="findings"/>.</summary>
    public static RowTable Read(IDataView view, int[] columns, ICollection<string> findings, Random? random = null)
    {
        var table = new RowTable(columns);
        using DataViewRowCursor cursor = view.GetRowCursor(columns.Select(i => view.Schema[i]), random);
        table.ReadAll(cursor, view, findings);
        return table;
    }

    /// <summary>Reads with a set of cursors, each on its own thread; rows come in no particular order.</summary>
    public static RowTable ReadSet(IDataView view, int[] columns, int cursors, ICollection<string> findings)
    {
        DataViewRowCursor[] set = view.GetRowCursorSet(columns.Select(i => view.Schema[i]), cursors);
        var parts = new RowTable[set.Length];
        var found = new List<string>[set.Length];
        var failures = new Exception?[set.Length];
        var threads = new Thread[set.Length];
        for (int i = 0; i < set.Length; i++)
        {
            int part = i;
            parts[part] = new RowTable(columns);
            found[part] = [];
            threads[part] = new Thread(() =>
            {
                try
                {
                    using DataViewRowCursor cursor = set[part];
                    parts[part].ReadAll(cursor, view, found[part]);
                }
                catch (Exception e)
                {
                    failures[part] = e;
                }
            });
            threads[part].Start();
        }

        foreach (Thread thread in threads)
            thread.Join();
        if (failures.FirstOrDefault(e => e != null) is { } failure)
            throw new InvalidOperationException("A cursor of the set failed: " + failure.Message, failure);

        var table = new RowTable(columns);
        foreach (RowTable part in parts)
        {
            table.Ids.AddRange(part.Ids);
            table.Rows.AddRange(part.Rows);
        }

        foreach (string finding in found.SelectMany(f => f).Distinct())
            findings.Add(finding);
        return table;
    }

    /// <summary>Reads two cursors of one view in turns, a row of the one and a row of the other.</summary>
    public static (RowTable First, RowTable Second) ReadInterleaved(IDataView view, int[] columns)
    {
        var tables = (First: new RowTable(columns), Second: new RowTable(columns));
        using DataViewRowCursor first = view.GetRowCursor(columns.Select(i => view.Schema[i]));
        using DataViewRowCursor second = view.GetRowCursor(columns.Select(i => view.Schema[i]));
        Func<object?>[] firstReaders = Readers(first, view.Schema, columns);
        Func<object?>[] secondReaders = Readers(second, view.Schema, columns);
        ValueGetter<DataViewRowId> firstId = first.GetIdGetter();
        ValueGetter<DataViewRowId> secondId = second.GetIdGetter();
        bool firstMoved = first.MoveNext();
        bool secondMoved = true;
        if (firstMoved)
            tables.First.Add(firstId, firstReaders);
        while (firstMoved || secondMoved)
        {
            // The first is one row ahead, and both have moved before either is read: a buffer that the two share is caught.
            firstMoved = firstMoved && first.MoveNext();
            secondMoved = secondMoved && second.MoveNext();
            if (firstMoved)
                tables.First.Add(firstId, firstReaders);
            if (secondMoved)
                tables.Second.Add(secondId, secondReaders);
        }

        return tables;
    }

    /// <summary>Reads columns of a mapper's output over a cursor that offers only what the mapper says it depends on.</summary>
    public static RowTable ReadMapped(IRowToRowMapper mapper, IDataView input, int[] columns)
    {
        var table = new RowTable(columns);
        DataViewSchema.Column[] wanted = columns.Select(i => mapper.OutputSchema[i]).ToArray();
        using DataViewRowCursor cursor = input.GetRowCursor(mapper.GetDependencies(wanted));
        using DataViewRow row = mapper.GetRow(cursor, wanted);
        Func<object?>[] readers = Readers(row, mapper.OutputSchema, columns);
        ValueGetter<DataViewRowId> id = row.GetIdGetter();
        while (cursor.MoveNext())
            table.Add(id, readers);
        return table;
    }

    /// <summary>
    /// Null when this table holds the same rows in the same order as the matching columns of
    /// <paramref name="reference"/>, else the first difference.
    /// </summary>
    public string? DifferenceFrom(RowTable reference, DataViewSchema schema)
    {
        if (Rows.Count != reference.Rows.Count)
            return $"{Rows.Count} rows instead of {reference.Rows.Count}";
        for (int row = 0; row < Rows.Count; row++)
        {
            if (!Ids[row].Equals(reference.Ids[row]))
                return $"row {row} has id {Ids[row]} instead of {reference.Ids[row]}";
            for (int c = 0; c < Columns.Length; c++)
            {
                object? expected = reference.Rows[row][Array.IndexOf(reference.Columns, Columns[c])];
                if (!StructuralComparisons.StructuralEqualityComparer.Equals(Rows[row][c], expected))
                    return $"row {row} of column '{schema[Columns[c]].Name}' is {Show(Rows[row][c])} instead of {Show(expected)}";
            }
        }

        return null;
    }

    /// <summary>The same rows ordered by their ids.</summary>
    public RowTable SortedById()
    {
        var table = new RowTable(Columns);
        foreach (int row in Enumerable.Range(0, Rows.Count).OrderBy(i => Ids[i].High).ThenBy(i => Ids[i].Low))
        {
            table.Ids.Add(Ids[row]);
            table.Rows.Add(Rows[row]);
        }

        return table;
    }

    public static string Show(object? value) => value switch
    {
        null => "null",
        Array array => "[" + string.Join(", ", array.Cast<object?>().Take(8).Select(Show)) + (array.Length > 8 ? ", ...]" : "]"),
        IFormattable number => number.ToString(null, System.Globalization.CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "null",
    };

    /// <summary>
    /// A delegate that reads the column of the current row, whatever its type, and keeps nothing of the buffer it read into.
    /// </summary>
    public static Func<object?> Reader(DataViewRow row, DataViewSchema.Column column)
    {
        bool vector = column.Type is VectorDataViewType;
        Type item = vector ? ((VectorDataViewType)column.Type).ItemType.RawType : column.Type.RawType;
        MethodInfo method = typeof(RowTable).GetMethod(
            vector ? nameof(VectorReader) : nameof(ScalarReader), BindingFlags.NonPublic | BindingFlags.Static)!;
        return (Func<object?>)method.MakeGenericMethod(item).Invoke(null, BindingFlags.DoNotWrapExceptions, null, [row, column], null)!;
    }

    private static Func<object?> ScalarReader<T>(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<T> getter = row.GetGetter<T>(column);
        T value = default!;
        return () =>
        {
            getter(ref value);
            return value is ReadOnlyMemory<char> text ? text.ToString() : value;
        };
    }

    private static Func<object?> VectorReader<T>(DataViewRow row, DataViewSchema.Column column)
    {
        ValueGetter<VBuffer<T>> getter = row.GetGetter<VBuffer<T>>(column);
        VBuffer<T> value = default;
        return () =>
        {
            getter(ref value);
            T[] dense = value.DenseValues().ToArray();
            return dense is ReadOnlyMemory<char>[] texts ? texts.Select(t => t.ToString()).ToArray() : dense;
        };
    }

    private static Func<object?>[] Readers(DataViewRow row, DataViewSchema schema, int[] columns) =>
        columns.Select(i => Reader(row, schema[i])).ToArray();

    private void Add(ValueGetter<DataViewRowId> id, Func<object?>[] readers)
    {
        DataViewRowId rowId = default;
        id(ref rowId);
        Ids.Add(rowId);
        Rows.Add(readers.Select(read => read()).ToArray());
    }

    private void ReadAll(DataViewRowCursor cursor, IDataView view, ICollection<string> findings)
    {
        if (!ReferenceEquals(cursor.Schema, view.Schema))
            findings.Add("the schema of the cursor is not the schema of its view");
        foreach (int column in Columns)
        {
            if (!cursor.IsColumnActive(view.Schema[column]))
                findings.Add($"column '{view.Schema[column].Name}' was asked of the cursor and is not active");
        }

        if (cursor.Position != -1)
            findings.Add($"the position before the first row is {cursor.Position} instead of -1");
        Func<object?>[] readers = Readers(cursor, view.Schema, Columns);
        ValueGetter<DataViewRowId> id = cursor.GetIdGetter();
        long position = -1;
        while (cursor.MoveNext())
        {
            if (cursor.Position <= position)
                findings.Add($"the position went from {position} to {cursor.Position}");
            position = cursor.Position;
            Add(id, readers);
        }
    }
}
