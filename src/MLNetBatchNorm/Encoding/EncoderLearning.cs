using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>Learns an <see cref="InputEncoder"/> from raw training rows: reads each slot once and shows it to the learner of every part.</summary>
internal static class EncoderLearning
{
    /// <summary>Values sorted in all columns together, so that very wide tables stay cheap; no column gets fewer than <see cref="MinimumSample"/>.</summary>
    private const long MaximumTotalSample = 50_000_000;
    private const int MinimumSample = 1_000;

    /// <summary>Learns from rows in memory.</summary>
    /// <param name="raw">Rows before encoding; NaN marks a missing value.</param>
    /// <param name="indicatorSlots">One mark for each slot, or empty: none is an indicator. Of dense rows only.</param>
    /// <param name="piecesPerSlot">Pieces of a numeric slot at most; 0: none.</param>
    /// <param name="scale">Whether slots may be scaled at all.</param>
    public static InputEncoder Learn(TrainingData raw, ReadOnlySpan<bool> indicatorSlots = default, int piecesPerSlot = 0, bool scale = true) =>
        Learn(raw, SlotSummary.Of(raw.Table, raw.Rows), indicatorSlots, piecesPerSlot, scale);

    /// <summary>The same for rows that are not all in memory: quantiles of a sample, ranges of all rows.</summary>
    /// <param name="sample">Some of the rows; not read where <paramref name="slots"/> is of sparse rows.</param>
    /// <param name="slots">Ranges of all rows.</param>
    /// <param name="indicatorSlots">As above.</param>
    /// <param name="piecesPerSlot">As above.</param>
    /// <param name="scale">As above.</param>
    public static InputEncoder Learn(TrainingData? sample, SlotSummary slots, ReadOnlySpan<bool> indicatorSlots, int piecesPerSlot, bool scale = true)
    {
        // In the order of their columns.
        PartLearner[] learners = [new ScaleAndClip.Learner(slots.Inputs), new MissingColumns.Learner(), new Pieces.Learner(piecesPerSlot)];
        var values = new SlotValues(slots.IsSparse ? null : sample, slots.Inputs);
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
                    Slot = slot, Kind = kind, HasMissing = slots.IsMissing(slot), Sorted = values.Sorted(slot),
                    Minimum = slots.Minimum[slot], Maximum = slots.Maximum[slot],
                },
            };
            foreach (PartLearner learner in learners)
                learner.Take(known);
        }
        return new InputEncoder(slots.Inputs, [.. learners.Select(learner => learner.Create()).OfType<EncodingPart>()]);
    }

    /// <summary>Values of one slot after the other, in one memory.</summary>
    private sealed class SlotValues(TrainingData? rows, int slots)
    {
        private readonly float[] _values =
            new float[Math.Min(rows?.Count ?? 0, Math.Clamp(MaximumTotalSample / slots, MinimumSample, RowCollector.LargestSample))];

        public ReadOnlySpan<float> Sorted(int slot)
        {
            int count = 0;
            for (int i = 0; i < _values.Length; i++)
            {
                float value = rows!.Table.Features(rows.Rows[(int)((long)i * rows.Count / _values.Length)])[slot];
                if (!float.IsNaN(value))
                    _values[count++] = value;
            }
            Span<float> sorted = _values.AsSpan(0, count);
            sorted.Sort();
            return sorted;
        }
    }
}
