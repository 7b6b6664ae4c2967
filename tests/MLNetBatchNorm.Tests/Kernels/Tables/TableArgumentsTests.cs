using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>What does not fit is refused before anything is written, and layouts say where their rows are.</summary>
[TestClass]
public sealed class TableArgumentsTests
{
    private static readonly (int, int)[] s_slots = [(3, 1), (1, 0), (4, 2), (2, 1), (5, 1), (1, 1), (6, 1), (2, 2), (3, 1), (0, 6), (0, 2)];

    [TestMethod]
    public void Layout_RowsOfSlots_FollowEachOther()
    {
        var layout = new TableLayout([new(5, 3, 1), new(20, 0, 4), new(0, 1, 0)]);
        Assert.AreEqual(5 + 4 + 2, layout.Rows);
        Assert.AreEqual(24, layout.WeightRows);
        CollectionAssert.AreEqual(new[] { 0, 5, 9 }, layout.FirstRows.ToArray());
        CollectionAssert.AreEqual(new[] { 4, 8, 10 }, layout.LastRows.ToArray());
        Assert.AreEqual(3, layout.BorderRow(0, 3));
        Assert.AreEqual(4, layout.PlainRow(0, 0));
        Assert.AreEqual(8, layout.PlainRow(1, 3));
        Assert.AreEqual(9, layout.BorderRow(2, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => layout.BorderRow(0, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => layout.PlainRow(2, 0));
        Assert.AreEqual(0, new TableLayout([]).Rows);
    }

    [TestMethod]
    public void Layout_SlotsThatCannotBe_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => new TableLayout([new(0, 0, 0)]));
        Assert.Throws<ArgumentException>(() => new TableLayout([new(-1, 1, 0)]));
        Assert.Throws<ArgumentException>(() => new TableLayout([new(0, -1, 2)]));
        Assert.Throws<ArgumentException>(() => new TableLayout([new(0, 2, -1)]));
        Assert.Throws<ArgumentException>(() => new TableLayout([new(0, 3, 1), new(3, 1, 0)]));      // both have row 3 of the weights
        const int Most = int.MaxValue / 16;     // rows of a panel
        Assert.Throws<ArgumentException>(() => new TableLayout([new(0, 0, Most), new(Most, 0, Most)]));
    }

