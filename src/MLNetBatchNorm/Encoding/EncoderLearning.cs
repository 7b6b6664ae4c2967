using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// Learns an <see cref="InputEncoder"/> from raw training rows: reads each slot once and shows it to the learner of every part.
/// </summary>
internal static class EncoderLearning
{
    /// <summary>
    /// Values sorted in all columns together, so that very wide tables stay cheap; no column gets fewer than <see cref="MinimumSample"/>.
    /// </summary>
    private const long MaximumTotalSample = 50_000_000;
    private const int MinimumSample = 1_000;

    /// <summary>Learns from rows wherever they are kept: facts of all of them, quantiles of some.</summary>
    /// <param name="rows">Rows before encoding; NaN marks a missing value.</param>
    /// <param name="kinds">How each slot is to be treated.</param>
    /// <param name="piecesPerSlot">Pieces of a numeric slot at most; 0: none.</param>
    public static InputEncoder Learn(RowStore rows, ReadOnlySpan<SlotKind> kinds, int piecesPerSlot = 0)
    {
        SlotSummary slots = rows.Slots;
        CategoryRanges? ranges = rows.Shape.Ranges;
        // In the order of their columns: what can be rows of a table behind all others, but for what is projected.
        int numeric = SlotKinds.CountNumeric(kinds, slots);
        PartLearner[] learners =
        [
            new ScaleAndClip.Learner(slots.Numbers), new MissingColumns.Learner(), new Categories.Learner(ranges, isNarrow: false),
            new Pieces.Learner(piecesPerSlot, numeric), new Categories.Learner(ranges, isNarrow: true),
            new SparseSlots.Learner(),
        ];
        SlotValues? values = null;
        for (int slot = 0; slot < slots.Inputs; slot++)
        {
            SlotKind kind = kinds[slot];
            if (kind == SlotKind.Numeric)
                values ??= new SlotValues(rows, numeric);
            var sample = new SlotSample
            {
                Slot = slot, Kind = kind, Rows = slots.Rows, Facts = slots[slot],
                Sorted = kind == SlotKind.Numeric ? values!.Sorted(slot) : [],
                Categories = kind == SlotKind.Category ? slots.CategoriesOf(slot - slots.Numbers) : [],
            };
            foreach (PartLearner learner in learners)
                learner.Take(sample);
        }
        EncodingPart[] parts = [.. learners.Select(learner => learner.Create()).OfType<EncodingPart>()];
        return new InputEncoder(rows.Shape.RawInputs, parts, ranges);
    }

    /// <summary>The same with what the values say of the slots themselves.</summary>
    public static InputEncoder Learn(RowStore rows, int piecesPerSlot = 0) =>
        Learn(rows, SlotKinds.Of(rows.Slots, [], scale: true), piecesPerSlot);

    /// <summary>Values of one slot after the other, in one memory.</summary>
    private sealed class SlotValues
    {
        private readonly TableRows _sample;
        private readonly float[] _values;

        public SlotValues(RowStore rows, int slots)
        {
            _sample = rows.Sample((int)Math.Clamp(MaximumTotalSample / Math.Max(1, slots), MinimumSample, RowStore.LargestSample));
            _values = new float[_sample.Count];
        }

        public ReadOnlySpan<float> Sorted(int slot)
        {
            int count = 0;
            foreach (int row in _sample.Rows)
            {
                float value = _sample.Table.Value(row, slot);
                if (!float.IsNaN(value))
                    _values[count++] = value;
            }
            Span<float> sorted = _values.AsSpan(0, count);
            sorted.Sort();
            return sorted;
        }
    }
}
