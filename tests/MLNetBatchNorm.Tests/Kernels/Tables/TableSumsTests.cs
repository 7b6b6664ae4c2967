using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Sums of table rows: the bits of the definition for every vector width, size and cut.</summary>
[TestClass]
public sealed class TableSumsTests
{
    /// <summary>Pieces and plain rows: one piece and many, with and without a missing row, categories, lines between plain rows.</summary>
    private static readonly (int, int)[] s_slots = [(1, 0), (32, 1), (7, 2), (0, 5), (2, 1), (0, 1), (0, 40), (40, 0)];

    private delegate void Forward(in TableBatch batch, ReadOnlySpan<float> table, int tableRows, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstRow, int endRow, int firstPanel, int endPanel);

    private delegate void ForwardFromWeights(TableOrder order, ReadOnlySpan<float> weights, int weightRows, ReadOnlySpan<float> bias,
        Span<float> c, int cRowCapacity, int firstPanel, int endPanel);

    private delegate void WeightGradient(TableOrder order, ReadOnlySpan<float> g, int gRowCapacity, Span<float> gradient, int weightRows,
        int firstPanel, int endPanel);

    private delegate void RunningSums(
        TableLayout layout, ReadOnlySpan<float> weights, int weightRows, Span<float> table, int firstPanel, int endPanel);

    private sealed record Kernels(string Name, Forward Forward, ForwardFromWeights FromWeights, WeightGradient Gradient, RunningSums Sums);

    private static IEnumerable<Kernels> All()
    {
        yield return new("entry point", TableSums.Forward, TableSums.ForwardFromWeights, TableSums.WeightGradient, TableSums.RunningSums);
        if (Vector512.IsHardwareAccelerated)
            yield return OfWidth<Simd512, Vector512<float>>("512 bits");
        if (Vector256.IsHardwareAccelerated && Fma.IsSupported)
            yield return OfWidth<Simd256, Vector256<float>>("256 bits");
        yield return OfWidth<Simd128, Vector128<float>>("128 bits");
    }

    private static Kernels OfWidth<TSimd, V>(string name)
        where TSimd : struct, ISimd<V>
        where V : struct
        => new(name, TableSums.Forward<TSimd, V>, TableSums.ForwardFromWeights<TSimd, V>, TableSums.WeightGradient<TSimd, V>,
            TableSums.RunningSums<TSimd, V>);

    [TestMethod]
    public void RowsFrom0To67_HaveTheBitsOfTheDefinition()
    {
        for (int rows = 0; rows <= 67; rows++)
            CheckBits(new TableProblem(s_slots, lines: 5, rows, units: 20));
        CheckBits(new TableProblem(s_slots, lines: 5, rows: 300, units: 20));
    }

    [TestMethod]
    public void UnitsFrom0To67AndManyPanels_HaveTheBitsOfTheDefinition()
    {
        for (int units = 0; units <= 67; units++)
            CheckBits(new TableProblem(s_slots, lines: 5, rows: 13, units));
        foreach (int panels in new[] { 5, 6, 7, 8, 9, 16 })
            CheckBits(new TableProblem(s_slots, lines: 5, rows: 13, panels * 16));
    }

    [TestMethod]
    public void AnyNumberOfSlotsAndLines_HasTheBitsOfTheDefinition()
    {
        for (int slots = 0; slots <= 20; slots++)
        {
            foreach (int lines in new[] { 0, slots / 2, slots })
            {
                var shape = new (int, int)[slots];
                for (int s = 0; s < slots; s++)
                    shape[s] = s_slots[s % s_slots.Length];
                CheckBits(new TableProblem(shape, lines, rows: 11, units: 17));
            }
        }
    }

    [TestMethod]
    public void OnePieceAndOneUnit_HasTheBitsOfTheDefinition()
    {
        CheckBits(new TableProblem([(1, 0)], lines: 1, rows: 9, units: 1));
        CheckBits(new TableProblem([(1, 1)], lines: 1, rows: 1, units: 1));
        CheckBits(new TableProblem([(0, 1)], lines: 1, rows: 1, units: 1));
        CheckBits(new TableProblem([(1000, 1)], lines: 1, rows: 100, units: 1));
    }

