using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>What is known of several targets, some of which are missing.</summary>
[TestClass]
public sealed class TargetMomentsTests
{
    private const int Rows = 4000;

    /// <summary>Against the definition in double; the same of rows in a file, and the same targets when they are read.</summary>
    [TestMethod]
    public void Moments_OfRowsThatHaveTheTarget_InMemoryAndInAFile()
    {
        using RowStore memory = Collect(1L << 30), file = Collect(1 << 17);
        Assert.IsTrue(memory.IsInMemory);
        Assert.IsFalse(file.IsInMemory);
        for (int target = 0; target < 3; target++)
        {
            int[] there = [.. Enumerable.Range(0, Rows).Where(row => !float.IsNaN(Targets(row)[target]))];
            double total = there.Sum(row => (double)Weight(row));
            double mean = there.Sum(row => (double)Weight(row) * Targets(row)[target]) / total;
            double variance = there.Sum(row => Weight(row) * Math.Pow(Targets(row)[target] - mean, 2)) / total;
            foreach (RowStore rows in new[] { memory, file })
            {
                Assert.AreEqual(mean, rows.Targets[target].Mean, 1e-12 * Math.Abs(mean));
                Assert.AreEqual(variance, rows.Targets[target].Variance, 1e-9 * variance);
            }
        }

        (double, double)[] scales = [.. memory.Targets.Select(target => (target.Mean, Math.Sqrt(target.Variance)))];
        memory.StandardizeTargets(scales);
        file.StandardizeTargets(scales);
        using RowSource read = file.All(Rows);
        float[] fromFile = read.Head(Rows).Table.Targets.ToArray(), inMemory = memory.All(Rows).Head(Rows).Table.Targets.ToArray();
        CollectionAssert.AreEqual(inMemory, fromFile);
        Assert.AreEqual(0, inMemory.Where((value, i) => i % 3 == 1 && !float.IsNaN(value)).Average(value => (double)value), 0.05);
        Assert.AreEqual(Rows / 4, inMemory.Where((value, i) => i % 3 == 1).Count(float.IsNaN));
    }

    [TestMethod]
    public void Facts_NameTargetsOfWhichNothingCanBeLearned()
    {
        var facts = new TargetFacts(4);
        facts.Add([1, float.NaN, 5, float.NaN]);
        facts.Add([2, float.NaN, float.NaN, 7]);
        Assert.AreEqual(1, facts.FirstWithoutValue);
        CollectionAssert.AreEqual(new ConstantTarget[] { new(2, 5, 1), new(3, 7, 1) }, facts.Constants.ToArray());
        facts.Add([2, 3, 6, 7]);
        Assert.IsNull(facts.FirstWithoutValue);
        CollectionAssert.AreEqual(new ConstantTarget[] { new(1, 3, 1), new(3, 7, 2) }, facts.Constants.ToArray());
        facts.Add([2, 4, 6, 8]);
        Assert.IsEmpty(facts.Constants);
        CollectionAssert.AreEqual(new[] { 4, 2, 3, 3 }, facts.Rows);
    }

    private static RowStore Collect(long budget)
    {
        var collector = new RowCollector(
            new RowShape(2, 3, true, false), budget, () => SpillFile.Create(Path.GetTempPath()), seed: 1, isDecided: true);
        for (int row = 0; row < Rows; row++)
            collector.Add([row, 1], Targets(row), Weight(row));
        return collector.Complete();
    }

    private static float Weight(int row) => 0.5f + row % 3;

    /// <summary>Far from zero; the second is missing in every fourth row, the third in most.</summary>
    private static float[] Targets(int row) =>
        [1e6f + row % 100, row % 4 == 1 ? float.NaN : row * 0.5f, row % 10 == 0 ? MathF.Sin(row) : float.NaN];
}
