using System.Collections;

namespace MLNetBatchNorm;

/// <summary>
/// A list whose items are made when they are asked for, each time anew: of hundreds of thousands of slots a reader mostly wants a few.
/// </summary>
/// <param name="count">Number of items.</param>
/// <param name="item">Makes the item of a number.</param>
internal sealed class IndexedList<T>(int count, Func<int, T> item) : IReadOnlyList<T>
{
    public int Count => count;

    public T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)count, nameof(index));
            return item(index);
        }
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (int i = 0; i < count; i++)
            yield return item(i);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