    /// <summary>Panels and rows in parts, in any order, give what the whole gives; nothing outside of the ranges is written.</summary>
    [TestMethod]
    public void PartsOfPanelsAndRows_AreTheSameBitsAndNothingElseIsWritten()
    {
        var p = new TableProblem(s_slots, lines: 5, rows: 21, units: 7 * 16);
        float[] table = p.Table(), whole = Results(p), expected = (float[])whole.Clone(), gradient = p.WeightGradient();
        p.Forward(table, p.Bias, expected, 0, p.Rows, 0, p.Panels);
        TableOrder order = p.Order();
        foreach (Kernels k in All())
        {
            foreach (int panelsAtOnce in new[] { 1, 2, 3, 4, 5, 7 })
            {
                float[] c = Results(p), fromWeights = Results(p);
                float[] parts = MatrixOracle.Filled(gradient.Length), sums = new float[table.Length];
                for (int panel = p.Panels - p.Panels % panelsAtOnce; panel >= 0; panel -= panelsAtOnce)
                {
                    int end = Math.Min(panel + panelsAtOnce, p.Panels);
                    for (int row = 0, step = 1; row < p.Rows; row += step++)
                        k.Forward(p.Batch, table, p.Layout.Rows, p.Bias, c, p.RowCapacity, row, Math.Min(row + step, p.Rows), panel, end);
                    k.FromWeights(order, p.Weights, p.WeightRows, p.Bias, fromWeights, p.RowCapacity, panel, end);
                    k.Gradient(order, p.G, p.RowCapacity, parts, p.WeightRows, panel, end);
                    k.Sums(p.Layout, p.Weights, p.WeightRows, sums, panel, end);
                }
                AssertSame(expected, c, $"{k.Name}, forward, {panelsAtOnce} panels");
                AssertSame(expected, fromWeights, $"{k.Name}, forward from weights, {panelsAtOnce} panels");
                AssertSame(gradient, parts, $"{k.Name}, gradient, {panelsAtOnce} panels");
                AssertSame(table, sums, $"{k.Name}, table, {panelsAtOnce} panels");
            }

            float[] part = (float[])whole.Clone(), partExpected = (float[])whole.Clone();
            p.Forward(table, p.Bias, partExpected, 3, 17, 2, 5);
            k.Forward(p.Batch, table, p.Layout.Rows, p.Bias, part, p.RowCapacity, 3, 17, 2, 5);
            AssertSame(partExpected, part, $"{k.Name}, a part");
            float[] gradientPart = MatrixOracle.Filled(gradient.Length);
            k.Gradient(order, p.G, p.RowCapacity, gradientPart, p.WeightRows, 2, 5);
            int panelLength = 16 * p.WeightRows;
            AssertSame(gradient[(2 * panelLength)..(5 * panelLength)], gradientPart[(2 * panelLength)..(5 * panelLength)], k.Name);
            Assert.IsFalse(gradientPart.AsSpan(0, 2 * panelLength).ContainsAnyExcept(MatrixOracle.Untouched), k.Name);
            Assert.IsFalse(gradientPart.AsSpan(5 * panelLength).ContainsAnyExcept(MatrixOracle.Untouched), k.Name);
        }
    }

    [TestMethod]
    public void RowAlone_HasTheBitsOfTheRowInItsBatch()
    {
        var p = new TableProblem(s_slots, lines: 5, rows: 30, units: 100);
        float[] table = p.Table(), c = Results(p);
        TableSums.Forward(p.Batch, table, p.Layout.Rows, p.Bias, c, p.RowCapacity, 0, p.Rows, 0, p.Panels);
        float[] alone = new float[p.Panels * 16];
        for (int r = 0; r < p.Rows; r++)
        {
            var row = new TableBatch(p.Indices.AsSpan(r * 8, 8), p.Fractions.AsSpan(r * 5, 5), 1, 8, 5);
            TableSums.Forward(row, table, p.Layout.Rows, p.Bias, alone, 1, 0, 1, 0, p.Panels);
            for (int n = 0; n < alone.Length; n++)
                AssertSame([c[PanelLayout.Index(r, n, p.RowCapacity)]], [alone[n]], $"row {r}, unit {n}");
        }
    }

