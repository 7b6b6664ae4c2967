using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>Which rows are nearly all alike: those of which a batch has less than 3 values that are not the usual ones.</summary>
[TestClass]
public sealed class RareRowsTests
{
    [TestMethod]
    [DataRow(0, 1, false, true, DisplayName = "flags")]
    [DataRow(1, 0, false, true, DisplayName = "yes but for a few")]
    [DataRow(5, 1, false, true, DisplayName = "two values, no zero")]
    [DataRow(float.NaN, 1, false, true, DisplayName = "missing but for a few")]
    [DataRow(0, 1, true, true, DisplayName = "rare amounts")]
    [DataRow(float.NaN, 1, true, true, DisplayName = "rare amounts, else missing")]
    [DataRow(5, 1, true, false, DisplayName = "another usual value than 0, which is not known")]
    public void Are_OfFewUnusualValues_UpToThreeABatch(float usual, float unusual, bool differ, bool expected)
    {
        foreach (bool sparse in new[] { false, true })
        {
            // Of 6,400 rows, 299 are 2.99 in 64, 301 are 3.01.
            Assert.AreEqual(expected, RareRows.Are(Slots(usual, unusual, differ, rare: 299, sparse), batchSize: 64));
            Assert.IsFalse(RareRows.Are(Slots(usual, unusual, differ, rare: 301, sparse), batchSize: 64));
        }
    }

    private static SlotSummary Slots(float usual, float unusual, bool differ, int rare, bool sparse)
    {
        const int rows = 6400;
        TrainingTable table = sparse ? TrainingTable.CreateSparse(2, 1, false) : new TrainingTable(2, 1, false);
        for (int row = 0; row < rows; row++)
        {
            float value = row % 7 == 0 && row / 7 < rare ? differ ? unusual + row : unusual : usual;
            if (!sparse)
                table.Add([value, 4], [0], 1);
            else if (value == 0)
                table.AddSparse([1], [4], [0], 1);
            else
                table.AddSparse([0, 1], [value, 4], [0], 1);
        }

        return SlotSummary.Of(table);
    }
}
