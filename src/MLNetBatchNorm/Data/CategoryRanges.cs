namespace MLNetBatchNorm.Data;

/// <summary>
/// Which slots of a row are categories, and how a row is kept: the other slots in their order, and behind them one slot for each range,
/// whose value is the number of the category.
/// </summary>
/// <remarks>
/// The number is 0 where no slot of the range is set or one is missing, k where the k-th one is, counted from 1 (exact in a float, for
/// slots are fewer than 2^24), and NaN where there is no such number: more than one slot is set, or one to another value than it should be.
/// <see cref="Silent"/> stands for the mean of all training rows.
/// A kept row is as good as the raw one but for these.
/// </remarks>
internal sealed class CategoryRanges
{
    private readonly CategoryRange[] _ranges;

    // Of each range, the number of slots in front of it that are outside of all ranges.
    private readonly int[] _before;

    /// <summary>The number of a category that says nothing: whatever reads it reads what it reads on average.</summary>
    public const float Silent = -1;

    /// <param name="rawSlots">Slots of a raw row.</param>
    /// <param name="ranges">At least one; rising, within the row, and no two share a slot.</param>
    public CategoryRanges(int rawSlots, IEnumerable<CategoryRange> ranges)
    {
        RawSlots = rawSlots;
        _ranges = [.. ranges];
        _before = new int[_ranges.Length];
        int end = 0, inside = 0;
        for (int i = 0; i < _ranges.Length; i++)
        {
            CategoryRange range = _ranges[i];
            bool isInside = range.First >= end && range.Count > 0 && range.Count <= rawSlots - range.First;
            if (!isInside || (range.On ?? range.Off ?? []).Length != (range.On is null ? 0 : range.Count))
            {
                throw new ArgumentException(
                    $"Range {i} of categories begins at slot {range.First} of {rawSlots} and has {range.Count}; ranges must rise.",
                    nameof(ranges));
            }
            _before[i] = range.First - inside;
            inside += range.Count;
            end = range.End;
        }
        ArgumentOutOfRangeException.ThrowIfZero(_ranges.Length, nameof(ranges));
        Numbers = rawSlots - inside;
    }

    /// <summary>Slots of a raw row.</summary>
    public int RawSlots { get; }

    /// <summary>Number of ranges.</summary>
    public int Count => _ranges.Length;

    /// <summary>Slots outside of all ranges: the first ones of a kept row.</summary>
    public int Numbers { get; }

    /// <summary>Slots of a kept row.</summary>
    public int Slots => Numbers + _ranges.Length;

    /// <summary>A range.</summary>
    public CategoryRange this[int range] => _ranges[range];

    /// <summary>The raw slot of one of the first slots of a kept row.</summary>
    public int RawSlotOf(int slot)
    {
        // The last range that has at most so many numbers in front of it.
        int range = Array.BinarySearch(_before, slot + 1);
        if (range < 0)
            range = ~range;
        while (range > 0 && _before[range - 1] == slot + 1)
            range--;
        return range == 0 ? slot : _ranges[range - 1].End + slot - _before[range - 1];
    }

