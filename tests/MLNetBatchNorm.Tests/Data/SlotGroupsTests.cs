using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>Groups of slots of which each row sets one are those that a search from every slot on finds in the rows themselves.</summary>
[TestClass]
public sealed class SlotGroupsTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Among_RandomSlots_AreThoseOfASearchFromEverySlot(bool sparse)
    {
        var random = new Random(5);
        int found = 0, nearly = 0;
        for (int trial = 0; trial < 2000; trial++)
        {
            float[][] rows = Rows(random);
            SlotSummary slots = Store(rows, sparse).Slots;
            (int First, int Count)[] expected = [.. Naive(rows, 0, rows[0].Length)];
            CollectionAssert.AreEqual(expected, SlotGroups.Among(slots, 0, rows[0].Length).ToArray(), $"trial {trial}");
            CollectionAssert.AreEqual(expected, SlotGroups.Find(slots, null).Select(range => (range.First, range.Count)).ToArray());
            int from = random.Next(rows[0].Length), end = random.Next(from, rows[0].Length + 1);
            CollectionAssert.AreEqual(Naive(rows, from, end), SlotGroups.Among(slots, from, end), $"trial {trial}, {from} to {end}");

            // Slots of another kind end a group as a missing value does.
            SlotKind[] kinds = [.. rows[0].Select(_ => random.Next(6) == 0 ? SlotKind.Indicator : SlotKind.TwoValues)];
            List<(int First, int Count)> ofKinds = [];
            for (int first = 0, last; first < kinds.Length; first = last + 1)
            {
                last = Array.IndexOf(kinds, SlotKind.Indicator, first) is >= 0 and int at ? at : kinds.Length;
                ofKinds.AddRange(Naive(rows, first, last));
            }
            CollectionAssert.AreEqual(ofKinds, SlotKinds.Groups(slots, kinds).ToList(), $"trial {trial}, kinds");
            found += expected.Length;
            nearly += Enumerable.Range(0, rows[0].Length - 1).Count(
                slot => rows.Sum(row => row[slot] + row[slot + 1]) == rows.Length && !IsGroup(rows, slot, 2));
        }
        Assert.IsGreaterThan(300, found);
        Assert.IsGreaterThan(300, nearly, "hardly any slots that have enough rows together and are no group");
    }

    [TestMethod]
    public void Among_NoRows_IsNone() => Assert.IsEmpty(
        SlotGroups.Among(new MemoryRows(new RowShape(3, 1, IsWeighted: false, IsSparse: false).CreateTable()).Slots, 0, 3));

    /// <summary>One-hot groups, now and then spoilt, beside slots set at random, constant ones and some that are missing.</summary>
    private static float[][] Rows(Random random)
    {
        int count = random.Next(2, 7);
        var rows = Enumerable.Range(0, count).Select(_ => new List<float>()).ToArray();
        for (int part = random.Next(1, 6); part > 0; part--)
        {
            int kind = random.Next(4), width = random.Next(1, 5);
            foreach (List<float> row in rows)
            {
                int set = random.Next(width);
                for (int slot = 0; slot < width; slot++)
                    row.Add(kind == 0 ? random.Next(2) : slot == set ? 1 : 0);
                if (kind == 1 && random.Next(8) == 0)
                    row[^1] = random.Next(3) switch { 0 => float.NaN, 1 => 1, _ => 0 };
            }
        }
        return [.. rows.Select(row => row.ToArray())];
    }

    private static List<(int First, int Count)> Naive(float[][] rows, int from, int end)
    {
        List<(int First, int Count)> groups = [];
        for (int first = from; first < end;)
        {
            int count = Enumerable.Range(1, end - first).FirstOrDefault(width => IsGroup(rows, first, width));
            if (count > 0)
                groups.Add((first, count));
            first += Math.Max(1, count);
        }
        return groups;
    }

    private static bool IsGroup(float[][] rows, int first, int width) =>
        Enumerable.Range(first, width).All(slot => rows.Any(row => row[slot] == 0) && rows.Any(row => row[slot] == 1)
            && !rows.Any(row => float.IsNaN(row[slot])))
        && rows.All(row => row.AsSpan(first, width).Count(1f) == 1);

    private static RowStore Store(float[][] rows, bool sparse)
    {
        var collector = new RowCollector(
            new RowShape(rows[0].Length, 1, IsWeighted: false, sparse), 1L << 30, () => throw new InvalidOperationException(), seed: 1);
        foreach (float[] row in rows)
            collector.Add(row, [0], 1);
        return collector.Complete();
    }
}
