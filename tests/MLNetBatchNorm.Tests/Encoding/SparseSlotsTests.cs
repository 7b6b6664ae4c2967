using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>Very many slots of which a row has few are a part of their own, beside columns of the slots that are left.</summary>
[TestClass]
public sealed class SparseSlotsTests
{
    private const int Words = 2500;

    public static IEnumerable<object[]> Encodings =>
    [
        // Slots 0 and 4 are numbers, 1 and 5 words; 2 and 3 have no column.
        [new float[] { 12, 0, 7, 9, 3, 0 }, new float[] { 1, 1, 0, 0, 0 }],
        [new float[] { 8, 4, 0, 0, 2, 2 }, new float[] { -1, 0, 0, 2, 2 }],
        [new[] { float.NaN, float.NaN, float.NaN, 1, 2, 8 }, new[] { 0.25f, 0, 1, 0.125f, 8 }],
    ];

    /// <summary>Arithmetic; and the same bits written out, in panels and sparse.</summary>
    [TestMethod]
    [DynamicData(nameof(Encodings))]
    public void Encode_WordsBesideNumbers_IsTheSameInEveryForm(float[] raw, float[] expected)
    {
        InputEncoder encoder = Sample();
        float[] encoded = new float[5];
        encoder.Encode(raw, encoded);
        CollectionAssert.AreEqual(expected, encoded);
        var panels = new PanelMatrix(3, 5);
        encoder.EncodeToPanels([.. raw, .. new float[10]], panels.Span, 3, 2);
        CollectionAssert.AreEqual(expected, panels.Rows(0, 2, 1)[..5].ToArray());
        var batch = new SparseBatch(5);
        encoder.EncodeFilled(raw, batch);
        float[] entries = new float[5];
        for (int i = 0; i < batch.Indices(0).Length; i++)
            entries[batch.Indices(0)[i]] = batch.Values(0)[i];
        CollectionAssert.AreEqual(expected, entries);
        CollectionAssert.AreEqual(batch.Indices(0).ToArray().Order().ToArray(), batch.Indices(0).ToArray());
    }

    [TestMethod]
    public void Describe_Columns_SayTheirSlots()
    {
        InputEncoder encoder = Sample();
        CollectionAssert.AreEqual(new[] { 0, 4, 0, 1, 5 }, encoder.Describe().Select(column => column.Slot).ToArray());
        Assert.AreEqual((10f, 0.5f, false), encoder.ScalingOf(0));
        Assert.AreEqual((0f, 0.5f, false), encoder.ScalingOf(1));
        Assert.AreEqual((0f, 0f, false), encoder.ScalingOf(2));
        Assert.AreEqual((0f, 1f, false), encoder.ScalingOf(5));
        Assert.AreEqual((0f, 0f, false), encoder.ScalingOf(900));
    }

    [TestMethod]
    public void Read_WhatWasWritten_EncodesTheSameBits()
    {
        byte[] bytes = Write(Sample());
        InputEncoder read = Read(bytes);
        CollectionAssert.AreEqual(bytes, Write(read));
        float[] encoded = new float[5];
        read.Encode([8, 4, 0, 0, 2, 2], encoded);
        CollectionAssert.AreEqual(new float[] { -1, 0, 0, 2, 2 }, encoded);
    }

    /// <summary>
    /// A slot's number takes no memory: two slots far apart are as small as two beside each other, and a column is found all the same.
    /// </summary>
    [TestMethod]
    public void Read_SlotsFarApart_TakesNoMemoryForThoseBetween()
    {
        const int slots = 1 << 24, last = slots - 1;
        byte[] bytes = Write(new InputEncoder(slots, [new SparseSlots([3, last], [0.5f, 2], [0, 0], 20)]));
        Read(bytes);                                // what is made once, is
        long before = GC.GetAllocatedBytesForCurrentThread();
        InputEncoder read = Read(bytes);
        Assert.IsLessThan(20_000, GC.GetAllocatedBytesForCurrentThread() - before);

        CollectionAssert.AreEqual(
            new[] { 0, 0.5f, 0, 0, 2 }, new[] { 2, 3, 4, last - 1, last }.Select(read.Part<SparseSlots>()!.ScaleOf).ToArray());
    }

    /// <summary>Every slot's column is what looking through all of them finds, wherever they are crowded.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(40)]
    [DataRow(700)]
    public void ScaleOf_AnySlot_IsThatOfItsColumn(int count)
    {
        var random = new Random(count);
        for (int spread = 1; spread <= 64; spread *= 4)
        {
            // Half of them crowd at the front.
            int[] slots =
            [
                .. Enumerable.Range(0, count).Select(i => random.Next(1 + i % 2 * spread * count + count)).Distinct().Order(),
            ];
            float[] scales = [.. Enumerable.Range(1, slots.Length).Select(i => (float)i)];
            var part = new SparseSlots(slots, scales, new float[slots.Length], 20);
            for (int slot = -3; slot < slots[^1] + 100; slot++)
                Assert.AreEqual(Array.IndexOf(slots, slot) + 1, part.ScaleOf(slot), $"Slot {slot}, spread {spread}.");
            Assert.AreEqual(0, part.ScaleOf(int.MaxValue));
        }
    }

