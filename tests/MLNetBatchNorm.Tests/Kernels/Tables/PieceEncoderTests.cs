using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Kernels;

/// <summary>Index and fraction of raw values against the pieces themselves.</summary>
[TestClass]
public sealed class PieceEncoderTests
{
    private const int FirstRow = 1000, Missing = 7;

    /// <summary>Numbers of pieces around those that are compared one and all, and around whole vectors.</summary>
    public static IEnumerable<object[]> PieceCounts
        => new[] { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 34, 47, 63, 64, 65, 66, 100, 127, 128, 129, 255, 257, 1000 }
            .Select(k => new object[] { k });

    [TestMethod]
    [DynamicData(nameof(PieceCounts))]
    public void ValuesOnBordersBesideThemAndAnywhere_HaveTheirPieceAndItsFraction(int pieces)
    {
        float[] borders = Borders(pieces, pieces);
        var encoder = new PieceEncoder([new(0, FirstRow, Missing, borders)]);
        var random = new Random(pieces);
        var values = new List<float> { float.MinValue, float.MaxValue, float.NegativeInfinity, float.PositiveInfinity, 0f, -0f };
        foreach (float border in borders)
            values.AddRange([border, MathF.BitIncrement(border), MathF.BitDecrement(border)]);
        for (int i = 0; i < 300; i++)
            values.Add((float)((random.NextDouble() - 0.5) * 8));
        foreach (float value in values)
        {
            (int index, float fraction) = Encode(encoder, value);
            int piece = pieces - 1;
            while (piece > 0 && borders[piece] > value)
                piece--;
            Assert.AreEqual(FirstRow + piece, index, $"{value}");
            for (int k = 0; k < pieces; k++)
            {
                float scale = (float)(1 / ((double)borders[k + 1] - borders[k])), p = new InputPiece(0, borders[k], scale).Encode([value]);
                if (k == piece)
                    Assert.AreEqual(BitConverter.SingleToInt32Bits(p), BitConverter.SingleToInt32Bits(fraction), $"{value}");
                else if (k < piece)
                    Assert.AreEqual(1f, p, 3 * (float)KernelTesting.U, $"{value}, piece {k}");
                else
                    Assert.AreEqual(0f, p, $"{value}, piece {k}");
            }
        }
    }

    [TestMethod]
    public void EndsBordersAndMissing_AreAsPromised()
    {
        var encoder = new PieceEncoder([new(0, FirstRow, Missing, [-1, 0, 2, 4])]);
        Assert.AreEqual((FirstRow, 0f), Encode(encoder, float.NegativeInfinity));
        Assert.AreEqual((FirstRow, 0f), Encode(encoder, -5));
        Assert.AreEqual((FirstRow, 0f), Encode(encoder, -1));
        Assert.AreEqual((FirstRow, 0.5f), Encode(encoder, -0.5f));
        Assert.AreEqual((FirstRow + 1, 0f), Encode(encoder, 0));
        Assert.AreEqual((FirstRow + 1, 0f), Encode(encoder, -0f));
        Assert.AreEqual((FirstRow + 1, 0.75f), Encode(encoder, 1.5f));
        Assert.AreEqual((FirstRow + 2, 0f), Encode(encoder, 2));
        Assert.AreEqual((FirstRow + 2, 1f), Encode(encoder, 4));
        Assert.AreEqual((FirstRow + 2, 1f), Encode(encoder, 5));
        Assert.AreEqual((FirstRow + 2, 1f), Encode(encoder, float.PositiveInfinity));
        Assert.AreEqual((Missing, 0f), Encode(encoder, float.NaN));
        Assert.AreEqual((Missing, 0f), Encode(encoder, BitConverter.Int32BitsToSingle(unchecked((int)0xFFC12345))));
    }

