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

    /// <summary>What holds two values is one of very many words, and not a question of its own, in so many rows at most.</summary>
    private const double LargestShareOfRare = 1.0 / 8;

    /// <summary>The kind of each slot.</summary>
    /// <param name="slots">All values.</param>
    /// <param name="categorical">Slots that are known to be indicators; empty: none.</param>
    /// <param name="scale">Whether slots may be scaled; if not, all pass unchanged.</param>
    /// <param name="projects">Whether very many slots of which rows have few may enter through a projection.</param>
    public static SlotKind[] Of(SlotSummary slots, ReadOnlySpan<bool> categorical, bool scale, bool projects = false)
    {
        var kinds = new SlotKind[slots.Inputs];
        if (scale)
            FillScaled(kinds, slots, categorical);
        else
            Array.Fill(kinds, SlotKind.Unchanged);
        if (projects && slots.Numbers > SparseSlots.MostDirect)
            Project(kinds, slots);
        return kinds;
    }

    private static void FillScaled(SlotKind[] kinds, SlotSummary slots, ReadOnlySpan<bool> categorical)
    {
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
        double crowd = CrowdOf(several);
        for (int slot = 0; slot < kinds.Length; slot++)
        {
            double share = crowd * (slots[slot].Largest > 1 ? LargestShare : LargestShareOfFractions);
            if (kinds[slot] == SlotKind.Numeric && slots[slot].NonZero < share * slots.Rows)
                kinds[slot] = SlotKind.Sparse;
        }
        foreach ((int first, int count) in Groups(slots, kinds))
            kinds.AsSpan(first, count).Fill(SlotKind.OneOfGroup);
        FindRareWords(kinds, slots, several);
    }

    /// <summary>
    /// A word that one text has, or that has the same weight in two, holds two values by chance: brought to 0 and 1 it would weigh many
    /// times as much as its neighbours. So among many slots of which rows have few, it is one of them; the more there are, the more rows
    /// may have it.
    /// </summary>
    private static void FindRareWords(SlotKind[] kinds, SlotSummary slots, int several)
    {
        bool IsRare(int slot, double share) =>
            kinds[slot] == SlotKind.TwoValues && slots[slot].HasZero && slots[slot].NonZero <= share * slots.Rows;
        int rare = 0;
        for (int slot = 0; slot < kinds.Length; slot++)
            rare += IsRare(slot, LargestShareOfRare) ? 1 : 0;
        double crowd = CrowdOf(several + rare);
        for (int slot = 0; slot < kinds.Length; slot++)
        {
            if (IsRare(slot, crowd * LargestShareOfRare))
                kinds[slot] = SlotKind.Sparse;
        }
    }

    private static double CrowdOf(int slots) => Math.Clamp((slots - FewSlots) / (double)ManySlots, 0, 1);

    /// <summary>
    /// Very many slots of which a row has few, in whatever way they are known, are projected, and those that are always 0 not used.
    /// </summary>
    private static void Project(SlotKind[] kinds, SlotSummary slots)
    {
        var projected = new bool[slots.Numbers];
        int count = 0;
        double entries = 0;
        for (int slot = 0; slot < projected.Length; slot++)
        {
            SlotFacts facts = slots[slot];
            double most = kinds[slot] switch
            {
                SlotKind.Sparse => 1,
                SlotKind.Unchanged => LargestShare,
                SlotKind.Indicator => LargestShareOfRare,
                // A word that a single text has holds two values by chance.
                SlotKind.TwoValues when facts.HasZero => LargestShareOfRare,
                _ => 0,
            };
            projected[slot] = facts.Missing == 0 && facts.NonZero > 0 && facts.NonZero <= most * slots.Rows;
            if (facts.Missing == 0 && facts.NonZero == 0)
                kinds[slot] = SlotKind.Unused;
            if (!projected[slot])
                continue;
            count++;
            entries += facts.NonZero;
        }
        // Of a table of zeros something has to be left.
        if (Array.TrueForAll(kinds, kind => kind == SlotKind.Unused))
            kinds[0] = SlotKind.Numeric;
        if (count <= SparseSlots.MostDirect || entries / slots.Rows > RowForm.LargestShare * count)
            return;
        for (int slot = 0; slot < projected.Length; slot++)
        {
            if (projected[slot])
                kinds[slot] = kinds[slot] == SlotKind.Unchanged ? SlotKind.ProjectedUnchanged : SlotKind.Projected;
        }
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
            groups.AddRange(SlotGroups.Among(slots, first, end));
            first = end + 1;
        }
        return groups;
    }

    private static bool IsOneOfTwo(SlotKind kind) => kind is SlotKind.TwoValues or SlotKind.OneOfGroup;
}
