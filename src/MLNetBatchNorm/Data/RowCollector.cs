namespace MLNetBatchNorm.Data;

/// <summary>
/// Takes rows one by one and keeps them: in a table in memory while they fit the budget, all of them in a temporary file from then on.
/// </summary>
/// <remarks>
/// <para>Rows come sparse or dense as they like, and are kept in one form. Where the form is not given, the first rows decide which it is,
/// by the number of their entries; whatever it is, what is learned from the rows is the same.</para>
/// <para>Of a range of slots that is a category, only the number is kept. Where ranges are not given and a row sets several slots of one,
/// or one to another value, the range is given up: all rows are kept again with its slots, sparse, for such a range is a bag. And groups of
/// slots that turn out to be categories become ranges, once all rows are there and when they leave the memory.</para>
/// </remarks>
internal sealed class RowCollector : IDisposable
{
    /// <summary>A bag of no more slots may be written out.</summary>
    private const int SmallBag = Kernels.PanelLayout.Width;

    private readonly long _budget;
    private readonly Func<SpillFile> _createFile;
    private readonly ulong _seed;
    private readonly int _rawSlots;
    private bool _isDecided;

    // A range has been given up for a row that is not among the rows yet: without it the same range would be found again.
    private bool _isGivenUpForNext;
    private RowStore _rows;

    // A row in the form in which it is kept, written out or sparse, and on the way there.
    private float[] _dense = [];
    private int[] _indices = [];
    private float[] _values = [];
    private int[] _rawIndices = [];
    private float[] _rawValues = [];
    private int[] _keptIndices = [];
    private float[] _keptValues = [];

    /// <param name="shape">What a row has; whether it is sparse only where <paramref name="isDecided"/>.</param>
    /// <param name="budgetBytes">Most memory for rows, here and in all that reads them later.</param>
    /// <param name="createFile">Makes the file when it is needed.</param>
    /// <param name="seed">Chooses the sample for quantiles.</param>
    /// <param name="isDecided">Whether the form of the rows is given, ranges of categories included.</param>
    public RowCollector(RowShape shape, long budgetBytes, Func<SpillFile> createFile, ulong seed, bool isDecided = true)
    {
        _budget = budgetBytes;
        _createFile = createFile;
        _seed = seed;
        _rawSlots = shape.RawInputs;
        RangesAreGiven = isDecided;
        _isDecided = isDecided || !RowForm.AreWide(shape.Inputs);
        Shape = isDecided ? shape : shape with { IsSparse = !_isDecided };
        _rows = new MemoryRows(Shape.CreateTable(), seed);
    }

    /// <summary>
    /// Whether ranges of categories stay as they are; a row without a category that has a number then has none. As the form, unless said.
    /// </summary>
    public bool RangesAreGiven { get; init; }

    /// <summary>Whether groups of slots of which every row sets one may become ranges; only where these are not given.</summary>
    public bool FindsCategories { get; init; }

    /// <summary>What a row has, as it is kept.</summary>
    public RowShape Shape { get; private set; }

    /// <summary>Number of rows.</summary>
    public int Rows => _rows.Rows;

    /// <summary>Adds a raw row that is written out.</summary>
    public void Add(ReadOnlySpan<float> features, ReadOnlySpan<float> target, float weight)
    {
        Decide(atEnd: false);
        MakeRoom(Shape.IsSparse ? features.Length - features.Count(0f) : 0);
        ReadOnlySpan<float> kept = features;
        if (Shape.Ranges is { } ranges)
        {
            Span<float> row = Room(ref _dense, ranges.Slots);
            int failed = ranges.Keep(features, row);
            if (failed >= 0 && !RangesAreGiven)
            {
                GiveUp(failed);
                Add(features, target, weight);
                _isGivenUpForNext = false;
                return;
            }
            kept = row;
        }
        if (!Shape.IsSparse)
        {
            _rows.Add(kept, target, weight);
            return;
        }
        Fill(kept, out ReadOnlySpan<int> indices, out ReadOnlySpan<float> values);
        _rows.AddSparse(indices, values, target, weight);
    }

