using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>Learns an <see cref="InputEncoder"/> from raw training rows: reads each slot once and shows it to the learner of every part.</summary>
internal static class EncoderLearning
{
    /// <summary>Values sorted in all columns together, so that very wide tables stay cheap; no column gets fewer than <see cref="MinimumSample"/>.</summary>
    private const long MaximumTotalSample = 50_000_000;
    private const int MinimumSample = 1_000;

    /// <summary>Learns from rows wherever they are kept: ranges of all of them, quantiles of some.</summary>
    /// <param name="rows">Rows before encoding; NaN marks a missing value.</param>
    /// <param name="indicatorSlots">One mark for each slot, or empty: none is an indicator.</param>
    /// <param name="piecesPerSlot">Pieces of a numeric slot at most; 0: none.</param>
    /// <param name="scale">Whether slots may be scaled at all.</param>
    public static InputEncoder Learn(RowStore rows, ReadOnlySpan<bool> indicatorSlots = default, int piecesPerSlot = 0, bool scale = true)
    {
        SlotSummary slots = rows.Slots;
        // In the order of their columns.
        PartLearner[] learners = [new ScaleAndClip.Learner(slots.Inputs), new MissingColumns.Learner(), new Pieces.Learner(piecesPerSlot)];
        SlotValues? values = slots.IsSparse ? null : new SlotValues(rows);
        for (int slot = 0; slot < slots.Inputs; slot++)
        {
            SlotKind kind = !scale || (!indicatorSlots.IsEmpty && indicatorSlots[slot]) ? SlotKind.Indicator
                : slots.IsSparse ? SlotKind.Sparse
                : SlotKind.Numeric;
            SlotSample known = kind switch
            {
                SlotKind.Indicator => new SlotSample { Slot = slot, Kind = kind, HasMissing = slots.IsMissing(slot) },
                SlotKind.Sparse => new SlotSample { Slot = slot, Kind = kind, HasMissing = slots.IsMissing(slot), Largest = slots.Largest[slot] },
                _ => new SlotSample
                {
                    Slot = slot, Kind = kind, HasMissing = slots.IsMissing(slot), Sorted = values!.Sorted(slot),
                    Minimum = slots.Minimum[slot], Maximum = slots.Maximum[slot],
                },
            };
            foreach (PartLearner learner in learners)
                learner.Take(known);
        }
        return new InputEncoder(slots.Inputs, [.. learners.Select(learner => learner.Create()).OfType<EncodingPart>()]);
    }

    /// <summary>Values of one slot after the other, in one memory.</summary>
    private sealed class SlotValues
    {
        private readonly TableRows _sample;
        private readonly float[] _values;

        public SlotValues(RowStore rows)
        {
            _sample = rows.Sample((int)Math.Clamp(MaximumTotalSample / rows.Shape.Inputs, MinimumSample, RowStore.LargestSample));
            _values = new float[_sample.Count];
        }

        public ReadOnlySpan<float> Sorted(int slot)
        {
            int count = 0;
            foreach (int row in _sample.Rows)
            {
                float value = _sample.Table.Features(row)[slot];
                if (!float.IsNaN(value))
                    _values[count++] = value;
            }
            Span<float> sorted = _values.AsSpan(0, count);
            sorted.Sort();
            return sorted;
        }
    }
}
