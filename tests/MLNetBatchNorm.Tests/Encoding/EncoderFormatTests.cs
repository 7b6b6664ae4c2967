using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Encoding;
using MLNetBatchNorm.Formats;

namespace MLNetBatchNorm.Tests.Encoding;

/// <summary>The bytes of an encoder: every part comes back, in its place, and what is wrong is named.</summary>
[TestClass]
public sealed class EncoderFormatTests
{
    [TestMethod]
    public void Read_WhatWasWritten_EncodesTheSameBits()
    {
        InputEncoder written = Sample(), read = Read(Write(written));
        Assert.AreEqual(3, read.RawInputs);
        CollectionAssert.AreEqual(written.Describe().ToArray(), read.Describe().ToArray());
        foreach (float[] row in new float[][]
        {
            [9, 2, 1], [float.NaN, -5, 0], [8, float.NaN, float.NaN], [float.NaN, float.NaN, float.NaN],
        })
        {
            float[] expected = new float[written.EncodedInputs], actual = new float[read.EncodedInputs];
            written.Encode(row, expected);
            read.Encode(row, actual);
            CollectionAssert.AreEqual(expected, actual);
        }
        CollectionAssert.AreEqual(Write(written), Write(read));
        Assert.IsTrue(Read(Write(InputEncoder.Identity(7))) is { IsIdentity: true, RawInputs: 7, EncodedInputs: 7 });
    }

    public static IEnumerable<object[]> WrongFields =>
    [
        ["slots", 0, Int(0), "number of feature slots is 0"],
        ["more slots", 0, Int(4), "is -"],
        ["slots beyond the data", 0, Int(1 << 24), "number of feature slots is 16777216, but only"],
        ["tag", 4, "ABCD"u8.ToArray(), "section 'ABCD' in the encoding of the features"],
        ["centre", 16, Single(float.NaN), "centre of a feature slot is NaN"],
        ["scale", 28, Single(float.NegativeInfinity), "scale of a feature slot is -Infinity"],
        ["missing value", 40, Single(float.NaN), "value of a feature slot where it is missing is NaN"],
        ["clipped", 52, (byte[])[2], "flag of a clipped feature slot is 2"],
        ["missing columns", 67, Int(0), "number of columns for missing values is 0"],
        ["missing slot", 71, Int(3), "Column 0 for missing values belongs to feature slot 3 of 3"],
        ["missing slots do not rise", 71, Int(2), "Column 1 for missing values belongs to feature slot 2 of 3"],
        ["pieces", 91, Int(-1), "number of pieces is -1"],
        ["piece slot", 95, Int(3), "Piece 0 belongs to feature slot 3 of 3"],
        ["piece start", 99, Single(float.NaN), "start, scale or missing value of a piece is NaN"],
        ["piece scale", 103, Single(0), "scale of piece 0 is 0; it must be positive"],
        ["piece missing", 107, Single(1.5f), "Piece 0 is 1.5 where a value is missing"],
    ];

    [TestMethod]
    [DynamicData(nameof(WrongFields))]
    public void Read_WrongField_SaysWhichAndWhy(string field, int offset, byte[] value, string expected)
    {
        byte[] bytes = Write(Sample());
        value.CopyTo(bytes, offset);
        string message = Assert.ThrowsExactly<NetworkFormatException>(() => Read(bytes)).Message;
        // More slots make every number behind the first another one; whichever is wrong is named.
        Assert.IsTrue(field == "more slots" || message.Contains(expected, StringComparison.Ordinal), $"{field}: {message}");
    }

    private static InputEncoder Sample() => new(
        3,
        [
            new ScaleAndClip([10, 0, 0], [0.5f, 1, 2], [true, false, true], [0.125f, 0.25f, -0.5f]),
            new MissingColumns([0, 2]),
            new Pieces([new InputPiece(0, 8, 0.25f, 0.75f), new InputPiece(2, 0, 1)]),
        ]);

    private static byte[] Write(InputEncoder encoder)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        EncoderFormat.Write(writer, encoder);
        writer.Flush();
        return stream.ToArray();
    }

    private static InputEncoder Read(byte[] bytes)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes));
        return EncoderFormat.Read(reader);
    }

    private static byte[] Int(int value) => BitConverter.GetBytes(value);

    private static byte[] Single(float value) => BitConverter.GetBytes(value);
}