    /// <summary>Adds a sparse raw row.</summary>
    public void AddSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, ReadOnlySpan<float> target, float weight)
    {
        Decide(atEnd: false);
        MakeRoom(Shape.IsSparse ? indices.Length : 0);
        CategoryRanges? ranges = Shape.Ranges;
        int failed = -1;
        if (!Shape.IsSparse)
        {
            Span<float> row = Room(ref _dense, Shape.Inputs);
            if (ranges is not null)
                failed = ranges.KeepDense(indices, values, row);
            else
                WriteOut(indices, values, row);
            if (failed < 0 || RangesAreGiven)
            {
                _rows.Add(row, target, weight);
                return;
            }
        }
        else if (ranges is null)
        {
            _rows.AddSparse(indices, values, target, weight);
            return;
        }
        else
        {
            int room = indices.Length + ranges.Count;
            Span<int> keptIndices = Room(ref _keptIndices, room);
            Span<float> keptValues = Room(ref _keptValues, room);
            failed = ranges.KeepSparse(indices, values, keptIndices, keptValues, out int count);
            if (failed < 0 || RangesAreGiven)
            {
                _rows.AddSparse(keptIndices[..count], keptValues[..count], target, weight);
                return;
            }
        }
        GiveUp(failed);
        AddSparse(indices, values, target, weight);
        _isGivenUpForNext = false;
    }

    /// <summary>All rows have been added; they belong to the caller.</summary>
    public RowStore Complete()
    {
        Decide(atEnd: true);
        // What is in a file was looked through when it got there.
        if (_rows.IsInMemory)
            TakeCategories();
        _rows.Complete();
        return _rows;
    }

    /// <summary>Gives the rows up.</summary>
    public void Dispose() => _rows.Dispose();

    /// <summary>Chooses the form once there are enough rows; until then they are sparse, which loses nothing.</summary>
    private void Decide(bool atEnd)
    {
        if (_isDecided || (Rows < RowForm.RowsThatDecide && !atEnd && _rows.IsInMemory))
            return;
        _isDecided = true;
        if (Rows == 0 || RowForm.AreSparse(_rows.EntriesOfRow, Shape.Inputs) || !_rows.IsInMemory)
            return;
        KeepAgain(Shape with { IsSparse = false });
        MakeRoom(0);
    }

    /// <summary>Keeps a range that is a bag by its slots.</summary>
    private void GiveUp(int range)
    {
        CategoryRanges ranges = Shape.Ranges!;
        bool isBag = ranges[range].Count > SmallBag;
        CategoryRanges? left = ranges.Without(range);
        _isDecided |= isBag;
        KeepAgain(Shape with { Ranges = left, Inputs = left?.Slots ?? _rawSlots, IsSparse = Shape.IsSparse || isBag });
        _isGivenUpForNext = true;
    }

    /// <summary>Makes ranges of the groups that are categories in all rows so far.</summary>
    private void TakeCategories()
    {
        if (!FindsCategories || RangesAreGiven || Rows == 0 || _isGivenUpForNext)
            return;
        List<CategoryRange> groups = SlotGroups.Find(_rows.Slots, Shape.Ranges);
        if (groups.Count == 0)
            return;
        CategoryRanges ranges = CategoryRanges.With(Shape.Ranges, _rawSlots, groups);
        // Without the slots of categories rows may no longer be wide, nor few of their slots be filled.
        bool isSparse = Shape.IsSparse && RowForm.AreSparse(_rows.EntriesOfRow, ranges.Slots);
        KeepAgain(Shape with { Ranges = ranges, Inputs = ranges.Slots, IsSparse = isSparse });
    }

    private void MakeRoom(int entries)
    {
        if (_rows is MemoryRows { Rows: > 0 } memory && memory.BytesInMemory + Shape.RowBytes(entries) > _budget)
        {
            TakeCategories();
            memory = (MemoryRows)_rows;
            if (memory.BytesInMemory + Shape.RowBytes(entries) <= _budget)
                return;
            memory = null!;
            KeepAgain(Shape, inFile: true);
            // The table is as large as the budget, and the windows are to take its place, not to come on top of it.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
    }

    private void KeepAgain(RowShape shape) => KeepAgain(shape, inFile: !_rows.IsInMemory);

    /// <summary>Keeps all rows so far in another shape, or in a file.</summary>
    private void KeepAgain(RowShape shape, bool inFile)
    {
        RowStore source = _rows;
        RowShape before = Shape;
        RowStore rows = inFile ? new FileRows(_createFile(), shape, _budget, _seed) : new MemoryRows(shape.CreateTable(), _seed);
        try
        {
            foreach (TrainingTable table in source.Tables())
            {
                for (int row = 0; row < table.Rows; row++)
                    Copy(table, row, before, rows);
            }
        }
        catch
        {
            rows.Dispose();
            throw;
        }
        Shape = shape;
        _rows = rows;
        source.Dispose();
    }

    private void Copy(TrainingTable table, int row, RowShape before, RowStore rows)
    {
        ReadOnlySpan<float> target = table.Targets.Slice(row * table.TargetColumns, table.TargetColumns);
        float weight = table.IsWeighted ? table.Weights[row] : 1;
        RowShape after = rows.Shape;
        bool isSame = before.Ranges == after.Ranges;
        if (isSame && table.Sparse is null && !after.IsSparse)
        {
            rows.Add(table.Features(row), target, weight);
            return;
        }

        ReadOnlySpan<int> indices;
        ReadOnlySpan<float> values;
        if (table.Sparse is { } sparse)
        {
            indices = sparse.Indices(row);
            values = sparse.Values(row);
        }
        else
            Fill(table.Features(row), out indices, out values);
        if (!isSame && before.Ranges is { } known)
        {
            int most = known.RawEntries(indices.Length);
            Span<int> rawIndices = Room(ref _rawIndices, most);
            Span<float> rawValues = Room(ref _rawValues, most);
            int restored = known.RestoreSparse(indices, values, rawIndices, rawValues);
            indices = rawIndices[..restored];
            values = rawValues[..restored];
        }
        CategoryRanges? ranges = isSame ? null : after.Ranges;
        if (!after.IsSparse)
        {
            Span<float> dense = Room(ref _dense, after.Inputs);
            if (ranges is null)
                WriteOut(indices, values, dense);
            else
                ranges.KeepDense(indices, values, dense);
            rows.Add(dense, target, weight);
            return;
        }
        if (ranges is not null)
        {
            int room = indices.Length + ranges.Count;
            Span<int> keptIndices = Room(ref _keptIndices, room);
            Span<float> keptValues = Room(ref _keptValues, room);
            ranges.KeepSparse(indices, values, keptIndices, keptValues, out int count);
            indices = keptIndices[..count];
            values = keptValues[..count];
        }
        rows.AddSparse(indices, values, target, weight);
    }

    /// <summary>The entries of a row that is written out.</summary>
    private void Fill(ReadOnlySpan<float> row, out ReadOnlySpan<int> indices, out ReadOnlySpan<float> values)
    {
        Span<int> places = Room(ref _indices, row.Length);
        Span<float> entries = Room(ref _values, row.Length);
        int count = 0;
        for (int i = 0; i < row.Length; i++)
        {
            if (row[i] == 0)
                continue;
            (places[count], entries[count]) = (i, row[i]);
            count++;
        }
        indices = places[..count];
        values = entries[..count];
    }

    private static void WriteOut(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, Span<float> row)
    {
        row.Clear();
        for (int i = 0; i < indices.Length; i++)
            row[indices[i]] = values[i];
    }

    private static Span<T> Room<T>(ref T[] array, int length)
    {
        if (array.Length < length)
            array = new T[Math.Max(length, 2 * array.Length)];
        return array.AsSpan(0, length);
    }
}