    /// <summary>The sections are SCAS from byte 4, MISS from byte 54, SPAR from byte 74.</summary>
    [TestMethod]
    [DataRow(16, 7, "number of scaled slots is 7")]
    [DataRow(20, 6, "Number 0 of scaled slots is slot 6 of 6; slots must rise.")]
    [DataRow(24, 0, "Number 1 of scaled slots is slot 0 of 6")]
    [DataRow(86, 0, "number of units of sparse slots is 0")]
    [DataRow(86, 65, "number of units of sparse slots is 65")]
    [DataRow(90, 0, "number of sparse slots is 0")]
    [DataRow(90, 1 << 24, "number of sparse slots is 16777216")]
    [DataRow(94, -1, "Number 0 of sparse slots is slot -1 of 6")]
    [DataRow(98, 1, "Number 1 of sparse slots is slot 1 of 6")]
    [DataRow(102, 0x7FC00000, "scale of a sparse slot is NaN")]
    [DataRow(114, 0x7F800000, "value of a sparse slot where it is missing is Infinity")]
    public void Read_WrongField_SaysWhichAndWhy(int offset, int value, string expected)
    {
        byte[] bytes = Write(Sample());
        BitConverter.GetBytes(value).CopyTo(bytes, offset);
        Assert.Contains(expected, Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes)).Message);
    }

    /// <summary>
    /// Words are projected, in whatever way they are filled, and numbers are not; what is always 0 is not used, and what was missing keeps
    /// an effect of its own. Fewer words enter as they are.
    /// </summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Learn_VeryManyWords_AreProjected(bool sparse)
    {
        InputEncoder encoder = Learn(Words, sparse, scale: true);
        CollectionAssert.AreEqual(new[] { 0, 7, Words + 1 }, Columns<ScaleAndClip>(encoder));
        CollectionAssert.AreEqual(new[] { 7 }, Columns<MissingColumns>(encoder));
        int[] words = Columns<SparseSlots>(encoder);
        CollectionAssert.AreEqual(Enumerable.Range(1, Words).Except([5, 6, 7, 8]).ToArray(), words);
        Assert.AreEqual(SparseSlots.UsualUnits, encoder.Part<SparseSlots>()!.Units);
        Assert.AreEqual(0.5f, encoder.ScalingOf(9).Scale, "Two rows have it: half of what it would be with four.");
        Assert.AreEqual(1f, encoder.ScalingOf(10).Scale);
        Assert.AreEqual(0f, encoder.ScalingOf(8).Scale, "One row has it.");
        Assert.AreEqual(1 / 40f, encoder.ScalingOf(11).Scale, "A word that is counted up to 40 times.");
        Assert.AreEqual(2, encoder.Part<Pieces>()!.All.ToArray().Select(piece => piece.Source).Distinct().Count());
        Assert.IsNull(Learn(500, sparse, scale: true).Part<SparseSlots>());
        Assert.IsNull(Learn(Words, sparse, scale: true, projects: false).Part<SparseSlots>());
        encoder = Learn(Words, sparse, scale: false);
        Assert.IsTrue(encoder.Projected.Single() is SparseSlots && encoder.ScalingOf(11) == (0, 1, false));
    }

    private static int[] Columns<T>(InputEncoder encoder)
        where T : EncodingPart => [.. encoder.Part<T>()!.Describe().Select(column => column.Slot)];

    /// <summary>A number, words, a number; of the words some are unlike the others.</summary>
    private static InputEncoder Learn(int words, bool sparse, bool scale, bool projects = true)
    {
        const int rows = 400;
        var shape = new RowShape(words + 2, 1, IsWeighted: false, IsSparse: sparse);
        TrainingTable table = shape.CreateTable();
        for (int row = 0; row < rows; row++)
        {
            var raw = new float[words + 2];
            (raw[0], raw[^1]) = (1990 + row % 30, 280 + row);
            for (int word = 1; word <= words; word++)
                raw[word] = (row + word) % 50 == 0 ? (1 + (row + word) % 7) / 8f : 0;
            (raw[5], raw[6]) = (0, 0);
            raw[7] = row % 40 == 0 ? float.NaN : raw[7];
            (raw[8], raw[9]) = (row == 3 ? 0.25f : 0, row is 3 or 4 ? row / 8f : 0);
            raw[11] = row % 40 == 0 ? 1 + row % 80 : 0;
            raw[11] = raw[11] > 40 ? 40 : raw[11];
            int[] filled = [.. Enumerable.Range(0, raw.Length).Where(slot => raw[slot] != 0)];
            if (sparse)
                table.AddSparse(filled, [.. filled.Select(slot => raw[slot])], [0], 1);
            else
                table.Add(raw, [0], 1);
        }
        var store = new MemoryRows(table);
        return EncoderLearning.Learn(store, SlotKinds.Of(store.Slots, [], scale, projects), 8);
    }

    private static InputEncoder Sample() => new(
        6,
        [
            new ScaleAndClip([10, 2], [0.5f, 1], [false, false], [0.25f, 0.5f], [0, 4]), new MissingColumns([0]),
            new SparseSlots([1, 5], [0.5f, 1], [0.125f, 0.5f], 20),
        ]);

    private static byte[] Write(InputEncoder encoder)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        EncoderFormat.Write(writer, encoder);
        return stream.ToArray();
    }

    private static InputEncoder Read(byte[] bytes) => EncoderFormat.Read(new BinaryReader(new MemoryStream(bytes)));
}
