using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Data;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>A category is a column, a rare one mostly that of all rare ones, one that was never seen what is expected of it.</summary>
[TestClass]
public sealed class CategoriesTests
{
    // Two numbers, and four slots of a category between them.
    private static readonly CategoryRanges s_ranges = new(6, [new CategoryRange(1, 4)]);

    /// <summary>Arithmetic: with rare rows their own column takes what they lack; without, what was never seen is the mean.</summary>
    [TestMethod]
    [DataRow(new[] { 0, 10, 3, 1, 0 }, 2, new[] { 0, 0.75f, 0, 0.25f }, 1, new[] { 1, 0, 0, 0f })]
    [DataRow(new[] { 0, 10, 3, 1, 0 }, 4, new[] { 0, 0, 0, 1f }, 0, new[] { 0, 0, 0, 1f })]
    [DataRow(new[] { 5, 10, 3, 1, 0 }, 0, new[] { 1, 0, 0, 0, 0f }, 3, new[] { 0, 0, 0, 0.25f, 0.75f })]
    [DataRow(new[] { 0, 12, 8, 0, 0 }, 3, new[] { 0.6f, 0.4f }, 2, new[] { 0, 1f })]
    [DataRow(new[] { 0, 12, 8, 0, 0 }, 0, new[] { 0.6f, 0.4f }, -1, new[] { 0.6f, 0.4f })]
    public void Encode_Category_CountsByItsRows(int[] counts, int one, float[] columnsOfOne, int other, float[] columnsOfOther)
    {
        var categories = new Categories(s_ranges, [counts]);
        var encoder = new InputEncoder(6, [new ScaleAndClip([0, 0], [1, 1], [false, false]), categories], s_ranges);
        Assert.AreEqual(2 + columnsOfOne.Length, encoder.EncodedInputs);
        foreach ((int number, float[] expected) in new[] { (one, columnsOfOne), (other, columnsOfOther) })
        {
            float[] kept = [7, 0, number < 0 ? float.NaN : number], encoded = new float[encoder.EncodedInputs];
            encoder.EncodeKept(kept, encoded);
            CollectionAssert.AreEqual((float[])[7, 0, .. expected], encoded);
            var batch = new SparseBatch(encoder.EncodedInputs);
            encoder.EncodeFilled(kept, batch);
            float[] entries = new float[encoder.EncodedInputs];
            for (int i = 0; i < batch.Indices(0).Length; i++)
                entries[batch.Indices(0)[i]] = batch.Values(0)[i];
            CollectionAssert.AreEqual(encoded, entries);
        }
    }

    /// <summary>A row that is written out is read by its slots, a sparse one by what is not 0; the entries are the same.</summary>
    [TestMethod]
    public void EncodeFilled_AnyCategory_GivesTheEntriesOfTheSparseRow()
    {
        var ranges = new CategoryRanges(9, [new CategoryRange(1, 3), new CategoryRange(5, 4)]);
        var encoder = new InputEncoder(
            9,
            [
                new ScaleAndClip([0.5f, 0], [1, 1], [false, true]), new Categories(ranges, [[3, 9, 0, 2], [0, 12, 8, 0, 0]]),
                new Pieces([new InputPiece(1, 0, 0.5f)]),
            ],
            ranges);
        var filled = new SparseBatch(encoder.EncodedInputs);
        var sparse = new SparseBatch(encoder.EncodedInputs);
        float[] numbers = [0, 1, 2, 3, float.NaN, CategoryRanges.Silent];
        foreach (float[] kept in from one in numbers from other in (float[])[.. numbers, 4] select (float[])[0, 2, one, other])
        {
            int[] slots = [.. Enumerable.Range(0, kept.Length).Where(slot => kept[slot] != 0)];
            encoder.EncodeFilled(kept, filled);
            encoder.EncodeSparse(slots, [.. slots.Select(slot => kept[slot])], sparse);
        }
        Assert.AreEqual(42, filled.Rows);
        for (int row = 0; row < filled.Rows; row++)
        {
            CollectionAssert.AreEqual(sparse.Indices(row).ToArray(), filled.Indices(row).ToArray());
            CollectionAssert.AreEqual(sparse.Values(row).ToArray(), filled.Values(row).ToArray());
        }
        Assert.IsGreaterThan(filled.Indices(0).Length, filled.Indices(41).Length, "some rows have fewer entries than others");
    }

