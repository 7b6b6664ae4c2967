using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNetBatchNorm;

/// <summary>Targets of scored rows beside what was predicted of them, read once.</summary>
internal sealed class ScoredTargets
{
    private readonly List<float[]> _labels = [];
    private readonly List<float[]> _scores = [];
    private readonly List<float[]> _probabilities = [];

    private ScoredTargets(IReadOnlyList<string> names) => Names = names;

    /// <summary>The names of the targets, or their numbers.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Rows that have a target.</summary>
    public long Rows => _labels.Count;

    /// <summary>Rows without any.</summary>
    public long RowsWithoutTarget { get; private set; }

    /// <summary>Reads all rows.</summary>
    /// <param name="env">Whose exceptions they are.</param>
    /// <param name="data">Scored rows with their label.</param>
    /// <param name="label">The name of the label column.</param>
    /// <param name="score">The name of the score column.</param>
    /// <param name="probability">The name of the column of probabilities, or null.</param>
    public static ScoredTargets Read(IHostEnvironment env, IDataView data, string label, string score, string? probability = null)
    {
        env.CheckValue(data, nameof(data));
        DataViewSchema.Column labels =
            VectorColumn(env, data, label, nameof(label), BooleanDataViewType.Instance, NumberDataViewType.Single);
        DataViewSchema.Column scores = VectorColumn(env, data, score, nameof(score), NumberDataViewType.Single);
        DataViewSchema.Column? probabilities =
            probability is null ? null : VectorColumn(env, data, probability, nameof(probability), NumberDataViewType.Single);
        int targets = LabelReader.CountOf(scores);
        foreach (DataViewSchema.Column column in new[] { labels, probabilities }.OfType<DataViewSchema.Column>())
        {
            if (LabelReader.CountOf(column) != targets)
            {
                throw env.ExceptParam(
                    nameof(data),
                    $"Column '{column.Name}' has {LabelReader.CountOf(column)} slots and score column '{score}' {targets}; "
                    + "both need a slot for each target.");
            }
        }

        var read = new ScoredTargets(NamesOf(scores.HasSlotNames() ? scores : labels, targets));
        read.ReadRows(env, data, labels, scores, probabilities);
        return read;
    }

    /// <summary>The rows that have a target and a prediction of it.</summary>
    public (float[] Labels, float[] Scores, float[] Probabilities) Of(int target)
    {
        int[] rows = [.. Enumerable.Range(0, _labels.Count)
            .Where(row => !float.IsNaN(_labels[row][target]) && !float.IsNaN(_scores[row][target]))];
        return (
            [.. rows.Select(row => _labels[row][target])], [.. rows.Select(row => _scores[row][target])],
            _probabilities.Count == 0 ? [] : [.. rows.Select(row => _probabilities[row][target])]);
    }

    /// <summary>The names of a vector column's slots; one without a name is called by its number.</summary>
    public static IReadOnlyList<string> NamesOf(DataViewSchema.Column column, int slots)
    {
        VBuffer<ReadOnlyMemory<char>> names = default;
        if (column.HasSlotNames())
            column.GetSlotNames(ref names);
        ReadOnlyMemory<char>[] known = [.. names.DenseValues()];
        return
        [
            .. Enumerable.Range(0, slots).Select(slot =>
                slot < known.Length && !known[slot].IsEmpty ? known[slot].ToString() : slot.ToString(CultureInfo.InvariantCulture)),
        ];
    }

    /// <summary>Reads the values of a vector column of a cursor's row; refuses a row that has more or fewer than the others.</summary>
    public static Func<float[]> Values(IExceptionContext context, DataViewRowCursor cursor, DataViewSchema.Column column)
    {
        ValueGetter<VBuffer<float>> get = cursor.GetGetter<VBuffer<float>>(column);
        VBuffer<float> buffer = default;
        int slots = LabelReader.CountOf(column);
        return () =>
        {
            get(ref buffer);
            if (buffer.Length != slots)
            {
                throw context.Except(
                    $"Column '{column.Name}' has {buffer.Length} slots in row {cursor.Position}; its type says {slots}. "
                    + "Every row needs the same slots, NaN where a value is missing.");
            }

            return [.. buffer.DenseValues()];
        };
    }

    private static DataViewSchema.Column VectorColumn(
        IHostEnvironment env, IDataView data, string name, string parameter, params DataViewType[] itemTypes)
    {
        env.CheckNonEmpty(name, parameter);
        if (data.Schema.GetColumnOrNull(name) is not { } column)
            throw env.ExceptSchemaMismatch(nameof(data), parameter, name);
        if (column.Type is VectorDataViewType { IsKnownSize: true } vector && itemTypes.Contains(vector.ItemType))
            return column;
        throw env.ExceptSchemaMismatch(
            nameof(data), parameter, name,
            $"a vector of known size of {string.Join(" or ", itemTypes.Select(type => type.ToString()))}, a slot for each target",
            column.Type.ToString());
    }

    private void ReadRows(
        IHostEnvironment env, IDataView data, DataViewSchema.Column labels, DataViewSchema.Column scores,
        DataViewSchema.Column? probabilities)
    {
        IHost host = env.Register("EvaluateTargets");
        using DataViewRowCursor cursor =
            data.GetRowCursor(new[] { labels, scores, probabilities }.OfType<DataViewSchema.Column>());
        var labelReader = new LabelReader(host, cursor, labels);
        Func<float[]> readScores = Values(host, cursor, scores);
        Func<float[]>? readProbabilities = probabilities is { } column ? Values(host, cursor, column) : null;
        while (cursor.MoveNext())
        {
            ReadOnlySpan<float> targets = labelReader.Read();
            if (!targets.ContainsAnyExcept(float.NaN))
            {
                RowsWithoutTarget++;
                continue;
            }

            _labels.Add(targets.ToArray());
            _scores.Add(readScores());
            if (readProbabilities is not null)
                _probabilities.Add(readProbabilities());
        }

        if (_labels.Count == 0)
            throw host.Except($"There is no row with a value in label column '{labels.Name}' among {RowsWithoutTarget} rows.");
    }
}