    [TestMethod]
    public void Batch_SpansThatAreTooShort_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => new TableBatch(new int[5], new float[6], 2, 3, 3));
        Assert.Throws<ArgumentException>(() => new TableBatch(new int[6], new float[5], 2, 3, 3));
        Assert.Throws<ArgumentException>(() => new TableBatch(new int[6], new float[9], 2, 3, 4));
        Assert.Throws<ArgumentException>(() => new TableBatch(new int[6], new float[6], -1, 3, 3));
        Assert.Throws<ArgumentException>(() => new TableBatch(new int[6], new float[6], 2, 3, -1));
        Assert.AreEqual(2, new TableBatch(new int[6], [], 2, 3, 0).Rows);
    }

    /// <summary>Every place of a row, checked alone or eight at once, below the table, behind it, and behind it by the fraction.</summary>
    [TestMethod]
    public void RowsOutsideOfTheTable_AreRefusedInEveryPlace()
    {
        for (int lines = 0; lines <= s_slots.Length; lines++)
        {
            var p = new TableProblem(s_slots, lines, rows: 3, units: 20);
            for (int at = 0; at < p.Indices.Length; at++)
            {
                int row = at / s_slots.Length, slot = at % s_slots.Length, good = p.Indices[at];
                foreach (int bad in new[] { -1, int.MinValue, int.MaxValue, p.Layout.Rows, p.Layout.Rows + 1000 })
                {
                    p.Indices[at] = bad;
                    Refused(p);
                }
                p.Indices[at] = p.Layout.Rows - 1;
                if (slot < lines)
                {
                    float fraction = p.Fractions[row * lines + slot];
                    foreach (float bad in new[] { float.Epsilon, 1f, -0f, float.NaN })
                    {
                        p.Fractions[row * lines + slot] = bad;
                        Refused(p);
                    }
                    p.Fractions[row * lines + slot] = fraction;
                }
                p.Indices[at] = good;
            }
            p.Order();      // and without the faults it is taken
        }

        static void Refused(TableProblem p)
        {
            float[] c = MatrixOracle.Filled(p.Panels * 16 * p.RowCapacity), table = p.Table();
            Assert.Throws<ArgumentException>(
                () => TableSums.Forward(p.Batch, table, p.Layout.Rows, p.Bias, c, p.RowCapacity, 0, p.Rows, 0, p.Panels));
            Assert.IsFalse(c.AsSpan().ContainsAnyExcept(MatrixOracle.Untouched));
            Assert.Throws<ArgumentException>(() => p.Order());
        }
    }

    /// <summary>Rows of another slot lie in the table but are not the slot's: a gradient would go to the wrong weights.</summary>
    [TestMethod]
    public void RowsOfAnotherSlot_AreRefusedByTheOrderInEveryPlace()
    {
        var p = new TableProblem(s_slots, lines: 9, rows: 2, units: 3);
        for (int at = 0; at < p.Indices.Length; at++)
        {
            int slot = at % s_slots.Length, good = p.Indices[at];
            foreach (int bad in new[] { p.Layout.FirstRows[slot] - 1, p.Layout.LastRows[slot] + 1 })
            {
                p.Indices[at] = bad;
                Assert.Throws<ArgumentException>(() => p.Order());
            }
            p.Indices[at] = good;
            if (slot >= 9)
                continue;
            int fractionAt = at / s_slots.Length * 9 + slot;
            float fraction = p.Fractions[fractionAt];
            (p.Indices[at], p.Fractions[fractionAt]) = (p.Layout.LastRows[slot], 0.5f);
            Assert.Throws<ArgumentException>(() => p.Order());
            p.Fractions[fractionAt] = 0f;
            p.Order();
            (p.Indices[at], p.Fractions[fractionAt]) = (good, fraction);
        }
        Assert.Throws<ArgumentException>(() => new TableOrder(p.Layout).Sort(new TableBatch(p.Indices, p.Fractions, 2, 10, 9)));
    }

    [TestMethod]
    public void SpansAndRangesThatDoNotFit_AreRefusedBeforeAnythingIsWritten()
    {
        var p = new TableProblem(s_slots, lines: 9, rows: 7, units: 40);
        float[] table = p.Table(), c = MatrixOracle.Filled(p.Panels * 16 * p.RowCapacity), w = MatrixOracle.Filled(p.Weights.Length);
        TableOrder order = p.Order();
        int tableRows = p.Layout.Rows, capacity = p.RowCapacity;

        void Forward(float[]? t = null, int? rows = null, float[]? bias = null, float[]? result = null, int? rowCapacity = null,
            int first = 0, int end = 7, int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(() => TableSums.Forward(p.Batch, t ?? table, rows ?? tableRows, bias ?? p.Bias,
                result ?? c, rowCapacity ?? capacity, first, end, firstPanel, endPanel));
        Forward(t: table[1..]);
        Forward(rows: tableRows - 20);
        Forward(rows: -1);
        Forward(bias: p.Bias[1..]);
        Forward(result: c[1..]);
        Forward(rowCapacity: 6);
        Forward(first: -1);
        Forward(first: 5, end: 4);
        Forward(end: 8);
        Forward(firstPanel: -1);
        Forward(firstPanel: 2, endPanel: 1);
        Forward(endPanel: 4);
        Forward(endPanel: int.MaxValue);

        void FromWeights(float[]? weights = null, int? weightRows = null, float[]? bias = null, float[]? result = null,
            int? rowCapacity = null, int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(() => TableSums.ForwardFromWeights(order, weights ?? p.Weights, weightRows ?? p.WeightRows,
                bias ?? p.Bias, result ?? c, rowCapacity ?? capacity, firstPanel, endPanel));
        FromWeights(weights: p.Weights[1..]);
        FromWeights(weightRows: p.Layout.WeightRows - 1);
        FromWeights(bias: p.Bias[1..]);
        FromWeights(result: c[1..]);
        FromWeights(rowCapacity: 6);
        FromWeights(firstPanel: -1);
        FromWeights(firstPanel: 2, endPanel: 1);
        FromWeights(endPanel: 4);

        void Gradient(float[]? g = null, int? rowCapacity = null, float[]? gradient = null, int? weightRows = null,
            int firstPanel = 0, int endPanel = 3)
            => Assert.Throws<ArgumentException>(() => TableSums.WeightGradient(
                order, g ?? p.G, rowCapacity ?? capacity, gradient ?? w, weightRows ?? p.WeightRows, firstPanel, endPanel));
        Gradient(g: p.G[1..]);
        Gradient(rowCapacity: 6);
        Gradient(gradient: w[1..]);
        Gradient(weightRows: p.Layout.WeightRows - 1);
        Gradient(firstPanel: -1);
        Gradient(firstPanel: 2, endPanel: 1);
        Gradient(endPanel: 4);

        void Sums(float[]? weights = null, int? weightRows = null, int firstPanel = 0, int endPanel = 3, int cut = 0)
            => Assert.Throws<ArgumentException>(() => TableSums.RunningSums(
                p.Layout, weights ?? p.Weights, weightRows ?? p.WeightRows, table.AsSpan(cut), firstPanel, endPanel));
        Sums(weights: p.Weights[1..]);
        Sums(weightRows: p.Layout.WeightRows - 1);
        Sums(cut: 1);
        Sums(firstPanel: -1);
        Sums(firstPanel: 2, endPanel: 1);
        Sums(endPanel: 4);

        Assert.IsFalse(c.AsSpan().ContainsAnyExcept(MatrixOracle.Untouched));
        Assert.IsFalse(w.AsSpan().ContainsAnyExcept(MatrixOracle.Untouched));
    }
}
