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
