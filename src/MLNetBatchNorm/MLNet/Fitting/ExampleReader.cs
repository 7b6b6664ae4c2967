using System.Globalization;
using System.Numerics.Tensors;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm.Objectives;

namespace MLNetBatchNorm;

/// <summary>
/// Reads label, features and weight of the rows of a view, once and in order. Rows without a label, of several targets without any, and
/// rows with a weight that is not positive are passed over and counted, as ML.NET's own trainers do; a missing feature value (NaN) is
/// passed on, and so is a missing target of a row that has others.
/// </summary>
/// <remarks>
/// Values that can only be a mistake end the reading with ML.NET's <see cref="InvalidOperationException"/>, which names the row (counted
/// from 0, in the order read), the column and the slot: an infinite feature or label, features of another number than the column's type
/// says, a weight that is not a finite number, a label that is no class.
/// </remarks>
internal sealed class ExampleReader : IDisposable
{
    /// <summary>How often cancellation is looked at: cheap beside the reading of so many rows, and soon enough for a person.</summary>
    private const int RowsBetweenChecks = 256;

    private readonly IHost _host;
    private readonly RoleMappedData _data;
    private readonly LabelDomain _labels;
    private readonly CancellationToken _cancellationToken;
    private readonly DataViewRowCursor _cursor;
    private readonly LabelReader _labelReader;
    private readonly ValueGetter<float>? _getWeight;
    private readonly ValueGetter<VBuffer<float>> _getFeatures;
    private readonly SamplingKeyReader? _samplingKey;
    private readonly int _slots;
    private VBuffer<float> _buffer;
    private readonly float[] _targets;
    private float _weight = 1;

    /// <summary>Opens a cursor over the columns of <paramref name="data"/> that have a role.</summary>
    /// <param name="host">The trainer's host.</param>
    /// <param name="data">The rows.</param>
    /// <param name="labels">Which labels are legal.</param>
    /// <param name="cancellationToken">Asked every few hundred rows.</param>
    /// <param name="samplingKey">The column that says which rows belong together, or null.</param>
    public ExampleReader(
        IHost host, RoleMappedData data, LabelDomain labels, CancellationToken cancellationToken, DataViewSchema.Column? samplingKey = null)
    {
        _host = host;
        _data = data;
        _labels = labels;
        _cancellationToken = cancellationToken;
        DataViewSchema.Column label = data.Schema.Label!.Value;
        DataViewSchema.Column features = data.Schema.Feature!.Value;
        DataViewSchema.Column? weight = data.Schema.Weight;
        _slots = ((VectorDataViewType)features.Type).Size;
        _cursor = data.Data.GetRowCursor(new[] { label, features, weight, samplingKey }.OfType<DataViewSchema.Column>());
        try
        {
            _labelReader = new LabelReader(host, _cursor, label);
            _targets = new float[LabelReader.CountOf(label)];
            _getFeatures = _cursor.GetGetter<VBuffer<float>>(features);
            _getWeight = weight is { } column ? _cursor.GetGetter<float>(column) : null;
            _samplingKey = samplingKey is { } key ? new SamplingKeyReader(_cursor, key) : null;
        }
        catch
        {
            // Nobody else can: an object whose constructor fails is never disposed of.
            _cursor.Dispose();
            throw;
        }
    }

    /// <summary>Number of rows passed over for lack of a label.</summary>
    public long RowsWithoutLabel { get; private set; }

    /// <summary>Number of rows passed over because their weight is 0: as if they were absent, nothing to report.</summary>
    public long RowsOfWeightZero { get; private set; }

    /// <summary>Number of rows passed over because their weight is negative.</summary>
    public long RowsOfNegativeWeight { get; private set; }

    /// <summary>The targets of the current row: the label, a class number as a float, or several, NaN where one is missing.</summary>
    public ReadOnlySpan<float> Targets => _targets;

    /// <summary>Which group the current row belongs to; null: none but its own.</summary>
    public uint? SamplingKey => _samplingKey?.Read();

    /// <summary>Weight of the current row; 1 without a weight column.</summary>
    public float Weight => _weight;

    /// <summary>Features of the current row as the view gave them, dense or sparse. Overwritten by the next row.</summary>
    public ref readonly VBuffer<float> Buffer => ref _buffer;

    /// <summary>Moves to the next row that can be used.</summary>
    /// <returns>False at the end.</returns>
    public bool MoveNext()
    {
        while (_cursor.MoveNext())
        {
            if (_cursor.Position % RowsBetweenChecks == 0)
            {
                _cancellationToken.ThrowIfCancellationRequested();
                _host.CheckAlive();
            }

            _labelReader.Read().CopyTo(_targets);
            if (!_targets.AsSpan().ContainsAnyExcept(float.NaN))
            {
                RowsWithoutLabel++;
                continue;
            }

            if (!ReadWeight())
                continue;
            CheckTargets();
            ReadFeatures();
            return true;
        }

        return false;
    }