    /// <summary>A fraction of a value that is no NaN lies between 0 and 1 whatever the borders are.</summary>
    [TestMethod]
    public void ExtremeBorders_GiveFractionsBetween0And1()
    {
        float[][] cases =
        [
            [float.MinValue, float.MaxValue],
            [float.MinValue, 0, float.MaxValue],
            [0, float.Epsilon, 2 * float.Epsilon],
            [-float.Epsilon, 0, 1e-40f, 1],
            [1, MathF.BitIncrement(1), 1e30f],
        ];
        foreach (float[] borders in cases)
        {
            var encoder = new PieceEncoder([new(0, FirstRow, Missing, borders)]);
            float[] values = [.. borders, float.MinValue, -1, 0, 1e-41f, 1e-20f, 1, 1e20f, float.MaxValue, float.PositiveInfinity];
            foreach (float value in values)
            {
                (int index, float fraction) = Encode(encoder, value);
                Assert.IsTrue(fraction is >= 0 and <= 1, $"{value} has {fraction}");
                Assert.IsTrue(index >= FirstRow && index <= FirstRow + borders.Length - 2, $"{value} has {index}");
            }
        }
    }

    [TestMethod]
    public void ManySlots_AreEncodedLikeEachAlone_FromTheirSources()
    {
        var random = new Random(3);
        int[] pieceCounts = [5, 1, 40, 32, 3, 100, 2, 8];
        var slots = new PieceSlot[pieceCounts.Length];
        for (int s = 0; s < slots.Length; s++)
            slots[s] = new PieceSlot(2 * (slots.Length - s), 10 * s, 500 + s, Borders(pieceCounts[s], s));
        var encoder = new PieceEncoder(slots);
        Assert.AreEqual(8, encoder.Slots);
        Assert.AreEqual(17, encoder.RawSlots);
        int[] indices = new int[8];
        float[] fractions = new float[8];
        for (int trial = 0; trial < 200; trial++)
        {
            float[] raw = KernelTesting.Normal(random, 17);
            raw[random.Next(17)] = float.NaN;
            encoder.Encode(raw, indices, fractions);
            for (int s = 0; s < slots.Length; s++)
                Assert.AreEqual(Encode(new PieceEncoder([slots[s] with { Source = 0 }]), raw[slots[s].Source]), (indices[s], fractions[s]));
        }
    }

    [TestMethod]
    public void BordersAndSpansThatDoNotFit_AreRefused()
    {
        float[][] wrong = [[], [1], [1, 1], [2, 1], [0, 1, 1], [0, float.PositiveInfinity], [float.NaN, 1], [0, float.NaN]];
        foreach (float[] borders in wrong)
            Assert.Throws<ArgumentException>(() => new PieceEncoder([new(0, 0, 0, borders)]));
        Assert.Throws<ArgumentException>(() => new PieceEncoder([new(0, 0, 0, null!)]));
        Assert.Throws<ArgumentException>(() => new PieceEncoder([new(-1, 0, 0, [0, 1])]));
        Assert.Throws<ArgumentException>(() => new PieceEncoder([new(0, -1, 0, [0, 1])]));
        Assert.Throws<ArgumentException>(() => new PieceEncoder([new(0, 0, -1, [0, 1])]));
        var encoder = new PieceEncoder([new(0, 0, 2, [0, 1]), new(1, 3, 5, [0, 1])]);
        Assert.Throws<ArgumentException>(() => encoder.Encode(new float[1], new int[2], new float[2]));
        Assert.Throws<ArgumentException>(() => encoder.Encode(new float[2], new int[1], new float[2]));
        Assert.Throws<ArgumentException>(() => encoder.Encode(new float[2], new int[2], new float[1]));
        new PieceEncoder([]).Encode([], [], []);
    }

    private static float[] Borders(int pieces, int seed)
    {
        float[] borders = KernelTesting.Normal(new Random(seed), pieces + 1);
        Array.Sort(borders);
        for (int k = 1; k < borders.Length; k++)
        {
            if (borders[k] <= borders[k - 1])
                borders[k] = MathF.BitIncrement(borders[k - 1]);
        }
        return borders;
    }

    private static (int Index, float Fraction) Encode(PieceEncoder encoder, float value)
    {
        int[] index = [-1];
        float[] fraction = [-1];
        encoder.Encode([value], index, fraction);
        return (index[0], fraction[0]);
    }
}
