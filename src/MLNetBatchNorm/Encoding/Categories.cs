using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// A column for each category of each range that training has seen, no category being one of them; a row has the one of its own category.
/// </summary>
/// <remarks>
/// <para>A category counts by its rows up to <see cref="RowsToTrust"/>, and what is left of it is the column of other categories, which all
/// rare ones of a range share: a category that was never seen is this column alone. Where hardly any row is of a rare category there is no
/// such column; one that was never seen is then the mean of all columns over the training rows.</para>
/// <para>Columns of categories are entries of a row, never written out, wherever a first layer can read entries. Ranges of more than <see
/// cref="MostDirect"/> columns are a part of their own, which a network reads through a projection to <see cref="NarrowUnits"/> numbers:
/// a factored table, so that what a category takes in memory does not depend on the width of the first layer.</para>
/// </remarks>
internal sealed class Categories : EncodingPart
{
    /// <summary>
    /// Rows from which on a category counts in full. One of a row or two is that row's name: learned at full size it is known by heart, and
    /// the numbers beside it are not. Where each of 10,000 categories had one row, AUC fell from .982, which it has with 3,000 and with
    /// 14,000 of them, to .963; with this it is .982 there too.
    /// </summary>
    public const float RowsToTrust = 4;

    /// <summary>
    /// Columns of a range at most for weights in every unit of the first layer: 2,048 times 256 units are half a million a network.
    /// </summary>
    public const int MostDirect = 2048;

    /// <summary>Numbers that a range of more columns is projected to.</summary>
    public const int NarrowUnits = 8;

    private readonly CategoryRanges _ranges;

    // The ranges of the part, rising, and what is known of each.
    private readonly int[] _numbers;
    private readonly Range[] _parts;

    /// <summary>A part of all ranges.</summary>
    /// <param name="ranges">Where the categories are.</param>
    /// <param name="counts">Of each range, rows without a category and rows of each.</param>
    public Categories(CategoryRanges ranges, int[][] counts) : this(ranges, [.. Enumerable.Range(0, ranges.Count)], counts, units: 0)
    {
    }

    /// <summary>A part of some ranges.</summary>
    /// <param name="ranges">Where the categories are.</param>
    /// <param name="numbers">The part's ranges, rising.</param>
    /// <param name="counts">Of each of these, rows without a category and rows of each.</param>
    /// <param name="units">Numbers that the columns are projected to; 0: each has weights of its own.</param>
    public Categories(CategoryRanges ranges, int[] numbers, int[][] counts, int units)
    {
        _ranges = ranges;
        _numbers = numbers;
        Units = units;
        _parts = new Range[numbers.Length];
        for (int i = 0; i < _parts.Length; i++)
        {
            _parts[i] = new Range(counts[i], Columns);
            Columns += _parts[i].Columns;
        }
    }

    public override int Columns { get; }

    public override bool KeepsZero => false;

    public override bool IsEntries => true;

    public override int Units { get; }

    /// <summary>Number of ranges, and of entries that a row mostly has.</summary>
    public int Ranges => _parts.Length;

    /// <summary>What the column of a category has in a row that is of it.</summary>
    public static float Trust(int rows) => Math.Min(1, rows / RowsToTrust);

    /// <summary>The same of a slot of a range; 0 where training had none. Null where the range is in another part.</summary>
    public float? TrustOf(int range, int place) =>
        Array.BinarySearch(_numbers, range) is >= 0 and int i ? Trust(_parts[i].Counts[place + 1]) : null;

