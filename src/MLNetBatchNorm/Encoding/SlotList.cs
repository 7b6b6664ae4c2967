using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>Rising numbers of slots, as bytes.</summary>
internal static class SlotList
{
    /// <summary>Reads int32 number of slots, at least one, and the int32 slots.</summary>
    /// <param name="reader">Where from.</param>
    /// <param name="what">What they are, for messages.</param>
    /// <param name="slots">Number of all slots.</param>
    /// <param name="bytesOfEach">Bytes that must be left for each.</param>
    /// <exception cref="NetworkFormatException">The slots do not rise, or there are none.</exception>
    public static int[] Read(BinaryReader reader, string what, int slots, int bytesOfEach)
    {
        var list = new int[reader.ReadCount(what, 1, slots, bytesOfEach)];
        for (int i = 0; i < list.Length; i++)
        {
            list[i] = reader.ReadInt32();
            if (list[i] < (i == 0 ? 0 : list[i - 1] + 1) || list[i] >= slots)
                throw new NetworkFormatException(CheckedBytes.Text($"Number {i} of {what} is slot {list[i]} of {slots}; slots must rise."));
        }
        return list;
    }
}
