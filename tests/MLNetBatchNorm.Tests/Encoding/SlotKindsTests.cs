using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>How slots are to be treated is read from their values, however rows are kept and in whatever order they come.</summary>
[TestClass]
public sealed class SlotKindsTests
{
    private const int Rows = 600;

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Of_SlotsOfTwoValues_AreNoQuantities(bool sparse)
    {
        SlotKind[] kinds = Kinds(
            sparse, row => [row % 7 * 0.5f, row % 3 == 0 ? 1 : 0, row % 5 == 0 ? -2 : 3, 4, row % 4 == 1 ? float.NaN : row % 2]);
        CollectionAssert.AreEqual(
            new[] { SlotKind.Numeric, SlotKind.TwoValues, SlotKind.TwoValues, SlotKind.Numeric, SlotKind.TwoValues }, kinds);
    }

    /// <summary>
    /// A category that does not say so, as it comes from a file, and behind normalizers that leave two values other than 0 and 1.
    /// </summary>
    [TestMethod]
    [DataRow(false, 0f, 1f)]
    [DataRow(true, 0f, 1f)]
    [DataRow(false, -0.4f, 2.5f)]
    [DataRow(true, -0.4f, 2.5f)]
    [DataRow(false, 0f, 0.01f)]
    public void Of_NeighboursOfWhichOneIsSet_AreAGroup(bool sparse, float off, float on)
    {
        float[] OneHot(int row, int values) => [.. Enumerable.Range(0, values).Select(i => i == row % values ? on : off)];
        SlotKind[] kinds = Kinds(sparse, row => [row, .. OneHot(row / 7, 5), .. OneHot(row, 3), row % 2 == 0 ? 1 : 0]);
        CollectionAssert.AreEqual(
            (SlotKind[])[SlotKind.Numeric, .. Enumerable.Repeat(SlotKind.OneOfGroup, 8), SlotKind.TwoValues], kinds);
    }

    /// <summary>As many ones as rows are not enough: one row without a one, and another with two.</summary>
    [TestMethod]
    public void Of_NeighboursOfWhichOneRowHasTwoOnes_AreNoGroup()
    {
        SlotKind[] kinds = Kinds(sparse: false, row => row switch
        {
            0 => [0, 0, 0],
            1 => [1, 1, 0],
            _ => [row % 3 == 0 ? 1 : 0, row % 3 == 1 ? 1 : 0, row % 3 == 2 ? 1 : 0],
        });
        CollectionAssert.AreEqual(Enumerable.Repeat(SlotKind.TwoValues, 3).ToArray(), kinds);
    }

    [TestMethod]
    public void Of_SlotsThatSaySo_AndWithoutScaling_PassUnchanged()
    {
        RowStore rows = Store(false, row => [row, row % 2]);
        CollectionAssert.AreEqual(new[] { SlotKind.Numeric, SlotKind.Indicator }, SlotKinds.Of(rows.Slots, [false, true], scale: true));
        CollectionAssert.AreEqual(new[] { SlotKind.Unchanged, SlotKind.Unchanged }, SlotKinds.Of(rows.Slots, [false, true], scale: false));
    }

    /// <summary>
    /// A slot that is rarely filled is a quantity among few slots and a word among many; in
    /// between the share that is needed rises steadily.
    /// </summary>
    [TestMethod]
    public void Of_MoreAndMoreSlots_NeedsMoreAndMoreRows()
    {
        int[] numeric = [.. new[] { 100, 300, 500, 800, 1300, 3000 }.Select(slots =>
        {
            var shape = new RowShape(slots, 1, IsWeighted: false, IsSparse: true);
            TrainingTable table = shape.CreateTable();
            // Slot i of the first hundred is filled in i + 1 of a hundred rows, all others in one.
            for (int row = 0; row < 300; row++)
            {
                int[] filled = [.. Enumerable.Range(0, slots).Where(i => i < 100 ? row % 100 <= i : row % 100 == 50)];
                table.AddSparse(filled, [.. filled.Select(i => 1f + row % 100 * 0.01f + row / 100)], [0], 1);
            }
            SlotKind[] kinds = SlotKinds.Of(new MemoryRows(table).Slots, [], scale: true);
            return kinds.Take(100).Count(kind => kind == SlotKind.Numeric);
        })];
        Assert.AreEqual(100, numeric[0]);
        CollectionAssert.AreEqual(numeric.OrderDescending().ToArray(), numeric);
        Assert.AreEqual(51, numeric[^1]);
        Assert.IsTrue(numeric[1] > 95 && numeric[2] > 85 && numeric[3] > 70, string.Join(", ", numeric));
    }