    [TestMethod]
    public void ForwardOfTwoTables_IsThatOfOneWithAllSlots()
    {
        var p = new TableProblem(s_slots, lines: 5, rows: 12, units: 40);
        float[] table = p.Table(), expected = Results(p), c = Results(p);
        p.Forward(table, p.Bias, expected, 0, p.Rows, 0, p.Panels);
        int[] first = new int[p.Rows * 5], second = new int[p.Rows * 3];
        for (int r = 0; r < p.Rows; r++)
        {
            p.Indices.AsSpan(r * 8, 5).CopyTo(first.AsSpan(r * 5));
            p.Indices.AsSpan(r * 8 + 5, 3).CopyTo(second.AsSpan(r * 3));
        }
        var lines = new TableBatch(first, p.Fractions, p.Rows, 5, 5);
        var plain = new TableBatch(second, [], p.Rows, 3, 0);
        TableSums.Forward(lines, table, p.Layout.Rows, p.Bias, c, p.RowCapacity, 0, p.Rows, 0, p.Panels);
        TableSums.Forward(plain, table, p.Layout.Rows, [], c, p.RowCapacity, 0, p.Rows, 0, p.Panels);
        AssertSame(expected, c, "two calls");
    }

    /// <summary>With the fraction 0 the next row is not touched: it may be another slot's, or lie behind the table.</summary>
    [TestMethod]
    public void Forward_FractionOfZero_TakesNothingFromTheNextRow()
    {
        float[] table = new float[2 * 16], c = new float[16];
        table.AsSpan(0, 16).Fill(3);
        table.AsSpan(16, 16).Fill(float.NaN);
        TableSums.Forward(new TableBatch([0], [0f], 1, 1, 1), table, 2, [], c, 1, 0, 1, 0, 1);
        Assert.IsTrue(c.All(value => value == 3));
        TableSums.Forward(new TableBatch([0], [0f], 1, 1, 1), table, 1, [], c, 1, 0, 1, 0, 1);
        Assert.IsTrue(c.All(value => value == 6));
        TableSums.Forward(new TableBatch([0], [float.Epsilon], 1, 1, 1), table, 2, [], c, 1, 0, 1, 0, 1);
        Assert.IsTrue(c.All(float.IsNaN));
    }

    [TestMethod]
    public void BitwiseChecks_DetectOneFractionAndOneIndex()
    {
        var p = new TableProblem(s_slots, lines: 5, rows: 13, units: 20);
        float[] expected = Results(p), gradient = p.WeightGradient(), table = p.Table();
        p.Forward(table, p.Bias, expected, 0, p.Rows, 0, p.Panels);
        int at = Array.FindIndex(p.Fractions, f => f is > 0.1f and < 0.9f);
        p.Fractions[at] += 1e-3f;
        CheckDifferent();
        p.Fractions[at] -= 1e-3f;
        p.Indices[6 * s_slots.Length + 6] ^= 1;
        CheckDifferent();

        void CheckDifferent()
        {
            float[] c = Results(p), fromWeights = Results(p), found = MatrixOracle.Filled(gradient.Length);
            TableSums.Forward(p.Batch, table, p.Layout.Rows, p.Bias, c, p.RowCapacity, 0, p.Rows, 0, p.Panels);
            TableSums.ForwardFromWeights(p.Order(), p.Weights, p.WeightRows, p.Bias, fromWeights, p.RowCapacity, 0, p.Panels);
            TableSums.WeightGradient(p.Order(), p.G, p.RowCapacity, found, p.WeightRows, 0, p.Panels);
            Assert.AreNotEqual(-1, MatrixOracle.FirstDifference(expected, c));
            Assert.AreNotEqual(-1, MatrixOracle.FirstDifference(expected, fromWeights));
            Assert.AreNotEqual(-1, MatrixOracle.FirstDifference(gradient, found));
        }
    }

    [TestMethod]
    public void Order_UsedAgainForSmallerAndEmptyBatches_HoldsNothingOfTheFormerOnes()
    {
        var order = new TableOrder(new TableProblem(s_slots, 5, 1, 1).Layout);
        foreach (int rows in new[] { 50, 7, 0, 60, 1 })
        {
            var p = new TableProblem(s_slots, lines: 5, rows, units: 20, seed: rows + 1);
            order.Sort(p.Batch);
            float[] gradient = MatrixOracle.Filled(p.Panels * 16 * p.WeightRows);
            TableSums.WeightGradient(order, p.G, p.RowCapacity, gradient, p.WeightRows, 0, p.Panels);
            AssertSame(p.WeightGradient(), gradient, $"{rows} rows");
        }
    }

