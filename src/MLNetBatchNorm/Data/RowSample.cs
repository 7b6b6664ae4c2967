using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Data;

/// <summary>
/// A sample of rows that pass one by one, in which every row has the same chance: reservoir sampling (Vitter 1985, algorithm R).
/// </summary>
/// <remarks>Rows in any order, sorted or in turns, give a fair sample; the first rows are all in it until it is full.</remarks>
/// <param name="size">Rows of a full sample.</param>
/// <param name="seed">Chooses them.</param>
internal struct RowSample(int size, ulong seed)
{
    private RandomStream _random = new(seed, RandomPurpose.QuantileSample);

    /// <summary>Rows of a full sample.</summary>
    public readonly int Size => size;

    /// <summary>
    /// The place that a row takes in the sample, from which it may drive out another; negative: none. To be asked of each row in order.
    /// </summary>
    public int PlaceOf(int row)
    {
        if (row < size)
            return row;
        int place = _random.Next(row + 1);
        return place < size ? place : -1;
    }
}
