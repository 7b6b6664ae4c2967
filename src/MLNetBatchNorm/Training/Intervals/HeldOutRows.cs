using MLNetBatchNorm.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Training;

/// <summary>Which rows are kept out of the choice of the best epoch, so that the errors on them are those on rows never seen.</summary>
/// <remarks>
/// A row, or its whole group, is kept back in every network or in none: half of those that a network sets aside choose its epoch, the other
/// half are measured. Decided by a hash of the seed, so that it is the same in memory and in a file.
/// </remarks>
/// <param name="seed">Decides which.</param>
/// <param name="groups">Which rows belong together; null: each is alone.</param>
internal sealed class HeldOutRows(ulong seed, RowGroups? groups)
{
    private readonly ulong _key = RandomStream.Mix(seed ^ RandomStream.Mix(RandomPurpose.KeptBack));

    /// <summary>Parts a network's validation rows into those that choose its epoch and those that are kept back.</summary>
    public (TableRows Choosing, TableRows KeptBack) Part(TableRows validation)
    {
        ReadOnlySpan<int> numbers = validation.Numbers;
        var choosing = new List<int>();
        var keptBack = new List<int>();
        var keptBackNumbers = new List<int>();
        for (int i = 0; i < validation.Count; i++)
        {
            if ((HashOf(numbers[i]) & 1) == 0)
            {
                choosing.Add(validation.Rows[i]);
                continue;
            }
            keptBack.Add(validation.Rows[i]);
            keptBackNumbers.Add(numbers[i]);
        }

        return (
            new TableRows(validation.Table, [.. choosing]),
            new TableRows(validation.Table, [.. keptBack]) { NumbersInStore = () => [.. keptBackNumbers] });
    }

    /// <summary>
    /// Whether a row that is kept back judges trials where errors are measured too: those that chose the model are not to measure it.
    /// </summary>
    public bool Judges(int row) => (HashOf(row) & 2) == 0;

    /// <summary>Random bits of a row, the same for all rows of a group. The lowest one says whether it is kept back.</summary>
    public ulong HashOf(int row) => RandomStream.Mix(_key + (groups?.Of(row) ?? (ulong)row) * 0x9E3779B97F4A7C15);
}