    [TestMethod]
    public void Calls_AllocateNothing()
    {
        var p = new TableProblem(s_slots, lines: 5, rows: 33, units: 40);
        float[] table = p.Table(), c = Results(p), gradient = new float[p.Panels * 16 * p.WeightRows];
        TableOrder order = p.Order();
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.AreEqual(before, GC.GetAllocatedBytesForCurrentThread());

        void Run()
        {
            order.Sort(p.Batch);
            TableSums.RunningSums(p.Layout, p.Weights, p.WeightRows, table, 0, p.Panels);
            TableSums.Forward(p.Batch, table, p.Layout.Rows, p.Bias, c, p.RowCapacity, 0, p.Rows, 0, p.Panels);
            TableSums.ForwardFromWeights(order, p.Weights, p.WeightRows, p.Bias, c, p.RowCapacity, 0, p.Panels);
            TableSums.WeightGradient(order, p.G, p.RowCapacity, gradient, p.WeightRows, 0, p.Panels);
        }
    }

    /// <summary>Every kernel of every width, with and without a bias, on aligned memory and one float beside it.</summary>
    private static void CheckBits(TableProblem p)
    {
        float[] table = p.Table(), fromBias = Results(p), fromResult = Results(p), gradient = p.WeightGradient();
        p.Forward(table, p.Bias, fromBias, 0, p.Rows, 0, p.Panels);
        p.Forward(table, [], fromResult, 0, p.Rows, 0, p.Panels);
        TableOrder order = p.Order();
        string what = $"{p.Rows} rows, {p.Units} units, {p.Layout.Slots} slots, {p.Lines} lines";
        foreach (Kernels k in All())
        {
            for (int shift = 0; shift < 2; shift++)
            {
                var c = new Guarded(Results(p), shift);
                k.Forward(p.Batch, table, p.Layout.Rows, p.Bias, c.Span, p.RowCapacity, 0, p.Rows, 0, p.Panels);
                AssertSame(fromBias, c.Span, $"{k.Name}, forward from the bias, {what}");
                Results(p).CopyTo(c.Span);
                k.FromWeights(order, p.Weights, p.WeightRows, p.Bias, c.Span, p.RowCapacity, 0, p.Panels);
                AssertSame(fromBias, c.Span, $"{k.Name}, forward from weights and the bias, {what}");
                Results(p).CopyTo(c.Span);
                k.Forward(p.Batch, table, p.Layout.Rows, [], c.Span, p.RowCapacity, 0, p.Rows, 0, p.Panels);
                AssertSame(fromResult, c.Span, $"{k.Name}, forward, {what}");
                Results(p).CopyTo(c.Span);
                k.FromWeights(order, p.Weights, p.WeightRows, [], c.Span, p.RowCapacity, 0, p.Panels);
                AssertSame(fromResult, c.Span, $"{k.Name}, forward from weights, {what}");
                c.AssertUntouchedAround(k.Name);

                var found = new Guarded(MatrixOracle.Filled(gradient.Length), shift);
                k.Gradient(order, p.G, p.RowCapacity, found.Span, p.WeightRows, 0, p.Panels);
                AssertSame(gradient, found.Span, $"{k.Name}, gradient, {what}");
                found.AssertUntouchedAround(k.Name);

                var sums = new Guarded(table.Length, shift);
                k.Sums(p.Layout, p.Weights, p.WeightRows, sums.Span, 0, p.Panels);
                AssertSame(table, sums.Span, $"{k.Name}, table, {what}");
                sums.AssertUntouchedAround(k.Name);
            }
        }
    }

    /// <summary>What a dense part may have left in the result.</summary>
    private static float[] Results(TableProblem p) => MatrixOracle.Random(p.Panels * 16 * p.RowCapacity, 77);

    private static void AssertSame(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
        => Assert.AreEqual(-1, MatrixOracle.FirstDifference(expected, actual), what);
}
