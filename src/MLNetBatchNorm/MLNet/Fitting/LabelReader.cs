using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>Reads the label of a row as numbers: a single one, or the targets of a vector; NaN where one is missing.</summary>
internal sealed class LabelReader
{
    private readonly IHost _host;
    private readonly DataViewRowCursor _cursor;
    private readonly DataViewSchema.Column _column;
    private readonly float[] _targets;
    private readonly Action _read;

    /// <summary>Reads a column of a cursor.</summary>
    public LabelReader(IHost host, DataViewRowCursor cursor, DataViewSchema.Column column)
    {
        _host = host;
        _cursor = cursor;
        _column = column;
        _targets = new float[CountOf(column)];
        _read = column.Type switch
        {
            VectorDataViewType { ItemType: BooleanDataViewType } => Vector<bool>(value => value ? 1 : 0),
            VectorDataViewType => Vector<float>(value => value),
            _ => Single(RowCursorUtils.GetLabelGetter(cursor, column.Index)),
        };
    }

    /// <summary>Number of targets of a label column.</summary>
    public static int CountOf(DataViewSchema.Column column) => column.Type is VectorDataViewType vector ? vector.Size : 1;

    /// <summary>What messages call a target: "target 3", with its name where the column has names.</summary>
    public static string TargetText(DataViewSchema.Column column, int target)
    {
        if (!column.HasSlotNames())
            return $"target {target}";
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return $"target {target} ('{names.GetItemOrDefault(target)}')";
    }

    /// <summary>The targets of the current row; overwritten by the next.</summary>
    public ReadOnlySpan<float> Read()
    {
        _read();
        return _targets;
    }

    private Action Single(ValueGetter<float> get) => () => get(ref _targets[0]);

    private Action Vector<T>(Func<T, float> number)
    {
        ValueGetter<VBuffer<T>> get = _cursor.GetGetter<VBuffer<T>>(_column);
        VBuffer<T> buffer = default;
        return () =>
        {
            get(ref buffer);
            if (buffer.Length != _targets.Length)
            {
                throw _host.Except(
                    $"Label column '{_column.Name}' has {buffer.Length} targets in row {_cursor.Position}; its type says "
                    + $"{_targets.Length}. Every row needs the same targets, NaN where one is missing.");
            }

            Array.Clear(_targets);
            ReadOnlySpan<T> values = buffer.GetValues();
            for (int i = 0; i < values.Length; i++)
                _targets[buffer.IsDense ? i : buffer.GetIndices()[i]] = number(values[i]);
        };
    }
}
