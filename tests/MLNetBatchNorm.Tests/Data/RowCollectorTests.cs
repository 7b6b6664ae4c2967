using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>Rows come dense or sparse as they like and are kept in one form, with the values they came with.</summary>
[TestClass]
public sealed class RowCollectorTests
{
    private const int Slots = 2000;

    /// <summary>Neither the first row decides, nor which form rows come in: how full they are does.</summary>
    [TestMethod]
    [DataRow(20, "sparse", true)]
    [DataRow(20, "dense", true)]
    [DataRow(20, "first dense", true)]
    [DataRow(20, "first full", true)]
    [DataRow(1900, "sparse", false)]
    [DataRow(1900, "dense", false)]
    [DataRow(1900, "first empty", false)]
    public void Complete_OfWideRows_ChoosesTheFormByTheirEntries(int entries, string arrival, bool isSparse)
    {
        foreach (int count in new[] { 3, 1500 })
        {
            foreach (long budget in new[] { 1L << 30, 1L << 18 })
            {
                var collector = new RowCollector(
                    new RowShape(Slots, 1, IsWeighted: true, IsSparse: false), budget,
                    () => SpillFile.Create(Path.GetTempPath()), seed: 1, isDecided: false);
                for (int row = 0; row < count; row++)
                    Add(collector, row, Values(row, count, entries, arrival), arrival == "dense" || (arrival == "first dense" && row == 0));
                using RowStore rows = collector.Complete();
                bool full = arrival == "first full" && count == 3;
                if (budget > 1 << 20)
                    Assert.AreEqual(isSparse && !full, rows.Shape.IsSparse, $"{count} rows.");
                Assert.AreEqual(count, rows.Rows);
                Check(rows, count, entries, arrival);
            }
        }
    }

    [TestMethod]
    public void Complete_OfNarrowRows_IsDense()
    {
        var collector = new RowCollector(
            new RowShape(10, 1, false, false), 1 << 20, () => throw new InvalidOperationException(), 1, isDecided: false);
        collector.AddSparse([3], [1f], [0], 1);
        Assert.IsFalse(collector.Complete().Shape.IsSparse);
    }

    /// <summary>
    /// A range is kept as a number, 4 bytes, until a row sets two of its slots: then all rows have its slots, in memory and in a file.
    /// </summary>
    [TestMethod]
    [DataRow(1 << 30, -1)]
    [DataRow(1 << 30, 350)]
    [DataRow(4096, -1)]
    [DataRow(4096, 350)]
    public void Complete_OfRangesOfCategories_KeepsNumbersAsLongAsRowsHaveOne(int budget, int bagFrom)
    {
        const int rows = 400;
        var known = new CategoryRanges(45, [new CategoryRange(2, 40)]);
        var collector = new RowCollector(
            new RowShape(known.Slots, 1, false, false, known), budget, () => SpillFile.Create(Path.GetTempPath()), 1, isDecided: false);
        float[] Row(int row)
        {
            var values = new float[45];
            (values[0], values[44]) = (row, -row);
            if (row % 7 > 0)
                values[2 + row % 40] = 1;
            if (bagFrom >= 0 && row >= bagFrom)
                values[2 + (row + 5) % 40] = 1;
            return values;
        }
        for (int row = 0; row < rows; row++)
            collector.Add(Row(row), [row], 1);
        using RowStore store = collector.Complete();
        Assert.AreEqual(budget > 1 << 20, store.IsInMemory);
        Assert.AreEqual(bagFrom >= 0, store.Shape.IsSparse, "A bag stays sparse.");
        Assert.AreEqual(bagFrom < 0, store.Shape.Ranges is not null);
        Assert.AreEqual(bagFrom < 0 ? 6 : 45, store.Shape.Inputs);
        if (bagFrom < 0)
        {
            int[] counts = store.Slots.CategoriesOf(0);
            Assert.AreEqual(rows, counts.Sum());
            Assert.AreEqual(58, counts[0], "Every seventh row has none.");
        }
        int seen = 0;
        foreach (TrainingTable table in store.Tables())
        {
            for (int row = 0; row < table.Rows; row++, seen++)
            {
                float[] raw = Row((int)table.Targets[row]), kept = new float[store.Shape.Inputs];
                if (store.Shape.Ranges is { } ranges)
                    ranges.Keep(raw, kept);
                else
                    kept = raw;
                CollectionAssert.AreEqual(kept, Enumerable.Range(0, kept.Length).Select(slot => table.Value(row, slot)).ToArray());
            }
        }
        Assert.AreEqual(rows, seen);
    }

