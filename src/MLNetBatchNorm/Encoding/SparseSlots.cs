using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// A column for each of very many slots of which a row has few, such as the words of texts; a network reads them through a projection: a
/// factored table, so that what a word takes in memory does not depend on the width of the first layer.
/// </summary>
/// <remarks>
/// <para>A value is multiplied with the slot's scale, which is smaller where few rows have it (<see cref="Categories.Trust"/>); slots of
/// fewer than <see cref="FewestRows"/> rows have no column, nor have those that are always 0: of these nothing can be learned.</para>
/// <para>A missing value is the mean over the training rows. Slots with missing values in training are not among these: they are columns of
/// the first layer itself, with an effect of their own for being missing.</para>
/// </remarks>
internal sealed class SparseSlots : EncodingPart
{
    /// <summary>
    /// Slots at most that enter as they are. With weights in every unit rows are known by heart by their words the sooner the more there
    /// are: from some hundreds of them on, other rows are predicted better through a projection.
    /// </summary>
    public const int MostDirect = 512;

    /// <summary>Rows that must have a slot. One of a single row is that row's name.</summary>
    public const int FewestRows = 2;

    /// <summary>Numbers that slots are projected to.</summary>
    public const int UsualUnits = 32;

    /// <summary>The same of more than <see cref="MostOfUsualUnits"/> slots: most of what there are says little.</summary>
    public const int UnitsOfVeryMany = 16;

    /// <inheritdoc cref="UnitsOfVeryMany"/>
    public const int MostOfUsualUnits = 1 << 16;

    /// <summary>Most numbers in a file.</summary>
    private const int LargestUnits = 64;

    /// <summary>
    /// Ranges of slots for each column, at most. Mostly that is a range for each slot, and a column is found by looking once. A file backs
    /// each column with 12 bytes and a slot's number with none: memory must not follow the numbers.
    /// </summary>
    private const int RangesOfColumn = 8;

    // The slots that have a column, rising; and of each range of 2^_shift slots the first column that is not below it, with one range more.
    private readonly int[] _slots;
    private readonly int[] _firsts;
    private readonly int _shift;

    // What each value is multiplied with, and what a missing one becomes.
    private readonly float[] _scales;
    private readonly float[] _means;

    /// <param name="slots">The slots, rising.</param>
    /// <param name="scales">What the values of each are multiplied with.</param>
    /// <param name="means">What each column is where the value is missing.</param>
    /// <param name="units">Numbers that the columns are projected to.</param>
    public SparseSlots(int[] slots, float[] scales, float[] means, int units)
    {
        _slots = slots;
        _scales = scales;
        _means = means;
        Units = units;
        int last = slots.Length == 0 ? -1 : slots[^1];
        while (last >> _shift >= RangesOfColumn * slots.Length)
            _shift++;
        _firsts = new int[(last >> _shift) + 2];
        for (int range = 0, column = 0; range < _firsts.Length; range++)
        {
            while (column < slots.Length && slots[column] >> _shift < range)
                column++;
            _firsts[range] = column;
        }
    }

    public override int Columns => _slots.Length;

    public override bool KeepsZero => true;

    public override bool IsEntries => true;

    public override int Units { get; }

    public override bool DropsEntries => true;

    /// <summary>The slots that have a column, rising.</summary>
    public ReadOnlySpan<int> Slots => _slots;

    /// <summary>What a slot is multiplied with; 0 where it has no column.</summary>
    public float ScaleOf(int slot) => ColumnOf(slot) is >= 0 and int column ? _scales[column] : 0;

    /// <summary>What the values of a slot that is mostly 0 are multiplied with, whether it is projected or not.</summary>
    /// <remarks>
    /// Text features, counts of words and indicators keep their own scale, which says how much a term matters; an income does not. Where
    /// few rows have a slot, it counts for less.
    /// </remarks>
    public static float ScaleOf(in SlotFacts facts)
    {
        float largest = facts.Largest, largestUnscaled = facts.HasTwoValues(out _, out _) ? 1 : ScaleAndClip.LargestUnscaled;
        return Categories.Trust(facts.NonZero) * (largest > largestUnscaled ? 1 / largest : 1);
    }

