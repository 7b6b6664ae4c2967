using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;

namespace MLNetBatchNorm.Tests.Data;

/// <summary>Of every class at least one row is left to train on, in every part, wherever the rows are kept.</summary>
[TestClass]
public sealed class SplitByClassTests
{
    private const int Classes = 40;

    [TestMethod]
    [DataRow(false, false)]
    [DataRow(false, true)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    public void Split_ByClass_LeavesARowOfEveryClass(bool inFile, bool sparse)
    {
        int[] classes = ClassesOfRows(inFile ? 4_000 : 300);
        using RowStore store = Collect(classes, sparse, inFile ? 100_000 : 1 << 30);
        Assert.AreEqual(inFile, !store.IsInMemory);
        int emptied = 0;
        foreach (double fraction in new[] { 0.1, 0.2, 0.5, 0.9 })
        {
            for (int part = 0; part < 10; part++)
            {
                int[] byClass = LearnedRows(store, fraction, part, byClass: true);
                Assert.HasCount(Classes, byClass.Select(row => classes[row]).Distinct(), $"{fraction}, {part}");
                emptied += Classes - LearnedRows(store, fraction, part, byClass: false).Select(row => classes[row]).Distinct().Count();
            }
        }

        Assert.IsGreaterThan(10, emptied, "Otherwise nothing was tested.");
    }

    /// <summary>Where every class has rows enough the parts are what they were: disjoint, and together all rows.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Split_ByClassOfManyRows_SetsEveryRowAsideOnce(bool inFile)
    {
        int[] classes = [.. Enumerable.Range(0, 4_000).Select(row => row % 4)];
        using RowStore store = Collect(classes, sparse: false, inFile ? 100_000 : 1 << 30);
        int[] learned = [.. Enumerable.Range(0, 10).SelectMany(part => LearnedRows(store, 0.1, part, byClass: true))];
        int[] times = [.. learned.GroupBy(row => row).Select(row => row.Count()).Distinct()];
        // A file's parts are of the share that memory has room for, and so may leave rows out.
        if (inFile)
            CollectionAssert.IsSubsetOf(times, new[] { 9, 10 });
        else
            CollectionAssert.AreEqual(new[] { 9 }, times);
    }

    [TestMethod]
    public void Split_ByClassOfOneRowEach_HasNoValidation()
    {
        int[] classes = [.. Enumerable.Range(0, Classes)];
        using RowStore store = Collect(classes, sparse: false, 1 << 30);
        (RowSource training, TableRows? validation) = store.Split(0.2, 1, byClass: true, 0, 8, CancellationToken.None);
        Assert.IsNull(validation);
        Assert.AreEqual(Classes, training.Count);
    }

    /// <summary>Classes 0 to 2 have many rows, the others one to three, at random places.</summary>
    private static int[] ClassesOfRows(int count)
    {
        List<int> classes = [.. Enumerable.Range(3, Classes - 3).SelectMany(c => Enumerable.Repeat(c, 1 + c % 3))];
        while (classes.Count < count)
            classes.Add(classes.Count % 3);
        var random = new Random(4);
        return [.. classes.OrderBy(_ => random.Next())];
    }

    private static RowStore Collect(int[] classes, bool sparse, long budget)
    {
        var collector = new RowCollector(new RowShape(20, 1, false, sparse), budget, () => SpillFile.Create(Path.GetTempPath()), seed: 1);
        var summary = new ClassSummary(classes.Max() + 1);
        float[] features = new float[20];
        for (int row = 0; row < classes.Length; row++)
        {
            features[0] = row;
            if (sparse)
                collector.AddSparse([0], [row], [classes[row]], 1);
            else
                collector.Add(features, [classes[row]], 1);
            summary.Add(classes[row], collector.Rows - 1, 1);
        }

        RowStore store = collector.Complete();
        store.Classes = summary;
        return store;
    }

    private static int[] LearnedRows(RowStore store, double fraction, int part, bool byClass)
    {
        (RowSource training, TableRows? validation) = store.Split(fraction, 7, byClass, part, 64, CancellationToken.None);
        using (training as IDisposable)
        {
            training.BeginEpoch(1, 1, shuffle: false);
            var rows = new List<int>();
            for (int first = 0; first < training.Count;)
            {
                int count = Math.Min(64, training.Count - first);
                training.Prepare(first, count);
                for (int done = 0; done < count;)
                {
                    RowRun run = training.Run(first + done, count - done);
                    foreach (int row in run.Rows)
                        rows.Add(NumberOf(run.Table, row));
                    done += run.Rows.Length;
                }

                first += count;
            }

            int[] aside = [.. Enumerable.Range(0, validation?.Count ?? 0).Select(i => NumberOf(validation!.Table, validation.Rows[i]))];
            CollectionAssert.AreEqual(
                Enumerable.Range(0, store.Rows).ToArray(), rows.Concat(aside).Order().ToArray(), "No row is lost, none is there twice.");
            return [.. rows];
        }
    }

    private static int NumberOf(TrainingTable table, int row) =>
        (int)(table.Sparse is { } sparse ? sparse.Values(row)[0] : table.Features(row)[0]);
}
