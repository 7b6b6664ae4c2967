namespace MLNetBatchNorm.Encoding;

/// <summary>Into how many pieces numeric slots are cut, which share a number of pieces where there are many.</summary>
/// <param name="MostOfSlot">Pieces of a slot at most.</param>
/// <param name="MostOfAll">Pieces of all slots together at most.</param>
/// <param name="Fewest">Fewer are none.</param>
internal readonly record struct PieceRule(int MostOfSlot, long MostOfAll = long.MaxValue, int Fewest = 0)
{
    /// <summary>Pieces of each of so many slots.</summary>
    public int Of(int numericSlots)
    {
        int fitting = (int)Math.Min(MostOfSlot, MostOfAll / Math.Max(1, numericSlots));
        return fitting < Fewest ? 0 : fitting;
    }
}
