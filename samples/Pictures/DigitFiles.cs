using Microsoft.ML.Data;

namespace Pictures;

/// <summary>The handwritten digits of samples/data as what pictures mostly are: files.</summary>
internal static class DigitFiles
{
    private const int Side = 8;

    // Pixels are 0 to 16 in the table.
    private const int Brightest = 16;

    /// <summary>Writes each digit of a table as a PNG file, and says which file shows which digit.</summary>
    public static List<DigitFile> Write(string table, string folder)
    {
        var files = new List<DigitFile>();
        byte[] pixels = new byte[Side * Side * 4];
        foreach (string line in File.ReadLines(table).Skip(1))
        {
            int[] numbers = [.. line.Split(',').Select(int.Parse)];
            for (int i = 0; i < Side * Side; i++)
            {
                byte grey = (byte)(numbers[i] * byte.MaxValue / Brightest);
                pixels.AsSpan(4 * i, 3).Fill(grey);
                pixels[4 * i + 3] = byte.MaxValue;     // opaque
            }
            var file = new DigitFile { Path = $"{files.Count:D4}.png", Digit = numbers[^1] };
            using MLImage picture = MLImage.CreateFromPixels(Side, Side, MLPixelFormat.Rgba32, pixels);
            picture.Save(Path.Combine(folder, file.Path));
            files.Add(file);
        }
        return files;
    }
}