    /// <summary>Tells the log once how many rows were passed over and why.</summary>
    /// <param name="channel">Where to.</param>
    /// <param name="set">"training" or "validation".</param>
    public void ReportSkippedRows(IChannel channel, string set)
    {
        long skipped = RowsWithoutLabel + RowsOfNegativeWeight;
        if (skipped == 0)
            return;
        channel.Warning(
            MessageSensitivity.Schema,
            "Skipped {0} rows of the {1} set: {2} without a value in label column '{3}', {4} with a negative weight.",
            skipped, set, RowsWithoutLabel, _data.Schema.Label!.Value.Name, RowsOfNegativeWeight);
    }

    public void Dispose() => _cursor.Dispose();

    private bool ReadWeight()
    {
        if (_getWeight is null)
            return true;
        _getWeight(ref _weight);
        if (!float.IsFinite(_weight))
        {
            throw _host.Except(
                $"Weight column '{_data.Schema.Weight!.Value.Name}' is {Show(_weight)} in row {_cursor.Position}. "
                + "A weight must be a finite number; use 0 to leave a row out.");
        }

        if (_weight > 0)
            return true;
        if (_weight < 0)
            RowsOfNegativeWeight++;
        else
            RowsOfWeightZero++;
        return false;
    }

    private void CheckTargets()
    {
        DataViewSchema.Column label = _data.Schema.Label!.Value;
        for (int i = 0; i < _targets.Length; i++)
        {
            float target = _targets[i];
            if (float.IsNaN(target) || _labels.Contains(target))
                continue;
            if (label.Type is not VectorDataViewType)
            {
                throw _host.Except(
                    $"Label column '{label.Name}' is {Show(target)} in row {_cursor.Position}. A label must be {_labels.Need}.");
            }
            throw _host.Except(
                $"Label column '{label.Name}' is {Show(target)} in row {_cursor.Position}, {LabelReader.TargetText(label, i)}. "
                + $"A target must be {_labels.NeedOfTarget}, or NaN where it is missing.");
        }
    }

    private void ReadFeatures()
    {
        _getFeatures(ref _buffer);
        if (_buffer.Length != _slots)
        {
            throw _host.Except(
                $"Feature column '{_data.Schema.Feature!.Value.Name}' has {_buffer.Length} slots in row {_cursor.Position}; its type says "
                + $"{_slots}. Every row needs the same slots, NaN where a value is missing.");
        }

        if (!_buffer.IsDense && _buffer.GetValues().Contains(0f))
            LeaveOutZeros();
        ReadOnlySpan<float> values = _buffer.GetValues();
        // NaN and infinity both make the sum of x * 0 NaN; nearly every row is through after this one pass.
        if (!float.IsNaN(TensorPrimitives.Dot(values, Zeros.AsSpan(0, values.Length))))
            return;
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsInfinity(values[i]))
                continue;
            int infinite = _buffer.IsDense ? i : _buffer.GetIndices()[i];
            throw _host.Except(
                $"Feature column '{_data.Schema.Feature!.Value.Name}' is {Show(values[i])} in row {_cursor.Position}, "
                + $"{SlotText(_data, infinite)}. A feature must be finite, or NaN where it is missing.");
        }
    }

    /// <summary>
    /// A 0 that a sparse row stores, such as the weight of a term that every text has, is no entry: what is learned of a row does not
    /// depend on how it was written.
    /// </summary>
    private void LeaveOutZeros()
    {
        VBufferEditor<float> row = VBufferEditor.CreateFromBuffer(ref _buffer);
        int count = 0;
        for (int i = 0; i < row.Values.Length; i++)
        {
            if (row.Values[i] == 0)
                continue;
            (row.Indices[count], row.Values[count]) = (row.Indices[i], row.Values[i]);
            count++;
        }

        _buffer = row.CommitTruncated(count);
    }

    private float[] Zeros => field ??= new float[_slots];

    /// <summary>"slot 3", with the slot's name where the feature column has names.</summary>
    public static string SlotText(RoleMappedData data, int slot)
    {
        DataViewSchema.Column column = data.Schema.Feature!.Value;
        if (!column.HasSlotNames())
            return $"slot {slot}";
        VBuffer<ReadOnlyMemory<char>> names = default;
        column.GetSlotNames(ref names);
        return $"slot {slot} ('{names.GetItemOrDefault(slot)}')";
    }

    private static string Show(float value) => float.IsNaN(value) ? "NaN"
        : float.IsPositiveInfinity(value) ? "infinity"
        : float.IsNegativeInfinity(value) ? "-infinity"
        : value.ToString(CultureInfo.InvariantCulture);
}
