using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>What an encoder learns from rows, and that a row is encoded to the same bits in whatever form it comes.</summary>
[TestClass]
public sealed class EncoderLearningTests
{
    private static double Gauss(ref RandomStream random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <summary>Rows of several machines in turn: any k-th row would be of one of them only.</summary>
    [TestMethod]
    [DataRow(1L << 30, false)]
    [DataRow(1L << 20, false)]
    [DataRow(1L << 30, true)]
    [DataRow(1L << 20, true)]
    public void Learn_OfRowsInTurns_SeesAllOfThem(long budget, bool sparse)
    {
        const int count = 120_000, machines = 4;
        RowStore rows = Collect(
            count, budget, sparse, (int row, ref RandomStream random) => [(float)(1000 * (row % machines + 1) + Gauss(ref random)), row]);
        using (rows)
        {
            InputEncoder encoder = EncoderLearning.Learn(rows, piecesPerSlot: 32);
            float[] edges = [.. encoder.Part<Pieces>()!.All.ToArray().Where(piece => piece.Source == 0).Select(piece => piece.Start)];
            for (int machine = 1; machine <= machines; machine++)
                Assert.IsGreaterThan(3, edges.Count(edge => Math.Abs(edge - 1000 * machine) < 10), $"Edges at machine {machine}.");
            Assert.AreEqual(2500, encoder.Part<ScaleAndClip>()!.Center[0], 600);
            double error = count * 0.5 / Math.Sqrt(rows.Sample(RowStore.LargestSample).Count);
            Assert.AreEqual(count / 2.0, encoder.Part<ScaleAndClip>()!.Center[1], 4 * error);
        }
    }

    [TestMethod]
    public void Sample_OfRowsInMemory_IsThatOfRowsInAFile()
    {
        using RowStore memory = Collect(5_000, 1L << 30, false, (int row, ref RandomStream random) => [row]);
        using RowStore file = Collect(5_000, 1 << 16, false, (int row, ref RandomStream random) => [row]);
        Assert.IsFalse(file.IsInMemory);
        TableRows ofFile = file.Sample(RowStore.LargestSample), ofMemory = memory.Sample(ofFile.Count);
        CollectionAssert.AreEqual(Values(ofMemory), Values(ofFile));
        Assert.AreEqual(2500, Values(ofFile).Average(), 5 * 5000 / Math.Sqrt(12 * ofFile.Count));

        static float[] Values(TableRows rows) => [.. rows.Rows.Select(row => rows.Table.Value(row, 0))];
    }

    /// <summary>
    /// Most rows hold noise about a value, some what matters: the noise is not what the column is
    /// measured by, however small it is, or nothing.
    /// </summary>
    [TestMethod]
    [DataRow(0.2)]
    [DataRow(0.1)]
    [DataRow(0.03)]
    [DataRow(0.24)]
    public void Spread_OfNearlyEqualQuartiles_IsThatOfTheOthers(double share)
    {
        double[] spreads = [.. new[] { 0, 1e-6, 1e-3, 0.01, 0.1 }.Select(noise =>
            Spread((ref RandomStream random) => (float)(random.NextDouble() < share ? 1 + 99 * random.NextDouble() : 5 + noise * Gauss(
                ref random))))];
        foreach (double spread in spreads)
            Assert.IsInRange(15, 60, spread, string.Join(", ", spreads));
    }

    /// <summary>The rule leaves ordinary columns to their quartiles, and outliers do not count.</summary>
    [TestMethod]
    public void Spread_OfOrdinaryColumns_IsTheDistanceOfTheQuartiles()
    {
        Assert.AreEqual(1.349, Spread((ref RandomStream random) => (float)Gauss(ref random)), 0.05);
        Assert.AreEqual(0.5, Spread((ref RandomStream random) => (float)random.NextDouble()), 0.02);
        Assert.AreEqual(1.0986, Spread((ref RandomStream random) => (float)-Math.Log(1 - random.NextDouble())), 0.06);
        Assert.AreEqual(1.454, Spread((ref RandomStream random) => (float)Math.Exp(Gauss(ref random))), 0.1);
        Assert.AreEqual(
            1.349, Spread((ref RandomStream random) => random.Next(5000) == 0 ? 1e9f : (float)Gauss(ref random)), 0.05, "Outliers.");
    }

    /// <summary>
    /// A category counts by the rows that have it, up to a few; one that no row has counts
    /// nothing. The same whether the data say so or not.
    /// </summary>
    [TestMethod]
    [DataRow(true, false)]
    [DataRow(true, true)]
    [DataRow(false, false)]
    [DataRow(false, true)]
    public void Scale_OfRareCategories_IsSmaller(bool annotated, bool sparse)
    {
        // Category i of five is in i rows, the last in all others.
        using RowStore rows = Collect(40, 1L << 30, sparse, (int row, ref RandomStream random) =>
        {
            var values = new float[5];
            values[row < 1 ? 1 : row < 3 ? 2 : row < 6 ? 3 : 4] = 1;
            return annotated ? values : values[1..];
        });
        SlotKind[] kinds = SlotKinds.Of(rows.Slots, annotated ? [true, true, true, true, true] : [], scale: true);
        float[] expected = [0, 0.25f, 0.5f, 0.75f, 1];
        CollectionAssert.AreEqual(
            annotated ? expected : expected[1..], EncoderLearning.Learn(rows, kinds).Part<ScaleAndClip>()!.Scale.ToArray());
        Assert.AreEqual(annotated ? SlotKind.Indicator : SlotKind.OneOfGroup, kinds[^1]);
    }

    /// <summary>
    /// A linear map of a missing value's columns is the mean of that of the training rows' columns: nothing is known, so nothing is said.
    /// </summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Encode_MissingValue_IsTheMeanOfItsColumns(bool missesInTraining)
    {
        RowStore rows = Collect(3_000, 1L << 30, false, (int row, ref RandomStream random) =>
        [
            missesInTraining && row % 50 == 1 ? float.NaN : (float)Math.Exp(Gauss(ref random)), row % 3 == 0 ? 7 : 2,
            row % 4 == 0 ? 1 : 0, row % 4 != 0 ? 1 : 0, 0,
        ]);
        SlotKind[] kinds = SlotKinds.Of(rows.Slots, [], scale: true);
        InputEncoder encoder = EncoderLearning.Learn(rows, kinds, piecesPerSlot: 8);
        EncodedColumn[] columns = [.. encoder.Describe()];
        TrainingTable table = ((MemoryRows)rows).Table;
        for (int slot = 0; slot < 4; slot++)
        {
            var sum = new double[encoder.EncodedInputs];
            var encoded = new float[encoder.EncodedInputs];
            int known = 0;
            for (int row = 0; row < table.Rows; row++)
            {
                if (float.IsNaN(table.Value(row, slot)))
                    continue;
                encoder.Encode(table.Features(row), encoded);
                for (int c = 0; c < sum.Length; c++)
                    sum[c] += encoded[c];
                known++;
            }
            float[] raw = [1, 2, 0, 1, 0];
            raw[slot] = float.NaN;
            encoder.Encode(raw, encoded);
            for (int c = 0; c < sum.Length; c++)
            {
                if (columns[c].Slot == slot)
                {
                    Assert.AreEqual(
                        columns[c].Kind == EncodedColumnKind.Missing ? 1 : sum[c] / known, encoded[c], 1e-5, $"Column {c}, {columns[c]}.");
                }
            }
        }
        Assert.AreEqual(missesInTraining ? 1 : 0, columns.Count(column => column.Kind == EncodedColumnKind.Missing));
    }

    /// <summary>Sparse, dense and in panels: the same bits, columns rising, with centres, pieces, groups and missing values.</summary>
    [TestMethod]
    [DataRow(8, 3)]
    [DataRow(40, 3)]
    [DataRow(1500, 3)]
    [DataRow(1500, 0)]
    public void EncodeSparse_OfAnyEncoder_GivesTheBitsOfEncode(int slots, int pieces)
    {
        float[] Row(int row, ref RandomStream random)
        {
            var values = new float[slots];
            for (int i = 0; i < slots; i++)
            {
                values[i] = i switch
                {
                    0 => (float)(1990 + 35 * random.NextDouble()),
                    1 => random.Next(20) == 0 ? float.NaN : (float)Gauss(ref random),
                    2 or 3 => row % 2 == i - 2 ? 4 : -1,
                    4 => row % 3 == 0 ? -3 : 0,
                    _ => random.Next(i < 10 ? 2 : 30) == 0 ? (float)random.NextDouble() * (i % 2 == 0 ? 1 : 40) : 0,
                };
            }
            return values;
        }
        using RowStore rows = Collect(400, 1L << 30, false, Row), sparseRows = Collect(400, 1L << 30, true, Row);
        InputEncoder encoder = EncoderLearning.Learn(rows, pieces), fromSparse = EncoderLearning.Learn(sparseRows, pieces);
        CollectionAssert.AreEqual(
            encoder.Describe().ToArray(), fromSparse.Describe().ToArray(), "What is learned does not depend on how rows are kept.");
        Assert.IsFalse(encoder.KeepsZero);

        var batch = new SparseBatch(encoder.EncodedInputs);
        TrainingTable table = ((MemoryRows)rows).Table;
        for (int row = 0; row < 100; row++)
        {
            float[] raw = table.Features(row).ToArray();
            int[] indices = [.. Enumerable.Range(0, slots).Where(i => raw[i] != 0)];
            var expected = new float[encoder.EncodedInputs];
            encoder.Encode(raw, expected);
            batch.Clear();
            fromSparse.EncodeSparse(indices, [.. indices.Select(i => raw[i])], batch);
            ReadOnlySpan<int> columns = batch.Indices(0);
            var actual = new float[encoder.EncodedInputs];
            for (int i = 0; i < columns.Length; i++)
            {
                Assert.IsTrue(i == 0 || columns[i] > columns[i - 1], "Columns rise.");
                actual[columns[i]] = batch.Values(0)[i];
            }
            // What is left out is 0, without a sign.
            for (int c = 0; c < actual.Length; c++)
                Assert.AreEqual(expected[c], actual[c], $"Row {row}, column {c}.");
        }
    }

    private delegate float Draw(ref RandomStream random);

    private delegate float[] DrawRow(int row, ref RandomStream random);

    private static double Spread(Draw draw)
    {
        using RowStore rows = Collect(20_000, 1L << 30, false, (int row, ref RandomStream random) => [draw(ref random)]);
        return 1 / EncoderLearning.Learn(rows).Part<ScaleAndClip>()!.Scale[0];
    }

    private static RowStore Collect(int count, long budget, bool sparse, DrawRow draw)
    {
        var random = new RandomStream(5, 1);
        var shape = new RowShape(draw(0, ref random).Length, 1, IsWeighted: false, sparse);
        random = new RandomStream(5, 1);
        var collector = new RowCollector(shape, budget, () => SpillFile.Create(Path.GetTempPath()), seed: 3);
        for (int row = 0; row < count; row++)
            collector.Add(draw(row, ref random), [0], 1);
        return collector.Complete();
    }
}
