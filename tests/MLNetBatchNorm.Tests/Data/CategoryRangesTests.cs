using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>A row with categories is kept as numbers, the same however it comes, and can be had back.</summary>
[TestClass]
public sealed class CategoryRangesTests
{
    /// <summary>
    /// Slots 0 | 1-3 | 4 5 | 6 7, off -1 and on 2 | 8 9, on 5 | 10: numbers in front, between and behind, two ranges in a row.
    /// </summary>
    private static readonly CategoryRanges s_ranges = new(
        11, [new CategoryRange(1, 3), new CategoryRange(6, 2, [-1, -1], [2, 2]), new CategoryRange(8, 2, [0, 0], [5, 5])]);

    [TestMethod]
    public void Find_AndRawSlotOf_AreInverse()
    {
        CollectionAssert.AreEqual(
            new[] { 0, 4, 5, 10 }, Enumerable.Range(0, s_ranges.Numbers).Select(s_ranges.RawSlotOf).ToArray());
        int[] ranges = [-1, 0, 0, 0, -1, -1, 1, 1, 2, 2, -1], slots = [0, 4, 4, 4, 1, 2, 5, 5, 6, 6, 3];
        for (int raw = 0; raw < 11; raw++)
            Assert.AreEqual((ranges[raw], slots[raw]), s_ranges.Find(raw), $"slot {raw}");
        Assert.AreEqual(7, s_ranges.Slots);
    }

    public static IEnumerable<object[]> Rows =>
    [
        [new float[] { 7, 0, 1, 0, 8, 0, -1, 2, 5, 0, 9 }, new float[] { 7, 8, 0, 9, 2, 2, 1 }, -1],
        [new float[] { 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0 }, new float[] { 0, 0, 0, 0, 0, 0, 0 }, -1],
        [new float[] { 0, 0, 0, 1, 0, 3, 2, -1, 0, 5, 0 }, new float[] { 0, 0, 3, 0, 3, 1, 2 }, -1],
        [new float[] { 1, 1, 1, 0, 0, 0, -1, 2, 0, 0, 0 }, new float[] { 1, 0, 0, 0, float.NaN, 2, 0 }, 0],
        [new float[] { 1, 0, 0.5f, 0, 0, 0, -1, 2, 0, 0, 0 }, new float[] { 1, 0, 0, 0, float.NaN, 2, 0 }, 0],
        [new float[] { 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0 }, new float[] { 1, 0, 0, 0, 0, float.NaN, float.NaN }, 1],
        [new float[] { 1, float.NaN, 1, 0, 0, 0, float.NaN, -1, 5, 0, float.NaN }, new float[] { 1, 0, 0, float.NaN, 0, 0, 1 }, 0],
        [new float[] { 1, 0, 0, float.NaN, 0, 0, float.NaN, -1, 5, 0, 9 }, new float[] { 1, 0, 0, 9, 0, 0, 1 }, -1],
        [new float[] { 1, 0, 0, float.NaN, 0, 0, float.NaN, 2, 5, 0, 9 }, new float[] { 1, 0, 0, 9, 0, 0, 1 }, 1],
        [new float[] { 1, 0, 0, float.NaN, 0, 0, 0, float.NaN, 0, 0, 9 }, new float[] { 1, 0, 0, 9, 0, 0, 0 }, 1],
    ];

    [TestMethod]
    [DynamicData(nameof(Rows))]
    public void Keep_Row_IsNumbersAndThenCategories(float[] raw, float[] expected, int failed)
    {
        float[] kept = new float[s_ranges.Slots], dense = new float[s_ranges.Slots], sparse = new float[s_ranges.Slots];
        Assert.AreEqual(failed, s_ranges.Keep(raw, kept));
        CollectionAssert.AreEqual(expected, kept);

        int[] indices = [.. Enumerable.Range(0, raw.Length).Where(slot => raw[slot] != 0)];
        float[] values = [.. indices.Select(slot => raw[slot])];
        Array.Fill(dense, 77);
        Assert.AreEqual(failed, s_ranges.KeepDense(indices, values, dense));
        CollectionAssert.AreEqual(expected, dense);

        int[] keptIndices = new int[indices.Length + s_ranges.Count];
        float[] keptValues = new float[keptIndices.Length];
        Assert.AreEqual(failed, s_ranges.KeepSparse(indices, values, keptIndices, keptValues, out int count));
        for (int i = 0; i < count; i++)
        {
            Assert.IsTrue(i == 0 || keptIndices[i] > keptIndices[i - 1]);
            sparse[keptIndices[i]] = keptValues[i];
        }
        CollectionAssert.AreEqual(expected, sparse);
        if (failed >= 0 || raw.Any(float.IsNaN))
            return;
        int[] rawIndices = new int[s_ranges.RawEntries(count)];
        float[] rawValues = new float[rawIndices.Length], restored = new float[raw.Length];
        int entries = s_ranges.RestoreSparse(keptIndices.AsSpan(0, count), keptValues.AsSpan(0, count), rawIndices, rawValues);
        for (int i = 0; i < entries; i++)
            restored[rawIndices[i]] = rawValues[i];
        CollectionAssert.AreEqual(raw, restored);
    }

    /// <summary>
    /// A range that only the rows so far make one is kept as a number as long as no slot of it is missing, also where no other is set; and
    /// of one in which only some slots are 0 where they are not set, sparse rows leave these out.
    /// </summary>
    [TestMethod]
    [DataRow(2f, 0f, 1f, -1)]
    [DataRow(-1f, 1f, 2f, -1)]
    [DataRow(-1f, 0f, 0f, -1)]
    [DataRow(0f, 0f, float.NaN, 0)]
    [DataRow(2f, 1f, float.NaN, 0)]
    [DataRow(float.NaN, 0f, 0f, 0)]
    [DataRow(float.NaN, 1f, 0f, 0)]
    [DataRow(-1f, float.NaN, 0f, 0)]
    public void Keep_RangeThatWasFound_FailsWhereASlotIsMissing(float first, float second, float number, int failed)
    {
        var ranges = new CategoryRanges(2, [new CategoryRange(0, 2, [-1, 0], [2, 1]) { IsFound = true }]);
        float[] raw = [first, second], kept = new float[1], dense = new float[1], sparse = new float[1], keptValues = new float[3];
        int[] indices = [.. Enumerable.Range(0, 2).Where(slot => raw[slot] != 0)], keptIndices = new int[3];
        float[] values = [.. indices.Select(slot => raw[slot])];
        Assert.AreEqual(failed, ranges.Keep(raw, kept));
        Assert.AreEqual(failed, ranges.KeepDense(indices, values, dense));
        Assert.AreEqual(failed, ranges.KeepSparse(indices, values, keptIndices, keptValues, out int count));
        keptValues.AsSpan(0, count).CopyTo(sparse);
        Assert.AreEqual((number, number, number), (kept[0], dense[0], sparse[0]));
    }

    [TestMethod]
    public void Create_RangesThatHaveNoPlace_AreRefused()
    {
        foreach (CategoryRange[] ranges in new CategoryRange[][]
        {
            [], [new(0, 0)], [new(-1, 2)], [new(9, 3)], [new(0, 3), new(2, 2)], [new(4, 2), new(0, 2)], [new(0, 2, [0], [1])],
        })
        {
            Assert.Throws<ArgumentException>(() => new CategoryRanges(11, ranges));
        }
    }
}
