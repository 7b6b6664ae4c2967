namespace MLNetBatchNorm.Kernels;

/// <summary>A slot's rows in the trained weights: first its pieces, then plain rows (a missing value, categories).</summary>
/// <param name="FirstWeight">Row of the weights that it begins with; it has Pieces + PlainRows of them.</param>
/// <param name="Pieces">Pieces of a numeric value, each a weight by which the sum rises from one border to the next; 0 for none.</param>
/// <param name="PlainRows">Rows that are the same in weights and table.</param>
internal readonly record struct TableSlot(int FirstWeight, int Pieces, int PlainRows)
{
    public int WeightRows => Pieces + PlainRows;

    /// <summary>The borders of the pieces, one more than the pieces, and the plain rows.</summary>
    public int TableRows => (Pieces > 0 ? Pieces + 1 : 0) + PlainRows;
}