    /// <summary>Numbers beside thousands of words keep their treatment; words keep theirs, however common they are.</summary>
    [TestMethod]
    public void Of_NumbersBesideWords_AreQuantities()
    {
        const int words = 3000;
        var shape = new RowShape(words + 2, 1, IsWeighted: false, IsSparse: true);
        TrainingTable table = shape.CreateTable();
        for (int row = 0; row < Rows; row++)
        {
            int[] filled = [0, .. Enumerable.Range(1, words).Where(word => (row + word) % (word < 50 ? 1 : 40) == 0), words + 1];
            table.AddSparse(
                filled, [.. filled.Select(i => i == 0 ? 1990 + row % 30 : i == words + 1 ? 280 + row : (1 + row % 7) / 8f)], [0], 1);
        }
        SlotKind[] kinds = SlotKinds.Of(new MemoryRows(table).Slots, [], scale: true);
        Assert.AreEqual(SlotKind.Numeric, kinds[0]);
        Assert.AreEqual(SlotKind.Numeric, kinds[^1]);
        CollectionAssert.AreEqual(Enumerable.Repeat(SlotKind.Sparse, words).ToArray(), kinds[1..^1]);
    }

    /// <summary>
    /// A word of one text, and one that weighs the same in two, are words like their neighbours, and keep their weight: less of it where
    /// hardly any row has them. Beside few slots what holds two values is a question of its own, as is what half of the rows have.
    /// </summary>
    [TestMethod]
    public void Of_WordsThatHoldTwoValuesByChance_AreWords()
    {
        int[] sparse = [.. new[] { 150, 600, 1_000, 1_400, 2_000 }.Select(words =>
        {
            InputEncoder encoder = LearnWords(words, out SlotKind[] kinds);
            Assert.AreEqual(SlotKind.TwoValues, kinds[words], "Half of the rows have it.");
            for (int word = 0; word < words; word++)
            {
                float expected = kinds[word] == SlotKind.TwoValues ? 8 : word % 3 == 0 ? 0.25f : word % 3 == 1 ? 0.5f : 1;
                Assert.AreEqual(expected, encoder.ScalingOf(word).Scale, 1e-5f, $"Word {word} of {words}, {kinds[word]}.");
            }
            return kinds[..words].Count(kind => kind == SlotKind.Sparse);
        })];
        CollectionAssert.AreEqual(new[] { 0, 600, 1_000, 1_400, 2_000 }, sparse, string.Join(", ", sparse));
    }

    /// <summary>Every third word is in one row, every third in two, and the others are in as many rows as the table is small.</summary>
    private static InputEncoder LearnWords(int words, out SlotKind[] kinds)
    {
        var table = new RowShape(words + 1, 1, IsWeighted: false, IsSparse: true).CreateTable();
        for (int row = 0; row < Rows; row++)
        {
            List<int> filled = [];
            for (int word = 0; word < words; word++)
            {
                int own = word % Rows, rows = word % 3 == 0 ? 1 : word % 3 == 1 ? 2 : 25;
                if ((row + Rows - own) % Rows < rows)
                    filled.Add(word);
            }
            if (row % 2 == 0)
                filled.Add(words);
            table.AddSparse([.. filled], [.. filled.Select(_ => 0.125f)], [0], 1);
        }
        var store = new MemoryRows(table);
        kinds = SlotKinds.Of(store.Slots, [], scale: true);
        return EncoderLearning.Learn(store, kinds, 0);
    }

    private static SlotKind[] Kinds(bool sparse, Func<int, float[]> row) => SlotKinds.Of(Store(sparse, row).Slots, [], scale: true);

    private static RowStore Store(bool sparse, Func<int, float[]> row)
    {
        var shape = new RowShape(row(0).Length, 1, IsWeighted: false, sparse);
        var collector = new RowCollector(shape, 1L << 30, () => throw new InvalidOperationException(), seed: 1);
        for (int r = 0; r < Rows; r++)
            collector.Add(row(r), [0], 1);
        return collector.Complete();
    }
}
