namespace MLNetBatchNorm.Data;

/// <summary>Whether rows are kept sparse or dense: a question of memory and speed, not of what is learned from them.</summary>
internal static class RowForm
{
    /// <summary>Fewest slots of rows that are kept sparse: below, whole rows are small and the dense kernels faster.</summary>
    public const int FewestSlots = 1024;

    /// <summary>
    /// Largest share of entries of sparse rows: from here on the dense kernels, which do not look up columns, are faster.
    /// </summary>
    public const double LargestShare = 0.2;

    /// <summary>Rows from which the form of all is chosen.</summary>
    public const int RowsThatDecide = 1000;

    /// <summary>Whether rows of so many slots are worth keeping sparse.</summary>
    public static bool AreWide(int slots) => slots >= FewestSlots;

    /// <summary>Whether rows of so many entries on average are sparse.</summary>
    public static bool AreSparse(double entries, int slots) => AreWide(slots) && entries <= LargestShare * slots;
}
