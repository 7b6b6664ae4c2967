using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Encoding;

/// <summary>
/// Finds out from the rows how each slot is to be treated: from its own values and from the
/// number of slots alike, not from how rows are kept.
/// </summary>
internal static class SlotKinds
{
    /// <summary>So many slots of several values are quantities, however many zeros they hold.</summary>
    private const int FewSlots = 256;

    /// <summary>
    /// Among so many more, only those are that are not 0 in half of the rows; and none that are not above 1, as the weights of words are
    /// not: what is between 0 and 1 is scaled already.
    /// </summary>
    private const int ManySlots = 1024;
    private const double LargestShare = 0.5;
    private const double LargestShareOfFractions = 1.01;

    /// <summary>The kind of each slot.</summary>
    /// <param name="slots">All values.</param>
    /// <param name="categorical">Slots that are known to be indicators; empty: none.</param>
    /// <param name="scale">Whether slots may be scaled; if not, all pass unchanged.</param>
    public static SlotKind[] Of(SlotSummary slots, ReadOnlySpan<bool> categorical, bool scale)
    {
        var kinds = new SlotKind[slots.Inputs];
        if (!scale)
        {
            Array.Fill(kinds, SlotKind.Unchanged);
            return kinds;
        }
        int several = 0;
        for (int slot = 0; slot < kinds.Length; slot++)
        {
            kinds[slot] = slot >= slots.Numbers ? SlotKind.Category
                : !categorical.IsEmpty && categorical[slot] ? SlotKind.Indicator
                : slots[slot].HasTwoValues(out _, out _) ? SlotKind.TwoValues
                : SlotKind.Numeric;
            if (kinds[slot] == SlotKind.Numeric && !slots[slot].IsConstant)
                several++;
        }
        // Words among few numbers, a number among many words: the more slots, the more rows one has to say something about. Nothing jumps.
        double crowd = Math.Clamp((several - FewSlots) / (double)ManySlots, 0, 1);
        for (int slot = 0; slot < kinds.Length; slot++)
        {
            double share = crowd * (slots[slot].Largest > 1 ? LargestShare : LargestShareOfFractions);
            if (kinds[slot] == SlotKind.Numeric && slots[slot].NonZero < share * slots.Rows)
                kinds[slot] = SlotKind.Sparse;
        }
        foreach ((int first, int count) in Groups(slots, kinds))
            kinds.AsSpan(first, count).Fill(SlotKind.OneOfGroup);
        return kinds;
    }

    /// <summary>Number of quantities.</summary>
    public static int CountNumeric(ReadOnlySpan<SlotKind> kinds, SlotSummary slots)
    {
        int count = 0;
        for (int slot = 0; slot < kinds.Length; slot++)
            count += kinds[slot] == SlotKind.Numeric && !slots[slot].IsConstant ? 1 : 0;
        return count;
    }

    /// <summary>Neighbours of which exactly one is set in each row.</summary>
    /// <returns>First slot and number of slots of each such group, rising.</returns>
    public static IReadOnlyList<(int First, int Count)> Groups(SlotSummary slots, ReadOnlySpan<SlotKind> kinds)
    {
        List<(int First, int Count)> groups = [];
        for (int first = 0; first < kinds.Length;)
        {
            int end = first;
            while (end < kinds.Length && IsOneOfTwo(kinds[end]))
                end++;
            int count = SlotGroups.CountFrom(slots, first, end);
            if (count > 0)
                groups.Add((first, count));
            first += Math.Max(1, count);
        }
        return groups;
    }

    private static bool IsOneOfTwo(SlotKind kind) => kind is SlotKind.TwoValues or SlotKind.OneOfGroup;
}
