namespace MLNetBatchNorm.Network;

/// <summary>What counts as a wide sparse input.</summary>
internal static class SparseInputs
{
    // Most slots at which the default hidden layers stay as they are: 256 units come to 16.8 million weights there.
    private const int MostSlotsOfWideLayers = 1 << 16;

    /// <summary>
    /// The default hidden layers of a network that reads sparse rows of so many slots: where these are very many, one narrow layer, 32
    /// units, or 16 above a million slots. Such rows are near to linearly separable and there are more weights than entries, so that more
    /// units and a second layer only cost time and accuracy: the experiment is in docs/large-data.md.
    /// </summary>
    public static int[] Narrow(int[] hiddenUnits, int slots) => slots <= MostSlotsOfWideLayers ? hiddenUnits : [slots <= 1 << 20 ? 32 : 16];
}