    public override void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        encoded[..Columns].Clear();
        for (int i = 0; i < _parts.Length; i++)
        {
            var entries = new Entries(_parts[i], raw[_ranges.Numbers + _numbers[i]]);
            while (entries.Next(out int column, out float value))
                encoded[column] = value;
        }
    }

    public override void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn)
    {
        for (int column = 0; column < Columns; column++)
            panels[PanelLayout.Index(row, firstColumn + column, rowCapacity)] = 0;
        for (int i = 0; i < _parts.Length; i++)
        {
            var entries = new Entries(_parts[i], paddedRaw[_ranges.Numbers + _numbers[i]]);
            while (entries.Next(out int column, out float value))
                panels[PanelLayout.Index(row, firstColumn + column, rowCapacity)] = value;
        }
    }

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn)
    {
        int at = indices.BinarySearch(_ranges.Numbers);
        if (at < 0)
            at = ~at;
        for (int i = 0; i < _parts.Length; i++)
        {
            int slot = _ranges.Numbers + _numbers[i];
            while (at < indices.Length && indices[at] < slot)
                at++;
            bool has = at < indices.Length && indices[at] == slot;
            Add(_parts[i], has ? values[at++] : 0, batch, firstColumn);
        }
    }

    public override bool TryEncodeFilled(ReadOnlySpan<float> raw, SparseBatch batch, int firstColumn)
    {
        for (int i = 0; i < _parts.Length; i++)
            Add(_parts[i], raw[_ranges.Numbers + _numbers[i]], batch, firstColumn);
        return true;
    }

    private static void Add(Range range, float number, SparseBatch batch, int firstColumn)
    {
        // What nearly all are: a category of enough rows, one entry.
        if (number >= 0 && (int)number is int category && range.Counts[category] >= RowsToTrust)
        {
            batch.Add(firstColumn + range.ColumnOf(category), 1);
            return;
        }
        var entries = new Entries(range, number);
        while (entries.Next(out int column, out float value))
            batch.Add(firstColumn + column, value);
    }

    public override string AddTo(OnnxGraph graph, OnnxSlots slots)
    {
        var axis = new OnnxAttribute("axis", 1L);
        var columns = new string[_parts.Length];
        for (int i = 0; i < _parts.Length; i++)
        {
            CategoryRange range = _ranges[_numbers[i]];
            Range part = _parts[i];
            string name = $"input.category{_numbers[i] + 1}";
            string Sum(string what, string value, float[] factors) =>
                graph.Node("MatMul", $"{name}_{what}", [value, graph.Floats($"{name}_{what}_factors", factors, factors.Length, 1)]);
            string one = graph.Floats($"{name}_one", [1], 1);
            string Not(string what, string value) => graph.Node("Sub", $"{name}_{what}", [one, value]);
            // 1 where there is a difference, or a count, else 0.
            string Any(string what, string value) => graph.Node("Sign", $"{name}_{what}", [value]);
            string Distance(string what, string value, string other) =>
                graph.Node("Abs", $"{name}_{what}_size", [graph.Node("Sub", $"{name}_{what}", [value, other])]);

            // Which slots are set, to any value and to the one they should have; and how many of either.
            string places = graph.Integers($"{name}_slots", [.. Enumerable.Range(range.First, range.Count).Select(slot => (long)slot)]);
            string raw = graph.Node("Gather", $"{name}_raw", [slots.Features, places], axis);
            string isMissing = graph.Node("IsNaN", $"{name}_is_missing", [raw]);
            float[] off = [.. Enumerable.Range(0, range.Count).Select(range.OffOf)], ones = [.. off.Select(_ => 1f)];
            float[] on = [.. Enumerable.Range(0, range.Count).Select(range.OnOf)];
            string unset = graph.Floats($"{name}_unset", off, range.Count);
            string known = graph.Node("Where", $"{name}_known", [isMissing, unset, raw]);
            string isSet = Any("set", Distance("from_unset", known, unset));
            string isOn = Not("hit", Any("other_value", Distance("from_set", known, graph.Floats($"{name}_on", on, range.Count))));
            string missing = graph.Node("Cast", $"{name}_missing", [isMissing], new OnnxAttribute("to", OnnxGraph.FloatType));
            string each = graph.Floats($"{name}_each", ones, ones.Length, 1);
            string setCount = graph.Node("MatMul", $"{name}_set_count", [isSet, each]);
            string isComplete = Not("complete", Any("any_missing", graph.Node("MatMul", $"{name}_missing_count", [missing, each])));

            // A single slot that is set and none that is missing is a category; none that is set, or one missing, is no category.
            string isSingle = Not("single", Any("not_single", Distance("from_one", setCount, one)));
            string number = graph.Node("Mul", $"{name}_number", [isOn, graph.Node("Mul", $"{name}_valid", [isSingle, isComplete])]);
            string isNone = Not("none", graph.Node("Mul", $"{name}_some", [Any("any", setCount), isComplete]));
            string all = graph.Node("Concat", $"{name}_all", [isNone, number], axis);
            string isOther = Not("other", Sum("known_count", all, [1f, .. ones]));

            int[] seen = part.Seen;
            string own = graph.Node(
                "Gather", $"{name}_seen", [all, graph.Integers($"{name}_columns", [.. seen.Select(k => (long)k)])], axis);
            float[] trust = [.. seen.Select(k => Trust(part.Counts[k]))];
            string trusted = graph.Node("Mul", $"{name}_trusted", [own, graph.Floats($"{name}_trust", trust, trust.Length)]);
            string rest = graph.Node("Add", $"{name}_rest", [isOther, Sum("rare", all, part.OtherShares)]);
            if (part.HasOther)
            {
                columns[i] = graph.Node("Concat", name, [trusted, rest], axis);
                continue;
            }
            string expected = graph.Node("Mul", $"{name}_expected", [rest, graph.Floats($"{name}_means", part.Means, part.Means.Length)]);
            columns[i] = graph.Node("Add", name, [trusted, expected]);
        }
        return columns.Length == 1
            ? columns[0]
            : graph.Node("Concat", Units == 0 ? "input.categories" : "input.many_categories", columns, axis);
    }

    /// <remarks>Slots are those of a raw row.</remarks>
    public override IEnumerable<EncodedColumn> Describe()
    {
        for (int i = 0; i < _parts.Length; i++)
        {
            int first = _ranges[_numbers[i]].First;
            foreach (int number in _parts[i].Seen)
            {
                yield return number == 0
                    ? new EncodedColumn(first, EncodedColumnKind.NoCategory)
                    : new EncodedColumn(first + number - 1, EncodedColumnKind.Scaled);
            }
            if (_parts[i].HasOther)
                yield return new EncodedColumn(first, EncodedColumnKind.OtherCategory);
        }
    }

    public override string Tag => Units == 0 ? SectionTag : NarrowSectionTag;

    /// <inheritdoc cref="Tag"/>
    public const string SectionTag = "CATE";

    /// <inheritdoc cref="Tag"/>
    public const string NarrowSectionTag = "CATN";

    /// <summary>
    /// Writes, of a part that is projected, int32 numbers it is projected to; then int32 number of ranges, and for each int32 which it is,
    /// int32 rows without a category, and int32 rows of each category.
    /// </summary>
    public override void Write(BinaryWriter writer)
    {
        if (Units > 0)
            writer.Write(Units);
        writer.Write(_parts.Length);
        for (int i = 0; i < _parts.Length; i++)
        {
            writer.Write(_numbers[i]);
            foreach (int count in _parts[i].Counts)
                writer.Write(count);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static Categories Read(BinaryReader reader, CategoryRanges ranges, bool isNarrow)
    {
        int units = isNarrow ? reader.ReadCount("units of categories", 1, PanelLayout.Width, 0) : 0;
        int[] numbers = new int[reader.ReadCount("ranges in a part", 1, ranges.Count, sizeof(int))];
        var counts = new int[numbers.Length][];
        for (int i = 0; i < counts.Length; i++)
        {
            numbers[i] = reader.ReadInt32();
            if (numbers[i] < (i == 0 ? 0 : numbers[i - 1] + 1) || numbers[i] >= ranges.Count)
                throw new NetworkFormatException(CheckedBytes.Text($"A part has range {numbers[i]} of {ranges.Count}; ranges must rise."));
            CategoryRange range = ranges[numbers[i]];
            reader.RequireBytes("categories", range.Count + 1, sizeof(int));
            counts[i] = new int[range.Count + 1];
            long rows = 0;
            for (int k = 0; k < counts[i].Length; k++)
            {
                counts[i][k] = reader.ReadInt32();
                if (counts[i][k] < 0)
                    throw new NetworkFormatException(CheckedBytes.Text($"Category {k} of range {i} has {counts[i][k]} rows."));
                rows += counts[i][k];
            }
            if (rows is 0 or > int.MaxValue)
                throw new NetworkFormatException(CheckedBytes.Text($"The categories of range {i} have {rows} rows."));
        }
        return new Categories(ranges, numbers, counts, units);
    }

    /// <summary>Counts the rows of each category, of the ranges that are to have weights of their own or of the others.</summary>
    internal sealed class Learner(CategoryRanges? ranges, bool isNarrow) : PartLearner
    {
        private readonly List<int> _numbers = [];
        private readonly List<int[]> _counts = [];
        private int _range;

        public override void Take(in SlotSample slot)
        {
            if (slot.Kind != SlotKind.Category)
                return;
            int number = _range++;
            if (slot.Categories.Length - slot.Categories.Count(0) > MostDirect != isNarrow)
                return;
            _numbers.Add(number);
            _counts.Add(slot.Categories.ToArray());
        }

        public override EncodingPart? Create() =>
            _numbers.Count == 0 ? null : new Categories(ranges!, [.. _numbers], [.. _counts], isNarrow ? NarrowUnits : 0);
    }

    /// <summary>The columns of one range.</summary>
    private sealed class Range
    {
        // The column of each category; -1: it was never seen.
        private readonly int[] _columns;

        public Range(int[] counts, int firstColumn)
        {
            Counts = counts;
            FirstColumn = firstColumn;
            _columns = new int[counts.Length];
            long rows = 0, rare = 0;
            int seen = 0;
            for (int k = 0; k < counts.Length; k++)
            {
                _columns[k] = counts[k] == 0 ? -1 : firstColumn + seen++;
                rows += counts[k];
                rare += counts[k] < RowsToTrust ? counts[k] : 0;
            }
            HasOther = rare >= RowsToTrust;
            Seen = new int[seen];
            Means = new float[seen];
            for (int k = 0; k < counts.Length; k++)
            {
                if (_columns[k] < 0)
                    continue;
                Seen[_columns[k] - firstColumn] = k;
                Means[_columns[k] - firstColumn] = (float)(Trust(counts[k]) * counts[k] / rows);
            }
            for (int k = 0; HasOther && k < counts.Length; k++)
                OtherMean += (1 - Trust(counts[k])) * counts[k] / rows;
        }

        public int[] Counts { get; }

        public int FirstColumn { get; }

        /// <summary>The categories that have a column, in order.</summary>
        public int[] Seen { get; }

        /// <summary>The mean of each column over the training rows.</summary>
        public float[] Means { get; }

        /// <summary>The mean of the column of other categories.</summary>
        public double OtherMean { get; }

        /// <summary>Whether a column behind these stands for other categories.</summary>
        public bool HasOther { get; }

        public int Columns => Seen.Length + (HasOther ? 1 : 0);

        public int ColumnOf(int category) => _columns[category];

        /// <summary>How much of each category is not itself, but another one.</summary>
        public float[] OtherShares => [.. Counts.Select(count => HasOther ? 1 - Trust(count) : count == 0 ? 1 : 0)];
    }

    /// <summary>The entries of one row and range, columns rising.</summary>
    private ref struct Entries(Range range, float number)
    {
        private readonly int _category = number >= 0 ? (int)number : -1;
        private readonly bool _isMean = number == CategoryRanges.Silent;
        private int _next;

        public bool Next(out int column, out float value)
        {
            (column, value) = (0, 0);
            int rows = _category < 0 ? 0 : range.Counts[_category], step = _next++;
            if (_isMean || (rows == 0 && !range.HasOther))
            {
                if (step >= range.Columns)
                    return false;
                (column, value) = (range.FirstColumn + step, step < range.Seen.Length ? range.Means[step] : (float)range.OtherMean);
                return true;
            }
            float trust = Trust(rows);
            if (step == 0 && rows > 0)
            {
                (column, value) = (range.ColumnOf(_category), trust);
                return true;
            }
            if (step == (rows > 0 ? 1 : 0) && trust < 1 && range.HasOther)
            {
                (column, value) = (range.FirstColumn + range.Seen.Length, 1 - trust);
                return true;
            }
            return false;
        }
    }
}