    [TestMethod]
    public void Read_WhatWasWritten_EncodesTheSameBits()
    {
        InputEncoder written = Sample(), read = Read(Write(written));
        CollectionAssert.AreEqual(Write(written), Write(read));
        CollectionAssert.AreEqual(written.Describe().ToArray(), read.Describe().ToArray());
        foreach (float[] row in new float[][] { [1, 0, 1, 0, 0, 2], [1, 1, 1, 0, 0, float.NaN], [0, float.NaN, 0, 0, 0, 1], new float[6] })
        {
            float[] expected = new float[written.EncodedInputs], actual = new float[read.EncodedInputs];
            written.Encode(row, expected);
            read.Encode(row, actual);
            CollectionAssert.AreEqual(expected, actual);
        }
    }

    /// <summary>Columns are told in raw slots, whatever stands in front of them.</summary>
    [TestMethod]
    public void Describe_ColumnsBehindARange_HaveTheirRawSlots() => CollectionAssert.AreEqual(
        new[]
        {
            new EncodedColumn(0, EncodedColumnKind.Scaled), new EncodedColumn(5, EncodedColumnKind.Scaled),
            new EncodedColumn(1, EncodedColumnKind.NoCategory), new EncodedColumn(1, EncodedColumnKind.Scaled),
            new EncodedColumn(3, EncodedColumnKind.Scaled), new EncodedColumn(4, EncodedColumnKind.Scaled),
            new EncodedColumn(1, EncodedColumnKind.OtherCategory),
            new EncodedColumn(5, EncodedColumnKind.Piece, 0, 2),
        },
        Sample().Describe().ToArray());

    public static IEnumerable<object[]> WrongFields =>
    [
        ["ranges", 16, 0, "number of ranges of categories is 0"],
        ["first slot", 20, -1, "Range 0 of categories begins at slot -1 of 6 and has 4 slots"],
        ["slots", 24, 6, "Range 0 of categories begins at slot 1 of 6 and has 6 slots"],
        ["fewer slots", 24, 3, "feature slot"],
        ["ranges of a part", 79, 2, "number of ranges in a part is 2"],
        ["range of a part", 83, 1, "A part has range 1 of 1"],
        ["rows", 91, -2, "Category 1 of range 0 has -2 rows"],
        ["rows together", 91, int.MaxValue, "The categories of range 0 have 2147483"],
    ];

    [TestMethod]
    [DynamicData(nameof(WrongFields))]
    public void Read_WrongField_SaysWhichAndWhy(string field, int offset, int value, string expected)
    {
        byte[] bytes = Write(Sample());
        BitConverter.GetBytes(value).CopyTo(bytes, offset);
        string message = Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes)).Message;
        Assert.IsTrue(field == "fewer slots" || message.Contains(expected, StringComparison.Ordinal), $"{field}: {message}");
    }

    private static InputEncoder Sample() => new(
        6,
        [
            new ScaleAndClip([0, 1], [1, 0.5f], [false, true]), new Categories(s_ranges, [[4, 9, 0, 2, 3]]),
            new Pieces([new InputPiece(1, 0, 0.5f)]),
        ],
        s_ranges);

    private static byte[] Write(InputEncoder encoder)
    {
        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream))
            EncoderFormat.Write(writer, encoder);
        return stream.ToArray();
    }

    private static InputEncoder Read(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        return EncoderFormat.Read(reader);
    }
}