    public override void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        for (int column = 0; column < _slots.Length; column++)
            encoded[column] = Encode(column, raw[_slots[column]]);
    }

    public override void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn)
    {
        for (int column = 0; column < _slots.Length; column++)
            panels[PanelLayout.Index(row, firstColumn + column, rowCapacity)] = Encode(column, paddedRaw[_slots[column]]);
    }

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn)
    {
        for (int i = 0; i < indices.Length; i++)
        {
            int column = ColumnOf(indices[i]);
            if (column >= 0)
                batch.Add(firstColumn + column, Encode(column, values[i]));
        }
    }

    /// <summary>The column of a slot, -1 where it has none.</summary>
    private int ColumnOf(int slot)
    {
        int range = slot >> _shift;
        if ((uint)range >= (uint)(_firsts.Length - 1))
            return -1;
        int low = _firsts[range], end = _firsts[range + 1];
        for (int high = end; low < high;)
        {
            int middle = (low + high) / 2;
            if (_slots[middle] < slot)
                low = middle + 1;
            else
                high = middle;
        }

        return low < end && _slots[low] == slot ? low : -1;
    }

    private float Encode(int column, float value) => float.IsNaN(value) ? _means[column] : value * _scales[column];

    public override string AddTo(OnnxGraph graph, OnnxSlots slots)
    {
        var axis = new OnnxAttribute("axis", 1L);
        string places = graph.Integers("input.sparse_slots", [.. _slots.Select(slot => (long)slot)]);
        string known = graph.Node("Gather", "input.sparse_known", [slots.Known, places], axis);
        if (_scales.AsSpan().ContainsAnyExcept(1f))
            known = graph.Node("Mul", "input.sparse_scaled", [known, graph.Floats("input.sparse_scale", _scales, _scales.Length)]);
        string missing = graph.Node("Gather", "input.sparse_missing", [slots.IsMissing, places], axis);
        return graph.Node("Where", "input.sparse", [missing, graph.Floats("input.sparse_expected", _means, _means.Length), known]);
    }

    public override IEnumerable<EncodedColumn> Describe() => _slots.Select(slot => new EncodedColumn(slot, EncodedColumnKind.Scaled));

    public override string Tag => SectionTag;

    /// <inheritdoc cref="Tag"/>
    public const string SectionTag = "SPAR";

    /// <summary>
    /// Writes int32 numbers that the columns are projected to, int32 number of columns, and of each int32 slot; then of all float32 scales,
    /// then float32 values for missing ones.
    /// </summary>
    public override void Write(BinaryWriter writer)
    {
        writer.Write(Units);
        writer.Write(_slots.Length);
        foreach (int slot in _slots)
            writer.Write(slot);
        writer.WriteSingles(_scales);
        writer.WriteSingles(_means);
    }

    /// <summary>Reads what <see cref="Write"/> wrote, for that many slots.</summary>
    public static SparseSlots Read(BinaryReader reader, int numbers)
    {
        int units = reader.ReadCount("units of sparse slots", 1, LargestUnits, 0);
        int[] slots = SlotList.Read(reader, "sparse slots", numbers, 3 * sizeof(float));
        var scales = new float[slots.Length];
        var means = new float[slots.Length];
        reader.ReadSingles(scales, "scale of a sparse slot");
        reader.ReadSingles(means, "value of a sparse slot where it is missing");
        return new SparseSlots(slots, scales, means, units);
    }

    /// <summary>Takes slots of kind <see cref="SlotKind.Projected"/> and <see cref="SlotKind.ProjectedUnchanged"/>.</summary>
    internal sealed class Learner : PartLearner
    {
        private readonly List<(int Slot, int Rows, float Scale, float Mean)> _slots = [];

        public override void Take(in SlotSample slot)
        {
            if (slot.Kind is not (SlotKind.Projected or SlotKind.ProjectedUnchanged))
                return;
            float scale = slot.Kind == SlotKind.Projected ? ScaleOf(slot.Facts) : 1;
            _slots.Add((slot.Slot, slot.Facts.NonZero, scale, (float)(slot.Facts.Sum / slot.Rows * scale)));
        }

        public override EncodingPart? Create()
        {
            if (_slots.Count == 0)
                return null;
            // Where no two rows have a word in common, a row's own are all there is.
            int fewest = Math.Min(FewestRows, _slots.Max(slot => slot.Rows));
            (int Slot, int Rows, float Scale, float Mean)[] kept = [.. _slots.Where(slot => slot.Rows >= fewest)];
            return new SparseSlots(
                [.. kept.Select(slot => slot.Slot)], [.. kept.Select(slot => slot.Scale)], [.. kept.Select(slot => slot.Mean)],
                kept.Length > MostOfUsualUnits ? UnitsOfVeryMany : UsualUnits);
        }
    }
}
