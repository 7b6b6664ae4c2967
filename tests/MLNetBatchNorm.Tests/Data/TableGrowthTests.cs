using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>A table starts small and grows by copying until a chunk is whole; its rows stay what they were.</summary>
[TestClass]
public sealed class TableGrowthTests
{
    private const int ChunkBytes = 1 << 20;             // 16,384 rows of 16 columns: the table below has three chunks

    [TestMethod]
    public void Dense_RowsStay_WhileTheTableGrows_AndAfterItIsCleared()
    {
        const int Inputs = 13, Rows = 40_000;
        var table = new TrainingTable(Inputs, 1, weighted: true, ChunkBytes);
        for (int pass = 0; pass < 2; pass++, table.Clear())
        {
            for (int row = 0; row < Rows; row++)
                table.Add([.. Enumerable.Range(0, Inputs).Select(i => pass + row + 0.01f * i)], [row], row + 1);
            for (int row = 0; row < Rows; row++)
            {
                Assert.AreEqual(
                    (pass + row + 0f, pass + row + 0.01f * (Inputs - 1)),
                    (table.Features(row)[0], table.Features(row)[Inputs - 1]), $"row {row}");
                Assert.AreEqual(0, table.PaddedFeatures(row)[Inputs]);
            }
        }
    }

    /// <summary>What is left behind the last row is given back, once all are there; the rows stay, and more may still follow.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(1_025)]
    [DataRow(16_384)]
    [DataRow(40_000)]
    public void Trim_RowsStay_AndTakeWhatTheyNeed(int rows)
    {
        const int Inputs = 13;
        var table = new TrainingTable(Inputs, 1, weighted: true, ChunkBytes);
        for (int row = 0; row < rows; row++)
            Add(row);
        long needed = rows * (64L + 8);
        Assert.IsGreaterThan(needed, table.ReservedBytes, "there is room behind the last row");
        table.Trim();
        Assert.AreEqual(needed, table.ReservedBytes);
        for (int row = rows; row < rows + 2000; row++)
            Add(row);
        for (int row = 0; row < rows + 2000; row++)
            Assert.AreEqual((row + 0f, row + 1f, row + 2f), (table.Features(row)[12], table.Targets[row], table.Weights[row]));

        void Add(int row) => table.Add([.. Enumerable.Repeat((float)row, Inputs)], [row + 1], row + 2);
    }

    [TestMethod]
    public void Sparse_RowsStay_WhileTheTableGrows_AndAfterItIsCleared()
    {
        const int Inputs = 5000, Rows = 60_000;         // two or three of 131,072 entries a chunk
        var table = TrainingTable.CreateSparse(Inputs, 1, weighted: false, ChunkBytes);
        for (int pass = 0; pass < 2; pass++, table.Clear())
        {
            for (int row = 0; row < Rows; row++)
            {
                table.AddSparse(
                    [.. Enumerable.Range(row % 100, row % 7)],
                    [.. Enumerable.Range(0, row % 7).Select(i => (float)(pass + row + i))], [row], 1);
            }
            for (int row = 0; row < Rows; row++)
            {
                Assert.AreEqual(row % 7, table.Sparse!.Indices(row).Length, $"row {row}");
                if (row % 7 > 0)
                    Assert.AreEqual((row % 100, (float)(pass + row)), (table.Sparse.Indices(row)[0], table.Sparse.Values(row)[0]));
            }
        }
    }

    [TestMethod]
    public void SmallTable_TakesLittleMemory()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var table = new TrainingTable(16, 1, weighted: false);
        for (int row = 0; row < 1000; row++)
            table.Add(new float[16], [0], 1);

        Assert.IsLessThan(1 << 20, GC.GetAllocatedBytesForCurrentThread() - before, "a whole chunk is 16 MB");
    }
}