    /// <summary>The number of the range that a raw slot is in, or -1 and the slot of a kept row.</summary>
    public (int Range, int Slot) Find(int rawSlot)
    {
        int low = 0, high = _ranges.Length;            // the first range that ends behind the slot
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_ranges[middle].End <= rawSlot)
                low = middle + 1;
            else
                high = middle;
        }
        if (low == _ranges.Length)
            return (-1, Numbers - (RawSlots - rawSlot));
        return rawSlot < _ranges[low].First ? (-1, _before[low] - (_ranges[low].First - rawSlot)) : (low, Numbers + low);
    }

    /// <summary>The same without some ranges; null if none is left.</summary>
    public CategoryRanges? Without(int range) =>
        _ranges.Length == 1 ? null : new CategoryRanges(RawSlots, _ranges.Where((_, i) => i != range));

    /// <summary>The same with more ranges.</summary>
    public static CategoryRanges With(CategoryRanges? ranges, int rawSlots, IEnumerable<CategoryRange> more) =>
        new(rawSlots, more.Concat(ranges?._ranges ?? []).OrderBy(range => range.First));

    /// <summary>Whether a value is one that a kept row may have for a range.</summary>
    public bool IsNumberOf(int range, float value) =>
        float.IsNaN(value) || value == Silent || (value >= 0 && value <= _ranges[range].Count && value == MathF.Floor(value));

    /// <summary>Whether others have the same slots: what numbers stand for may differ, not how many there are.</summary>
    public static bool HaveSameSlots(CategoryRanges? one, CategoryRanges? other) =>
        one?.RawSlots == other?.RawSlots && one?.Count == other?.Count
        && (one?._ranges ?? []).Select(SlotsOf).SequenceEqual((other?._ranges ?? []).Select(SlotsOf));

    /// <summary>Brings a raw row into the form in which it is kept.</summary>
    /// <param name="raw">All slots.</param>
    /// <param name="kept">Room for <see cref="Slots"/> values.</param>
    /// <returns>
    /// The number of the first range of which the kept row loses what the raw one says; -1: of none. It does where there is no category
    /// that has a number, where a slot is missing and another one set, and where a slot of a range is missing that was found in the rows.
    /// </returns>
    public int Keep(ReadOnlySpan<float> raw, Span<float> kept)
    {
        int from = 0, to = 0, failed = -1;
        for (int i = 0; i < _ranges.Length; i++)
        {
            CategoryRange range = _ranges[i];
            raw[from..range.First].CopyTo(kept[to..]);
            to += range.First - from;
            from = range.End;
            kept[Numbers + i] = NumberOf(range, raw.Slice(range.First, range.Count), out bool isLost);
            if (isLost && failed < 0)
                failed = i;
        }
        raw[from..].CopyTo(kept[to..]);
        return failed;
    }

    /// <summary>The same of a sparse row, into a row written out.</summary>
    public int KeepDense(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, Span<float> kept)
    {
        kept[..Slots].Clear();
        var reader = new SparseReader(this, indices, values);
        int failed = -1;
        while (reader.Next(out int slot, out float value))
        {
            kept[slot] = value;
            if (reader.IsLost && failed < 0)
                failed = slot - Numbers;
        }
        return failed;
    }

    /// <summary>The same of a sparse row, into a sparse one.</summary>
    /// <param name="indices">Slots that are not 0, rising.</param>
    /// <param name="values">Their values.</param>
    /// <param name="keptIndices">Room for as many, and for <see cref="Count"/> more.</param>
    /// <param name="keptValues">Likewise.</param>
    /// <param name="count">Entries of the kept row.</param>
    public int KeepSparse(
        ReadOnlySpan<int> indices, ReadOnlySpan<float> values, Span<int> keptIndices, Span<float> keptValues, out int count)
    {
        // Numbers first; what is known of the categories behind all of them waits at the end.
        var reader = new SparseReader(this, indices, values);
        int failed = -1, waiting = 0;
        count = 0;
        while (reader.Next(out int slot, out float value))
        {
            if (slot < Numbers)
            {
                (keptIndices[count], keptValues[count]) = (slot, value);
                count++;
                continue;
            }
            if (reader.IsLost && failed < 0)
                failed = slot - Numbers;
            if (value == 0)
                continue;
            waiting++;
            (keptIndices[^waiting], keptValues[^waiting]) = (slot, value);
        }
        for (int i = 1; i <= waiting; i++, count++)
            (keptIndices[count], keptValues[count]) = (keptIndices[^i], keptValues[^i]);
        return failed;
    }

    /// <summary>Entries of a sparse kept row as the raw row it was, at most.</summary>
    public int RawEntries(int entries) => entries + _ranges.Sum(range => range.IsFull ? range.Count : 0);

    /// <summary>A sparse kept row as the raw row it was; categories must have numbers.</summary>
    /// <param name="indices">Slots that are not 0, rising.</param>
    /// <param name="values">Their values.</param>
    /// <param name="rawIndices">Room for <see cref="RawEntries"/>.</param>
    /// <param name="rawValues">Likewise.</param>
    /// <returns>Number of entries.</returns>
    public int RestoreSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, Span<int> rawIndices, Span<float> rawValues)
    {
        int count = 0, at = 0;
        for (; at < indices.Length && indices[at] < Numbers; at++, count++)
            (rawIndices[count], rawValues[count]) = (RawSlotOf(indices[at]), values[at]);
        for (int i = 0; i < _ranges.Length; i++)
        {
            CategoryRange range = _ranges[i];
            int set = at < indices.Length && indices[at] == Numbers + i ? (int)values[at++] - 1 : -1;
            for (int place = range.IsFull ? 0 : Math.Max(set, 0); place < (range.IsFull ? range.Count : set + 1); place++)
            {
                float value = place == set ? range.OnOf(place) : range.OffOf(place);
                if (value == 0)
                    continue;
                (rawIndices[count], rawValues[count]) = (range.First + place, value);
                count++;
            }
        }
        rawIndices[..count].Sort(rawValues[..count]);
        return count;
    }

    private static (int First, int Count) SlotsOf(CategoryRange range) => (range.First, range.Count);

    private static float NumberOf(CategoryRange range, ReadOnlySpan<float> values, out bool isLost)
    {
        isLost = false;
        int at = Set(range, values, 0);
        if (at == values.Length)
            return 0;
        if (values[at] == range.OnOf(at) && Set(range, values, at + 1) == values.Length)
            return at + 1;
        // A slot that is missing says that the category is.
        bool isMissing = false, isSet = false;
        for (int place = at; place < values.Length; place++)
        {
            isMissing |= float.IsNaN(values[place]);
            isSet |= !float.IsNaN(values[place]) && values[place] != range.OffOf(place);
        }
        isLost = !isMissing || isSet || range.IsFound;
        return isMissing ? 0 : float.NaN;
    }

    /// <summary>The first slot from one on that is set or missing; behind the last one where none is.</summary>
    private static int Set(CategoryRange range, ReadOnlySpan<float> values, int from)
    {
        int at = range.Off is null
            ? values[from..].IndexOfAnyExcept(0f)
            : values[from..].CommonPrefixLength(range.Off.AsSpan(from)) is int same && same < values.Length - from ? same : -1;
        return at < 0 ? values.Length : from + at;
    }

    /// <summary>Goes through a sparse raw row: every number, and every range that has an entry or needs one, with its category.</summary>
    private ref struct SparseReader(CategoryRanges ranges, ReadOnlySpan<int> indices, ReadOnlySpan<float> values)
    {
        private readonly ReadOnlySpan<int> _indices = indices;
        private readonly ReadOnlySpan<float> _values = values;
        private int _at;
        private int _range;

        /// <summary>Whether the number of the range that was read last loses what the row says of it.</summary>
        public bool IsLost { get; private set; }

        public bool Next(out int slot, out float value)
        {
            int raw = _at < _indices.Length ? _indices[_at] : int.MaxValue;
            IsLost = false;
            for (; _range < ranges._ranges.Length && ranges._ranges[_range].End <= raw; _range++)
            {
                if (!ranges._ranges[_range].IsFull)
                    continue;
                (slot, value, IsLost) = (ranges.Numbers + _range++, float.NaN, true);
                return true;
            }
            if (_at == _indices.Length)
            {
                (slot, value) = (0, 0);
                return false;
            }
            if (_range == ranges._ranges.Length || raw < ranges._ranges[_range].First)
            {
                slot = _range == ranges._ranges.Length
                    ? ranges.Numbers - (ranges.RawSlots - raw)
                    : ranges._before[_range] - (ranges._ranges[_range].First - raw);
                value = _values[_at++];
                return true;
            }
            CategoryRange range = ranges._ranges[_range];
            slot = ranges.Numbers + _range++;
            value = 0;
            bool isMissing = false, isSet = false;
            int entries = 0;
            for (; _at < _indices.Length && _indices[_at] < range.End; _at++)
            {
                float entry = _values[_at];
                isMissing |= float.IsNaN(entry);
                int place = _indices[_at] - range.First;
                entries += range.OffOf(place) != 0 ? 1 : 0;
                if (entry == range.OffOf(place))
                    continue;
                isSet |= !float.IsNaN(entry);
                value = value == 0 && entry == range.OnOf(place) ? place + 1 : float.NaN;
            }
            // What is left out is 0, which is neither where 0 is not what the slot is unset.
            isSet |= entries < range.NeededEntries;
            if (isMissing)
                value = 0;
            else if (entries < range.NeededEntries)
                value = float.NaN;
            IsLost = float.IsNaN(value) || (isMissing && (isSet || range.IsFound));
            return true;
        }
    }
}
