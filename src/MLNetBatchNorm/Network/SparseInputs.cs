namespace MLNetBatchNorm.Network;

/// <summary>What counts as a wide sparse input.</summary>
internal static class SparseInputs
{
    /// <summary>Fewest slots of rows that are kept sparse: below, whole rows are small and the dense kernels faster.</summary>
    public const int FewestSlots = 1024;

    /// <summary>Largest share of entries of sparse rows: from here on the dense kernels, which do not look up columns, are faster.</summary>
    public const double LargestShare = 0.2;

    /// <summary>Whether rows of so many slots are worth keeping sparse.</summary>
    public static bool AreWide(int slots) => slots >= FewestSlots;

    /// <summary>Whether a row is sparse enough to speak for a sparse table.</summary>
    public static bool AreSparse(int entries, int slots) => AreWide(slots) && entries <= LargestShare * slots;

    // Most slots at which the default hidden layers stay as they are: 256 units come to 16.8 million weights there.
    private const int MostSlotsOfWideLayers = 1 << 16;

    /// <summary>
    /// The default hidden layers of a network that reads sparse rows of so many slots: where these are very many, one narrow layer, 32 units, or 16 above a
    /// million slots. Such rows are near to linearly separable and there are more weights than entries, so that more units and a second layer
    /// only cost time and accuracy: the experiment is in docs/large-data.md.
    /// </summary>
    public static int[] Narrow(int[] hiddenUnits, int slots) => slots <= MostSlotsOfWideLayers ? hiddenUnits : [slots <= 1 << 20 ? 32 : 16];
}
