using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>How the cost of training a row moves as the rows, the inputs and the width of the network grow.</summary>
/// <remarks>
/// scale SERIES VALUE THREADS rows/s MICROSECONDS_PER_ROW GFLOP/s, and flat rows THREADS DEAREST/CHEAPEST over the series of rows: a row
/// must cost the same in a large table as in a small one. Operations are counted as two for each weight forward and four backward.
/// </remarks>
internal static class Scale
{
    public static int Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        double seconds = args.Length > 1 ? double.Parse(args[1]) : 2;

        // A small network, so that finding and reading a row is a large part of its cost.
        double[] costs = [.. new[] { 10_000, 40_000, 160_000, 640_000, 2_560_000 }
            .Select(rows => Measure("rows", rows, new NetworkCase("rows", 256, 32, [128, 64], 2, rows), threads, seconds))];
        Console.WriteLine($"flat\trows\t{threads}\t{costs.Max() / costs.Min():F2}");
        foreach (int inputs in new[] { 8, 32, 128, 512, 2048 })
            Measure("inputs", inputs, new NetworkCase("inputs", 256, inputs, [256, 128], 2, 20_000), threads, seconds);
        foreach (int width in new[] { 16, 32, 64, 128, 256, 512, 1024, 2048 })
            Measure("width", width, new NetworkCase("width", 256, 100, [width, width], 2, 20_000), threads, seconds);
        return 0;
    }

    /// <summary>Prints a line and returns microseconds for each row.</summary>
    private static double Measure(string series, int value, NetworkCase c, int threads, double seconds)
    {
        NetworkParameters parameters = c.CreateParameters();
        double rowsPerSecond = c.Train(parameters, c.RandomTable(), threads, seconds).RowsPerSecond;
        double microseconds = 1e6 / rowsPerSecond;
        double operations = 6.0 * parameters.ParameterCount;
        Console.WriteLine(
            $"scale\t{series}\t{value}\t{threads}\t{rowsPerSecond:F0}\t{microseconds:F3}\t{operations * rowsPerSecond / 1e9:F1}");
        return microseconds;
    }
}