    /// <summary>What turns out to be a category is kept as one, whatever a normalizer made of it.</summary>
    [TestMethod]
    [DataRow(1 << 30, 0f, 1f, false)]
    [DataRow(1 << 30, -0.5f, 2f, false)]
    [DataRow(1 << 30, 0f, 0.25f, true)]
    [DataRow(8192, -0.5f, 2f, false)]
    public void Complete_OfGroupsOfWhichEachRowHasOne_KeepsNumbers(int budget, float off, float on, bool sparse)
    {
        var collector = new RowCollector(
            new RowShape(9, 1, false, false), budget, () => SpillFile.Create(Path.GetTempPath()), 1, isDecided: false)
        {
            FindsCategories = true,
        };
        float[] Row(int row) => [row, .. Enumerable.Range(0, 7).Select(i => i == row % 7 ? on : off), row % 2];
        for (int row = 0; row < 500; row++)
        {
            float[] values = Row(row);
            int[] indices = [.. Enumerable.Range(0, values.Length).Where(i => values[i] != 0)];
            if (sparse)
                collector.AddSparse(indices, [.. indices.Select(i => values[i])], [row], 1);
            else
                collector.Add(values, [row], 1);
        }
        using RowStore store = collector.Complete();
        Assert.AreEqual(budget > 1 << 20, store.IsInMemory);
        Assert.AreEqual(3, store.Shape.Inputs);
        Assert.AreEqual((1, 7), (store.Shape.Ranges![0].First, store.Shape.Ranges[0].Count));
        int seen = 0;
        foreach (TrainingTable table in store.Tables())
        {
            for (int row = 0; row < table.Rows; row++, seen++)
            {
                int number = (int)table.Targets[row];
                CollectionAssert.AreEqual(
                    new float[] { number, number % 2, 1 + number % 7 },
                    Enumerable.Range(0, 3).Select(slot => table.Value(row, slot)).ToArray());
            }
        }
        Assert.AreEqual(500, seen);
    }

    /// <summary>
    /// What held a single one of a group in every row so far does so no longer where a slot is missing: the slots are kept, and what a row
    /// says of the others with them.
    /// </summary>
    [TestMethod]
    [DataRow("found", 1 << 30, false)]
    [DataRow("found", 8192, false)]
    [DataRow("found", 8192, true)]
    [DataRow("known", 1 << 30, false)]
    [DataRow("known", 8192, false)]
    [DataRow("known", 8192, true)]
    public void Complete_OfRowsThatLackASlotOfACategory_KeepsAllSlots(string ranges, int budget, bool sparse)
    {
        const int rows = 500, slots = 9;
        RowShape shape = ranges == "found"
            ? new RowShape(slots, 1, false, false)
            : new RowShape(slots - 6, 1, false, false, new CategoryRanges(slots, [new CategoryRange(1, 7)]));
        var collector = new RowCollector(shape, budget, () => SpillFile.Create(Path.GetTempPath()), 1, isDecided: false)
        {
            FindsCategories = ranges == "found",
        };
        static float[] Row(int row)
        {
            float[] values = [row, .. Enumerable.Range(0, 7).Select(i => i == row % 7 ? 1f : 0), row % 2];
            // Beside another one that is set, which says more than that the category is missing.
            if (row >= 450 && row % 7 > 0)
                values[1] = float.NaN;
            return values;
        }
        for (int row = 0; row < rows; row++)
        {
            float[] values = Row(row);
            int[] indices = [.. Enumerable.Range(0, slots).Where(i => values[i] != 0)];
            if (sparse)
                collector.AddSparse(indices, [.. indices.Select(i => values[i])], [row], 1);
            else
                collector.Add(values, [row], 1);
            if (row == 449)
                Assert.AreEqual(ranges == "found" && budget > 1 << 20, collector.Shape.Ranges is null);
        }
        using RowStore store = collector.Complete();
        Assert.AreEqual(budget > 1 << 20, store.IsInMemory);
        Assert.IsNull(store.Shape.Ranges);
        int seen = 0;
        foreach (TrainingTable table in store.Tables())
        {
            for (int row = 0; row < table.Rows; row++, seen++)
            {
                CollectionAssert.AreEqual(
                    Row((int)table.Targets[row]), Enumerable.Range(0, slots).Select(slot => table.Value(row, slot)).ToArray());
            }
        }
        Assert.AreEqual(rows, seen);
    }

