using System.Buffers.Binary;
using System.IO.Compression;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>One part of MNIST: images of 28 by 28 pixels and their digits.</summary>
/// <param name="Pixels">Brightness 0 to 255 of all pixels, image after image, row after row.</param>
/// <param name="Digits">What each image shows.</param>
internal sealed record MnistImages(byte[] Pixels, byte[] Digits)
{
    /// <summary>Pixels of an image.</summary>
    public const int PixelCount = 28 * 28;

    /// <summary>Number of images.</summary>
    public int Count => Digits.Length;

    /// <summary>Whether a folder has the files.</summary>
    public static bool Are(string directory) => File.Exists(Path.Combine(directory, "train-images-idx3-ubyte.gz"));

    /// <summary>The 60,000 images to train on.</summary>
    public static MnistImages ReadTraining(string directory) => Read(directory, "train");

    /// <summary>The 10,000 images to test with.</summary>
    public static MnistImages ReadTest(string directory) => Read(directory, "t10k");

    /// <summary>The pixels of one image.</summary>
    public ReadOnlySpan<byte> Image(int index) => Pixels.AsSpan(index * PixelCount, PixelCount);

    private static MnistImages Read(string directory, string part)
    {
        byte[] pixels = ReadIdx(Path.Combine(directory, $"{part}-images-idx3-ubyte.gz"), 28, 28);
        byte[] digits = ReadIdx(Path.Combine(directory, $"{part}-labels-idx1-ubyte.gz"));
        if (pixels.Length != digits.Length * PixelCount)
        {
            throw new InvalidDataException(
                $"{directory}: the {part} part has {pixels.Length / PixelCount} images but {digits.Length} digits.");
        }
        if (digits.Max() > 9)
            throw new InvalidDataException($"{directory}: the {part} part has a digit above 9.");
        return new MnistImages(pixels, digits);
    }

    /// <summary>
    /// Reads a gzipped idx file of bytes: two zero bytes, 8 for "byte", the number of dimensions,
    /// each dimension as a big-endian int, the values.
    /// </summary>
    private static byte[] ReadIdx(string path, params int[] innerDimensions)
    {
        using var file = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        int dimensions = 1 + innerDimensions.Length;
        var header = new byte[4 + 4 * dimensions];
        file.ReadExactly(header);
        bool expected = header.AsSpan(0, 4).SequenceEqual<byte>([0, 0, 8, (byte)dimensions]);
        int length = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4));
        for (int i = 0; i < innerDimensions.Length; i++)
        {
            expected &= BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(8 + 4 * i)) == innerDimensions[i];
            length = checked(length * innerDimensions[i]);
        }
        if (!expected || length <= 0)
        {
            throw new InvalidDataException(
                $"{path} is not an idx file of bytes with the dimensions [n{string.Concat(innerDimensions.Select(d => $", {d}"))}].");
        }
        var values = new byte[length];
        file.ReadExactly(values);
        return values;
    }
}
