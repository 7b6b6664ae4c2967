using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>
/// Where the pieces of a numeric slot begin and end. The encoded row shows it: a piece is 0 at its start and 1 at its end.
/// </summary>
[TestClass]
public sealed class InputPiecesTests
{
    /// <summary>A piece is multiplied by a rounded inverse.</summary>
    private const float Rounding = 1e-6f;

    [TestMethod]
    public void Fit_FewDistinctValues_HaveAPieceBetweenEachTwo()
    {
        float[][] encoded = Encode([.. Enumerable.Range(0, 100).Select(i => (float)(i % 5))], pieces: 8, at: [0, 2, 2.5f, 4, 9]);

        CollectionAssert.AreEqual(new float[] { 0, 0, 0, 0 }, encoded[0]);
        CollectionAssert.AreEqual(new float[] { 1, 1, 0, 0 }, encoded[1]);
        CollectionAssert.AreEqual(new float[] { 1, 1, 0.5f, 0 }, encoded[2]);
        CollectionAssert.AreEqual(new float[] { 1, 1, 1, 1 }, encoded[3]);
        CollectionAssert.AreEqual(new float[] { 1, 1, 1, 1 }, encoded[4]);
    }

    [TestMethod]
    public void Fit_EvenValues_AreCutIntoEqualParts()
    {
        float[][] encoded = Encode([.. Enumerable.Range(0, 1000).Select(i => (float)i)], pieces: 4, at: [0, 250, 500, 750, 999]);
        for (int piece = 0; piece <= 4; piece++)
        {
            for (int i = 0; i < 4; i++)
                Assert.AreEqual(i < piece ? 1 : 0, encoded[piece][i], Rounding);
        }
    }

    /// <summary>Nine rows of ten are zero: quantiles would put nearly all edges on the zero, and could not tell the others apart.</summary>
    [TestMethod]
    public void Fit_ValueOfMostRows_DoesNotUseUpThePieces()
    {
        float[] values = [.. Enumerable.Range(0, 1000).Select(i => i % 10 == 0 ? 100f + i : 0f)];
        float[][] encoded = Encode(values, pieces: 8, at: [0, 100, 400, 700, 1090]);

        Assert.IsInRange(7, 8, encoded[0].Length);
        Assert.AreEqual(0, encoded[0].Sum());
        Assert.AreEqual(1, encoded[1].Sum(), Rounding, "The first piece ends where the other values begin.");
        Assert.IsInRange(2.5, 4.5, encoded[2].Sum());
        Assert.IsInRange(4.5, 6.5, encoded[3].Sum());
        Assert.AreEqual(encoded[4].Length, encoded[4].Sum(), 8 * Rounding);
    }

    /// <summary>The same with noise about the zero, which is no more to be told apart than the zeros were.</summary>
    [TestMethod]
    [DataRow(1e-6f)]
    [DataRow(0.01f)]
    public void Fit_NearlyEqualValuesOfMostRows_DoNotUseUpThePieces(float noise)
    {
        var random = new Random(4);
        float[] values = [.. Enumerable.Range(0, 1000).Select(i => i % 5 == 0 ? 100f + i : noise * (float)(random.NextDouble() - 0.5))];
        float[][] encoded = Encode(values, pieces: 8, at: [100, 400, 700, 1095]);
        // 200 rows that are no zeros make 12 pieces of 16.
        Assert.IsInRange(9, 12, encoded[0].Length);
        float[] sums = [.. encoded.Select(pieces => pieces.Sum())];
        Assert.IsTrue(sums[1] - sums[0] > 1 && sums[2] - sums[1] > 1 && sums[3] - sums[2] > 1, string.Join(", ", sums));
    }

    /// <summary>
    /// Of 20,000 rows 18,000 are zero and the others one of 101 amounts: each amount can have a weight of its own. Where no more than half
    /// of the rows are zero, or there are few others, or many slots, there are fewer pieces, and in the end as many as usual.
    /// </summary>
    [TestMethod]
    [DataRow(20_000, 10, 1, 101)]
    [DataRow(20_000, 10, 20, 101)]
    [DataRow(20_000, 10, 64, 32)]
    [DataRow(20_000, 10, 40, 51)]
    [DataRow(20_000, 3, 1, 101)]
    [DataRow(20_000, 2, 1, 32)]
    [DataRow(20_000, 1, 1, 32)]
    [DataRow(1_000, 10, 1, 32)]
    [DataRow(8_000, 10, 1, 50)]
    public void Fit_ValuesBesideThatOfMostRows_HaveFinePieces(int rows, int everyHow, int slots, int most)
    {
        var table = new TrainingTable(slots, 1, false);
        var values = new float[slots];
        for (int row = 0; row < rows; row++)
        {
            Array.Fill(values, row % everyHow == 0 ? 1 + 7919 * (row / everyHow) % 101 : 0);
            table.Add(values, [0], 1);
        }
        InputEncoder encoder = EncoderLearning.Learn(new MemoryRows(table), 32);
        int[] pieces = [.. encoder.Part<Pieces>()!.All.ToArray().CountBy(piece => piece.Source).Select(slot => slot.Value)];
        Assert.HasCount(slots, pieces);
        Assert.IsInRange(most * 6 / 10, most, pieces.Max());
        if (most == 101)
            Assert.AreEqual(101, pieces.Max(), "One between each two values.");
        Assert.AreEqual(pieces.Min(), pieces.Max());
    }

    [TestMethod]
    public void Fit_AnyValues_NeverHaveMorePiecesThanAskedFor()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 200; trial++)
        {
            int pieces = random.Next(2, 20);
            int rows = random.Next(3, 300), distinct = random.Next(2, 60);
            float[] values = [.. Enumerable.Range(0, rows)
                .Select(_ => (float)Math.Floor(distinct * Math.Pow(random.NextDouble(), 1 + trial % 5)))];
            float[] largest = Encode(values, pieces, [values.Max()])[0], smallest = Encode(values, pieces, [values.Min()])[0];
            // Values that fill a piece by themselves; where most rows are of these, pieces of 16 of the others may be more.
            int others = values.CountBy(value => value).Where(value => value.Value * (long)pieces < rows).Sum(value => value.Value);
            Assert.IsLessThanOrEqualTo(2 * others < rows ? Math.Clamp(others / 16, pieces, 4 * pieces) : pieces, largest.Length);
            Assert.IsTrue(
                largest.All(piece => piece > 1 - Rounding) && smallest.All(piece => piece == 0),
                "Pieces cover the values from the smallest to the largest.");
        }
    }

    /// <summary>The pieces of one slot fitted to <paramref name="values"/>, for the values <paramref name="at"/>.</summary>
    private static float[][] Encode(float[] values, int pieces, float[] at)
    {
        var table = new TrainingTable(1, 1, false);
        foreach (float value in values)
            table.Add([value], [0], 1);
        InputEncoder encoder = EncoderLearning.Learn(new MemoryRows(table), pieces);
        return
        [
            .. at.Select(value =>
            {
                float[] row = new float[encoder.EncodedInputs];
                encoder.Encode([value], row);
                return row[1..];
            }),
        ];
    }
}