    /// <summary>
    /// Rows that are in memory again only because a group became a category leave it when the group is given up, and are not looked through
    /// for the same group again before the row is among them that it was given up for.
    /// </summary>
    [TestMethod]
    [DataRow(false, false)]
    [DataRow(true, false)]
    [DataRow(false, true)]
    public void Complete_OfACategoryThatMadeRoomAndIsNone_KeepsAllSlots(bool sparse, bool twoSet)
    {
        const int rows = 500, group = 16, slots = group + 2, odd = 400;
        // Room for 300 rows with their slots, and for twice as many with a category.
        const int budget = 300 * 32 * sizeof(float);
        var collector = new RowCollector(
            new RowShape(slots, 1, false, false), budget, () => SpillFile.Create(Path.GetTempPath()), 1, isDecided: false)
        {
            FindsCategories = true,
        };
        static float[] Row(int row, bool twoSet)
        {
            float[] values = [row, .. Enumerable.Range(0, group).Select(i => i == row % group ? 1f : 0), row * 0.5f];
            if (row == odd)
                values[1 + (row + 1) % group] = twoSet ? 1 : float.NaN;
            return values;
        }
        bool wasTaken = false;
        for (int row = 0; row < rows; row++)
        {
            float[] values = Row(row, twoSet);
            int[] indices = [.. Enumerable.Range(0, slots).Where(i => values[i] != 0)];
            if (sparse)
                collector.AddSparse(indices, [.. indices.Select(i => values[i])], [row], 1);
            else
                collector.Add(values, [row], 1);
            wasTaken |= collector.Shape.Ranges is not null;
        }
        Assert.IsTrue(wasTaken, "the group is a category until the row that says that it is none");
        using RowStore store = collector.Complete();
        Assert.IsFalse(store.IsInMemory);
        Assert.IsNull(store.Shape.Ranges);
        int seen = 0;
        foreach (TrainingTable table in store.Tables())
        {
            for (int row = 0; row < table.Rows; row++, seen++)
            {
                CollectionAssert.AreEqual(
                    Row((int)table.Targets[row], twoSet), Enumerable.Range(0, slots).Select(slot => table.Value(row, slot)).ToArray());
            }
        }
        Assert.AreEqual(rows, seen);
    }

    private static float[] Values(int row, int count, int entries, string arrival)
    {
        var values = new float[Slots];
        int filled = arrival == "first empty" && row == 0 ? 0 : arrival == "first full" && row == 0 ? Slots : entries;
        for (int i = 0; i < filled; i++)
            values[(i * 7 + row * 13) % Slots] = i % 50 == 3 ? float.NaN : 1 + row + i;
        return values;
    }

    private static void Add(RowCollector collector, int row, float[] values, bool dense)
    {
        if (dense)
        {
            collector.Add(values, [row], row + 1);
            return;
        }
        int[] indices = [.. Enumerable.Range(0, Slots).Where(i => values[i] != 0)];
        collector.AddSparse(indices, [.. indices.Select(i => values[i])], [row], row + 1);
    }

    private static void Check(RowStore rows, int count, int entries, string arrival)
    {
        using RowSource source = rows.All(largestBatch: 64);
        source.BeginEpoch(1, 1, shuffle: false);
        int expected = 0;
        while (expected < count)
        {
            int batch = Math.Min(64, count - expected);
            source.Prepare(expected, batch);
            for (int done = 0; done < batch;)
            {
                RowRun run = source.Run(expected + done, batch - done);
                foreach (int row in run.Rows)
                {
                    float[] values = Values(expected + done, count, entries, arrival);
                    for (int slot = 0; slot < Slots; slot += 7)
                        Assert.AreEqual(values[slot], run.Table.Value(row, slot));
                    Assert.AreEqual(expected + done, run.Table.Targets[row]);
                    Assert.AreEqual(expected + done + 1, run.Table.Weights[row]);
                    done++;
                }
            }
            expected += batch;
        }
    }
}
