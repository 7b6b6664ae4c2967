namespace MLNetBatchNorm.Data;

/// <summary>Finds categories that do not say so: neighbouring slots of two values of which every row has exactly one set.</summary>
internal static class SlotGroups
{
    /// <summary>The groups, by their raw slots.</summary>
    /// <param name="slots">What is known of all rows.</param>
    /// <param name="ranges">The categories that are known; null: none.</param>
    public static List<CategoryRange> Find(SlotSummary slots, CategoryRanges? ranges)
    {
        var groups = new List<CategoryRange>();
        int numbers = slots.Numbers;
        for (int first = 0; first < numbers;)
        {
            int count = CountFrom(slots, first, numbers);
            int raw = ranges?.RawSlotOf(first) ?? first;
            if (count > 0 && (ranges?.RawSlotOf(first + count - 1) ?? first + count - 1) == raw + count - 1)
            {
                float[] off = new float[count], on = new float[count];
                for (int place = 0; place < count; place++)
                    slots[first + place].HasTwoValues(out off[place], out on[place]);
                bool isPlain = !off.AsSpan().ContainsAnyExcept(0f) && !on.AsSpan().ContainsAnyExcept(1f);
                groups.Add(isPlain ? new CategoryRange(raw, count) : new CategoryRange(raw, count, off, on));
            }
            first += Math.Max(1, count);
        }
        return groups;
    }

    /// <summary>Number of slots of the group that begins with a slot; 0: none does.</summary>
    /// <remarks>
    /// They are set in as many rows together as there are, and in all of these (<see cref="SlotSummary.AllHashes"/>): one in each row.
    /// </remarks>
    public static int CountFrom(SlotSummary slots, int first, int end)
    {
        long count = 0;
        ulong hashes = 0;
        for (int slot = first; slot < end; slot++)
        {
            SlotFacts facts = slots[slot];
            if (!facts.HasTwoValues(out _, out _) || facts.Missing > 0)
                return 0;
            (int rows, ulong hash) = facts.RowsOn(slots.Rows, slots.AllHashes);
            count += rows;
            hashes += hash;
            // A lone slot that is set in every row would be constant.
            if (count >= slots.Rows)
                return count == slots.Rows && hashes == slots.AllHashes ? slot + 1 - first : 0;
        }
        return 0;
    }
}
