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
        foreach ((int first, int count) in Among(slots, 0, numbers))
        {
            int raw = ranges?.RawSlotOf(first) ?? first;
            if ((ranges?.RawSlotOf(first + count - 1) ?? first + count - 1) == raw + count - 1)
            {
                float[] off = new float[count], on = new float[count];
                for (int place = 0; place < count; place++)
                    slots[first + place].HasTwoValues(out off[place], out on[place]);
                bool isPlain = !off.AsSpan().ContainsAnyExcept(0f) && !on.AsSpan().ContainsAnyExcept(1f);
                groups.Add(new CategoryRange(raw, count, isPlain ? null : off, isPlain ? null : on) { IsFound = true });
            }
        }
        return groups;
    }

    /// <summary>The groups among the slots from one to another, rising: first slot and number of slots.</summary>
    /// <remarks>
    /// They are set in as many rows together as there are, and in all of these (<see cref="SlotSummary.AllHashes"/>): one in each row. Both
    /// ends of what is looked at only rise, so that each slot is added once and taken away once, however many rows no group fills.
    /// </remarks>
    public static List<(int First, int Count)> Among(SlotSummary slots, int first, int end)
    {
        var groups = new List<(int First, int Count)>();
        int behind = first;
        long count = 0;
        ulong hashes = 0;
        while (first < end)
        {
            for (; behind < end && count < slots.Rows && IsOneOfTwo(slots[behind]); behind++)
                Add(behind, 1);
            // A lone slot that is set in every row would be constant.
            if (behind == first || count < slots.Rows)
            {
                // No group that begins before what ends this one has more rows.
                first = ++behind;
                (count, hashes) = (0, 0);
            }
            else if (count == slots.Rows && hashes == slots.AllHashes)
            {
                groups.Add((first, behind - first));
                first = behind;
                (count, hashes) = (0, 0);
            }
            else
                Add(first++, -1);
        }
        return groups;

        void Add(int slot, int sign)
        {
            (int rows, ulong hash) = slots[slot].RowsOn(slots.Rows, slots.AllHashes);
            count += sign * rows;
            hashes += sign < 0 ? 0 - hash : hash;
        }
    }

    private static bool IsOneOfTwo(SlotFacts facts) => facts.HasTwoValues(out _, out _) && facts.Missing == 0;
}
