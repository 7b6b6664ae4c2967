using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm;

/// <summary>How a model turns the slots of its feature column into the numbers that the first layer of each network reads.</summary>
/// <remarks>
/// Every slot gives one or more parts: its value, scaled; whether it is missing; pieces of its range. A unit of the
/// first layer has a weight for each part of each slot, see <see cref="BatchNormNetworkInputLayer"/>. Learned from the
/// training rows; the same for all networks of a model.
/// </remarks>
public sealed class BatchNormNetworkEncoder
{
    private readonly InputEncoder _encoder;
    private readonly SlotNames? _names;
    private readonly SlotRanges? _ranges;

    // What each encoded column is; and the columns of slot s in rising order, _columnsOfSlots from _firsts[s] up to _firsts[s + 1].
    private readonly EncodedColumn[] _columns;
    private readonly int[] _columnsOfSlots;
    private readonly int[] _firsts;
    private float[]? _missing;

    internal BatchNormNetworkEncoder(InputEncoder encoder, SlotNames? names, SlotRanges? ranges)
    {
        _names = names;
        _ranges = ranges;
        _encoder = encoder;
        _columns = [.. encoder.Describe()];
        _firsts = new int[encoder.RawInputs + 1];
        foreach (EncodedColumn column in _columns)
            _firsts[column.Slot + 1]++;
        for (int slot = 0; slot < encoder.RawInputs; slot++)
            _firsts[slot + 1] += _firsts[slot];
        int[] next = _firsts[..^1];
        _columnsOfSlots = new int[_columns.Length];
        for (int i = 0; i < _columns.Length; i++)
            _columnsOfSlots[next[_columns[i].Slot]++] = i;
        Slots = new IndexedList<BatchNormNetworkSlot>(encoder.RawInputs, slot => new BatchNormNetworkSlot(this, slot));
        Parts = new IndexedList<BatchNormNetworkSlotPart>(_columns.Length, Part);
    }

    /// <summary>The slots of the feature column, in order.</summary>
    public IReadOnlyList<BatchNormNetworkSlot> Slots { get; }

    /// <summary>
    /// The parts of all slots, in the order in which a batch normalization of the network's own input
    /// (<see cref="BatchNormalizationPlacement.LayerInput"/>) has its columns. Those of one slot
    /// are in <see cref="BatchNormNetworkSlot.Parts"/>.
    /// </summary>
    public IReadOnlyList<BatchNormNetworkSlotPart> Parts { get; }

    /// <summary>
    /// The slot of a name, such as <c>Age</c> or <c>Deck.A</c>; names are those of the feature column that the model was trained on.
    /// </summary>
    /// <param name="name">The name, exactly.</param>
    /// <returns>The first slot with this name; null if there is none, or if the model has no names.</returns>
    public BatchNormNetworkSlot? GetSlotOrNull(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _names?.Find(name) is { } slot ? Slots[slot] : null;
    }

    /// <summary>
    /// Adds up the contributions of a row under the names of the table's columns: those of the slots of a category
    /// under its column's name, such as <c>City</c> for <c>City.Bern</c> and <c>City.Paris</c>, and all others by themselves.
    /// </summary>
    /// <param name="contributions">
    /// A contribution for each slot, as <c>GetFeatureContributions</c> gives them or <c>CalculateFeatureContribution</c> in its column.
    /// </param>
    /// <returns>The columns in the order of their slots. They add up to what the contributions add up to.</returns>
    /// <exception cref="ArgumentException">There are more or fewer contributions than slots.</exception>
    public IReadOnlyList<ColumnContribution> SumByColumn(ReadOnlySpan<float> contributions)
    {
        if (contributions.Length != Slots.Count)
        {
            throw new ArgumentException(
                $"There are {contributions.Length} contributions; the model has {Slots.Count} slots.", nameof(contributions));
        }

        List<ColumnContribution> columns = [];
        for (int slot = 0, range = 0; slot < contributions.Length;)
        {
            int count = 1;
            if (range < (_ranges?.Count ?? 0) && _ranges![range].First == slot)
                count = _ranges[range++].Count;
            columns.Add(new ColumnContribution(this, slot, count, contributions.Slice(slot, count)));
            slot += count;
        }

        return columns;
    }

    internal string? NameOf(int slot) => _names?[slot];

    internal float Center(int slot) => Find(slot, out int kept, out int range)
        ? _encoder.ScalingOf(kept).Center
        : _encoder.Ranges![range].OffOf(slot - _encoder.Ranges[range].First);

    internal float Scale(int slot)
    {
        if (Find(slot, out int kept, out int range))
            return _encoder.ScalingOf(kept).Scale;
        CategoryRange category = _encoder.Ranges![range];
        int place = slot - category.First;
        return (float)(TrustOf(range, place) / ((double)category.OnOf(place) - category.OffOf(place)));
    }

    private float TrustOf(int range, int place) =>
        _encoder.Parts.OfType<Categories>().Select(part => part.TrustOf(range, place)).First(trust => trust is not null)!.Value;

    internal bool IsClipped(int slot) => Find(slot, out int kept, out _) && _encoder.ScalingOf(kept).IsClipped;

    /// <summary>Whether a slot is a column by itself, and which; or the number of the range of categories that it is in.</summary>
    private bool Find(int slot, out int kept, out int range)
    {
        (range, kept) = _encoder.Ranges?.Find(slot) ?? (-1, slot);
        return range < 0;
    }

    internal IReadOnlyList<BatchNormNetworkSlotPart> PartsOf(int slot)
    {
        int first = _firsts[slot];
        return new IndexedList<BatchNormNetworkSlotPart>(_firsts[slot + 1] - first, i => Part(_columnsOfSlots[first + i]));
    }

    /// <summary>The encoded column that a part is, of this encoder or of another of the same shape.</summary>
    internal int ColumnOf(BatchNormNetworkSlotPart part)
    {
        ArgumentNullException.ThrowIfNull(part);
        int number = 0;
        foreach (int column in ColumnsOf(part.Slot))
        {
            if (BatchNormNetworkSlotPart.KindOf(_columns[column].Kind) == part.Kind && number++ == part.Number)
                return column;
        }

        throw new ArgumentException($"The encoder has no {part}.", nameof(part));
    }

    private ReadOnlySpan<int> ColumnsOf(int slot) =>
        slot < _firsts.Length - 1 ? _columnsOfSlots.AsSpan(_firsts[slot].._firsts[slot + 1]) : [];

    private BatchNormNetworkSlotPart Part(int column)
    {
        EncodedColumn description = _columns[column];
        int number = 0;
        foreach (int other in ColumnsOf(description.Slot))
        {
            if (other == column)
                break;
            if (_columns[other].Kind == description.Kind)
                number++;
        }

        return new BatchNormNetworkSlotPart(description, NameOf(description.Slot), number, Missing[column]);
    }

    /// <summary>What each column is where its slot is missing: the encoding of a row in which all are.</summary>
    private float[] Missing
    {
        get
        {
            if (_missing is null)
            {
                float[] row = new float[_encoder.RawInputs], encoded = new float[_encoder.EncodedInputs];
                Array.Fill(row, float.NaN);
                _encoder.Encode(row, encoded);
                Interlocked.CompareExchange(ref _missing, encoded, null);
            }

            return _missing;
        }
    }
}
