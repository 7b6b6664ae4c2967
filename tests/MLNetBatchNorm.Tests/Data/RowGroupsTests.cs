using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>
/// Rows of one group are on one side of every split, wherever the rows are kept, and the parts of an ensemble share the groups out.
/// </summary>
[TestClass]
public sealed class RowGroupsTests
{
    private const int Rows = 2_000;
    private const int Members = 5;

    [TestMethod]
    [DataRow(true, false)]
    [DataRow(true, true)]
    [DataRow(false, false)]
    [DataRow(false, true)]
    public void Split_WithGroups_NeverPartsOne(bool inMemory, bool byClass)
    {
        int[] validatedBy = new int[Rows];
        for (int member = 0; member < Members; member++)
        {
            using RowStore store = Store(inMemory, row => (uint)(row * 7 % 60), byClass ? row => row % 3 : row => row);
            (HashSet<int> training, HashSet<int> validation) = Split(store, byClass, member);

            Assert.HasCount(Rows, training.Union(validation));
            Assert.IsEmpty(training.Intersect(validation));
            Assert.IsEmpty(
                training.Select(row => row * 7 % 60).Intersect(validation.Select(row => row * 7 % 60)), "A group is on both sides.");
            Assert.IsInRange(Rows / 5 - Rows / 60 - 1, Rows / 5 + Rows / 60 + 1, validation.Count);
            foreach (int row in validation)
                validatedBy[row]++;
        }

        Assert.IsTrue(validatedBy.All(times => times == 1), "Every row is set aside by one of five networks.");
        // Without groups they are parted.
        using RowStore alone = Store(inMemory, null, byClass ? row => row % 3 : row => row);
        (HashSet<int> some, HashSet<int> others) = Split(alone, byClass, 0);
        Assert.IsNotEmpty(some.Select(row => row * 7 % 60).Intersect(others.Select(row => row * 7 % 60)));
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Split_GroupsOfUnlikeSizes_LeaveSomethingOnBothSides(bool inMemory)
    {
        // One group of nine tenths, and three small ones.
        for (int member = 0; member < 2 * Members; member++)
        {
            using RowStore store = Store(inMemory, row => row % 10 > 0 ? 9u : (uint)(row / 10 % 3), row => row);
            (HashSet<int> training, HashSet<int> validation) = Split(store, false, member);
            Assert.IsNotEmpty(training);
            Assert.IsEmpty(training.Where(row => row % 10 == 0).Select(row => row / 10 % 3).Intersect(
                validation.Where(row => row % 10 == 0).Select(row => row / 10 % 3)));
        }
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Split_OneGroup_SetsNothingAside(bool inMemory)
    {
        using RowStore store = Store(inMemory, _ => 4, row => row);
        (HashSet<int> training, HashSet<int> validation) = Split(store, false, 0);
        Assert.HasCount(Rows, training);
        Assert.IsEmpty(validation);
    }

    /// <summary>A class all of whose rows are of one group would be unknown to the network that sets it aside: the group stays.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Split_ClassOfOneGroup_StaysInTraining(bool inMemory)
    {
        for (int member = 0; member < Members; member++)
        {
            using RowStore store = Store(inMemory, row => (uint)(row % 10), row => row % 10 == 4 ? 1 : 0);
            (HashSet<int> training, HashSet<int> validation) = Split(store, true, member);
            Assert.IsTrue(training.Any(row => row % 10 == 4));
            Assert.IsNotEmpty(member == 0 ? training : validation.Union(training));
            Assert.IsEmpty(training.Select(row => row % 10).Intersect(validation.Select(row => row % 10)));
        }
    }

    [TestMethod]
    public void Part_OtherSeed_ChoosesOtherGroups()
    {
        var groups = new RowGroups();
        for (int row = 0; row < Rows; row++)
            groups.Add((uint)row / 10);
        bool[] Of(ulong seed, int part)
        {
            RowPart chosen = groups.Part(0.2, seed, part, long.MaxValue);
            return [.. Enumerable.Range(0, Rows).Select(chosen.Contains)];
        }

        CollectionAssert.AreEqual(Of(1, 0), Of(1, 0));
        CollectionAssert.AreNotEqual(Of(1, 0), Of(2, 0));
        CollectionAssert.AreNotEqual(Of(1, 0), Of(1, Members), "The next round has an order of its own.");
        Assert.AreEqual(Rows / 5, Of(1, 3).Count(chosen => chosen));
    }

    private static (HashSet<int> Training, HashSet<int> Validation) Split(RowStore store, bool byClass, int member)
    {
        (RowSource training, TableRows? validation) = store.Split(
            1.0 / Members, seed: 3, byClass, member, largestBatch: 100, CancellationToken.None);
        using (training)
            return (Numbers(training), validation is null ? [] : Numbers(validation));
    }

    // The first feature of a row is its number.
    private static HashSet<int> Numbers(RowSource rows)
    {
        var numbers = new HashSet<int>();
        rows.BeginEpoch(seed: 1, epoch: 1, shuffle: false);
        for (int first = 0; first < rows.Count; first += 100)
        {
            int count = Math.Min(100, rows.Count - first);
            rows.Prepare(first, count);
            for (int done = 0; done < count;)
            {
                RowRun run = rows.Run(first + done, count - done);
                foreach (int row in run.Rows)
                    Assert.IsTrue(numbers.Add((int)run.Table.Features(row)[0]), "A row comes twice.");
                done += run.Rows.Length;
            }
        }

        return numbers;
    }

    private static RowStore Store(bool inMemory, Func<int, uint>? group, Func<int, float> target)
    {
        var shape = new RowShape(20, 1, IsWeighted: false, IsSparse: false);
        // Nine tenths of the rows fit: they go to a file, and a fifth of them may be set aside, which is to fit a quarter of the budget.
        long budget = inMemory ? 1 << 30 : (long)(0.9 * Rows * shape.RowBytes(0));
        var collector = new RowCollector(shape, budget, () => SpillFile.Create(Path.GetTempPath()), seed: 1);
        var classes = new ClassSummary(10);
        var groups = new RowGroups();
        for (int row = 0; row < Rows; row++)
        {
            float[] features = new float[20];
            features[0] = row;
            collector.Add(features, [target(row)], 1);
            classes.Add((int)target(row) % 10, row, 1);
            groups.Add(group?.Invoke(row) ?? 0);
        }

        RowStore store = collector.Complete();
        Assert.AreEqual(inMemory, store.IsInMemory);
        store.Classes = classes;
        store.Groups = group is null ? null : groups;
        return store;
    }
}
