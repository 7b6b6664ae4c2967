using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Training;

/// <summary>
/// Whether nearly all rows are alike, such as rows that are empty but for a flag that is hardly ever set: then no column varies in some
/// mini-batches.
/// </summary>
/// <remarks>
/// Such a batch says nothing of a column's scale. A running variance that takes its 0 for one is next to nothing after some of them, and a
/// row that is not like the others, normalized by about its own batch's deviation in training, is magnified by up to
/// <c>1 / sqrt(epsilon)</c>, 316, in prediction: of labels in [10, 12] it said -1,900. Where columns vary in each batch there is no
/// difference, and a column that is constant for another reason, such as a unit that is off, counts as it does elsewhere.
/// </remarks>
internal static class RareRows
{
    /// <summary>
    /// With so many values a batch that are not the usual one of their slot, spread at random, one batch in twenty (exp(-3)) has none.
    /// </summary>
    private const double FewValues = 3;

    /// <summary>Whether there are batches in which nothing varies.</summary>
    /// <param name="slots">What is known of the rows.</param>
    /// <param name="batchSize">Rows that are normalized together: those of a mini-batch, or of a virtual one.</param>
    public static bool Are(SlotSummary slots, int batchSize)
    {
        double most = FewValues * slots.Rows / batchSize, unusual = 0;
        for (int slot = 0; slot < slots.Inputs && unusual <= most; slot++)
            unusual += Unusual(slots, slot);
        return unusual <= most;
    }

    /// <summary>Rows that do not hold the value that most rows do, as far as that is known: missing, 0, or one of two.</summary>
    private static int Unusual(SlotSummary slots, int slot)
    {
        SlotFacts facts = slots[slot];
        int known = slots.Rows - facts.Missing;
        if (slot >= slots.Numbers)
            return slots.Rows - Math.Max(facts.Missing, slots.CategoriesOf(slot - slots.Numbers).Max());
        if (facts.IsConstant)
            return Math.Min(known, facts.Missing);
        int usual = Math.Max(facts.Missing, known - facts.NonZero);
        if (facts.HasTwoValues(out _, out _))
        {
            int on = facts.RowsOn(slots.Rows, slots.AllHashes).Count;
            usual = Math.Max(usual, Math.Max(on, known - on));
        }

        return slots.Rows - usual;
    }
}
