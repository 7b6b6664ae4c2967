using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>Every row is in exactly one batch, and no batch that needs statistics has a single row.</summary>
[TestClass]
public sealed class BatchPlanTests
{
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Batches_AnySizes_CutTheRowsInOrder(bool needsTwoRows)
    {
        for (int rows = needsTwoRows ? 2 : 1; rows <= 40; rows++)
        {
            for (int size = needsTwoRows ? 2 : 1; size <= 45; size++)
            {
                var plan = new BatchPlan(rows, size, needsTwoRows);
                int next = 0, largest = 0;
                for (int batch = 0; batch < plan.Batches; batch++)
                {
                    (int first, int count) = plan.Batch(batch);
                    Assert.AreEqual(next, first);
                    bool last = batch == plan.Batches - 1;
                    bool joined = last && needsTwoRows && count == size + 1;
                    Assert.IsTrue(last || count == size, $"{rows} rows in batches of {size}: batch {batch} has {count}");
                    Assert.IsTrue(
                        count >= (needsTwoRows ? 2 : 1) && (count <= size || joined),
                        $"{rows} rows in batches of {size}: batch {batch} has {count}");
                    next += count;
                    largest = Math.Max(largest, count);
                }
                Assert.AreEqual(rows, next);
                Assert.AreEqual(largest, plan.LargestBatch);
                // Only a remainder of one row changes the number of batches, and only where statistics are needed.
                int expected = (rows + size - 1) / size - (needsTwoRows && rows > size && rows % size == 1 ? 1 : 0);
                Assert.AreEqual(expected, plan.Batches);
            }
        }
    }

    [TestMethod]
    [DataRow(1, 256)]
    [DataRow(100, 1)]
    [DataRow(0, 256)]
    public void Constructor_OneRowWhereTwoAreNeeded_SaysSo(int rows, int size)
    {
        var exception = Assert.ThrowsExactly<ArgumentException>(() => new BatchPlan(rows, size, needsTwoRows: true));
        Assert.Contains($"{rows} rows", exception.Message);
        Assert.Contains($"batch size is {size}", exception.Message);
    }
}
