namespace MLNetBatchNorm.Network;

/// <summary>Columns that enter the first linear map through a projection.</summary>
/// <param name="Columns">Number of the columns.</param>
/// <param name="Units">Numbers that they are projected to.</param>
/// <param name="EntryDropout">Probability that an entry is left out in training.</param>
internal readonly record struct ProjectionShape(int Columns, int Units, double EntryDropout)
{
    /// <summary>Weights of the projection.</summary>
    public long Weights => (long)Columns * Units;
}
