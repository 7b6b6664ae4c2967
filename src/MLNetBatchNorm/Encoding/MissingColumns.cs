using MLNetBatchNorm.Data;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// A column for each slot that had missing values in training: 1 where the value is missing, else 0. Its
/// weights are the learned effect of being missing.
/// </summary>
/// <param name="slots">The slots, rising.</param>
internal sealed class MissingColumns(int[] slots) : EncodingPart
{
    /// <summary>The slots that have a column.</summary>
    public ReadOnlySpan<int> Slots => slots;

    public override int Columns => slots.Length;

    public override bool KeepsZero => true;

    public override void Encode(ReadOnlySpan<float> raw, Span<float> encoded)
    {
        for (int i = 0; i < slots.Length; i++)
            encoded[i] = float.IsNaN(raw[slots[i]]) ? 1 : 0;
    }

    public override void EncodeToPanels(ReadOnlySpan<float> paddedRaw, Span<float> panels, int rowCapacity, int row, int firstColumn)
    {
        for (int i = 0; i < slots.Length; i++)
            panels[PanelLayout.Index(row, firstColumn + i, rowCapacity)] = float.IsNaN(paddedRaw[slots[i]]) ? 1 : 0;
    }

    public override void EncodeSparse(ReadOnlySpan<int> indices, ReadOnlySpan<float> values, SparseBatch batch, int firstColumn)
    {
        // Both lists of slots rise.
        for (int i = 0, m = 0; i < indices.Length && m < slots.Length; i++)
        {
            while (m < slots.Length && slots[m] < indices[i])
                m++;
            if (m < slots.Length && slots[m] == indices[i] && float.IsNaN(values[i]))
                batch.Add(firstColumn + m, 1);
        }
    }

    public override string AddTo(OnnxGraph graph, OnnxSlots raw)
    {
        string sources = graph.Integers("input.missing_slots", [.. slots.Select(slot => (long)slot)]);
        string flags = graph.Node("Gather", "input.missing_flags", [raw.IsMissing, sources], new OnnxAttribute("axis", 1L));
        return graph.Node("Cast", "input.missing_columns", [flags], new OnnxAttribute("to", OnnxGraph.FloatType));
    }

    public override IEnumerable<EncodedColumn> Describe() => slots.Select(slot => new EncodedColumn(slot, EncodedColumnKind.Missing));

    public override string Tag => SectionTag;

    /// <inheritdoc cref="Tag"/>
    public const string SectionTag = "MISS";

    /// <summary>Writes int32 number of slots, and the int32 slots.</summary>
    public override void Write(BinaryWriter writer)
    {
        writer.Write(slots.Length);
        foreach (int slot in slots)
            writer.Write(slot);
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static MissingColumns Read(BinaryReader reader, int slots)
    {
        int[] missing = new int[reader.ReadCount("columns for missing values", 1, slots, sizeof(int))];
        for (int i = 0; i < missing.Length; i++)
        {
            missing[i] = reader.ReadInt32();
            if (missing[i] >= slots || missing[i] < (i == 0 ? 0 : missing[i - 1] + 1))
            {
                throw new NetworkFormatException(
                    CheckedBytes.Text($"Column {i} for missing values belongs to feature slot {missing[i]} of {slots}; slots must rise."));
            }
        }
        return new MissingColumns(missing);
    }

    /// <summary>
    /// Every slot that has had a missing value gets a column; not one that has had nothing else, where the column would be a constant.
    /// </summary>
    internal sealed class Learner : PartLearner
    {
        private readonly List<int> _slots = [];

        public override void Take(in SlotSample slot)
        {
            if (slot.Facts.Missing > 0 && !slot.IsEmpty && slot.Kind != SlotKind.Category)
                _slots.Add(slot.Slot);
        }

        public override EncodingPart? Create() => _slots.Count == 0 ? null : new MissingColumns([.. _slots]);
    }
}
