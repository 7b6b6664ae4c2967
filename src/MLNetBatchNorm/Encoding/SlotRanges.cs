using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Encoding;

/// <summary>Runs of slots that are one column of the table: the categories of a one-hot column.</summary>
internal sealed class SlotRanges
{
    private readonly int[] _firsts;
    private readonly int[] _counts;

    private SlotRanges(int[] firsts, int[] counts)
    {
        _firsts = firsts;
        _counts = counts;
    }

    /// <summary>Number of ranges.</summary>
    public int Count => _firsts.Length;

    /// <summary>First slot and number of slots of a range.</summary>
    public (int First, int Count) this[int range] => (_firsts[range], _counts[range]);

    /// <summary>Ranges that rise and do not overlap; of several that do, the first.</summary>
    /// <returns>The ranges; null if there are none.</returns>
    public static SlotRanges? Create(IEnumerable<(int First, int Count)> ranges)
    {
        List<int> firsts = [], counts = [];
        int end = 0;
        foreach ((int first, int count) in ranges.OrderBy(range => range.First))
        {
            if (first < end)
                continue;
            firsts.Add(first);
            counts.Add(count);
            end = first + count;
        }

        return firsts.Count == 0 ? null : new SlotRanges([.. firsts], [.. counts]);
    }

    /// <summary>Writes int32 number of ranges, and for each: int32 first slot, int32 number of slots.</summary>
    public void Write(BinaryWriter writer)
    {
        writer.Write(Count);
        for (int range = 0; range < Count; range++)
        {
            writer.Write(_firsts[range]);
            writer.Write(_counts[range]);
        }
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <param name="reader">Where.</param>
    /// <param name="slots">Number of slots.</param>
    /// <exception cref="NetworkFormatException">A range is empty, out of order, or has slots that there are not.</exception>
    public static SlotRanges Read(BinaryReader reader, int slots)
    {
        int[] firsts = new int[reader.ReadCount("ranges of feature slots", 1, slots, 2 * sizeof(int))], counts = new int[firsts.Length];
        long end = 0;
        for (int range = 0; range < firsts.Length; range++)
        {
            int first = reader.ReadInt32(), count = reader.ReadInt32();
            if (first < end || count < 1 || (long)first + count > slots)
            {
                throw new NetworkFormatException(CheckedBytes.Text(
                    $"Range {range} has {count} feature slots from {first} on; ranges must rise within the {slots} slots."));
            }
            (firsts[range], counts[range]) = (first, count);
            end = (long)first + count;
        }

        return new SlotRanges(firsts, counts);
    }
}
