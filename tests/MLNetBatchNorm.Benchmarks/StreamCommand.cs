using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Training on more rows than the memory budget holds, beside the same training in memory.</summary>
/// <remarks>
/// <para>stream ROWS BUDGET_MB [SMALLER_ROWS] [EPOCHS]. Rows of 30 features and a regression label come from a generator, one at a time: no
/// object of them is in memory. Each training is a process of its own, so that its peak is its own. Lines
/// <c>stream KIND rows N fit_rows/s R epoch_rows/s E peak_mb P before_mb B r2 M</c>; KIND is "memory" (SMALLER_ROWS rows,
/// budget without end), "file" (the same rows, budget so small that they are in a file) and "large" (ROWS rows,
/// BUDGET_MB). r2 is measured on 100,000 other rows.</para>
/// <para>fit_rows/s: rows times epochs over the whole of <c>Fit</c>, reading included. epoch_rows/s: the same without the first epoch and
/// what comes before it. Then ratios to "memory", and peak_over_budget_mb: peak of "large" less BUDGET_MB, to be at most 200.</para>
/// </remarks>
internal static class StreamCommand
{
    private const int Slots = 30;
    private const int TestRows = 100_000;

    private sealed class Row
    {
        [VectorType(Slots)]
        public float[] Features { get; } = new float[Slots];

        public float Label { get; set; }
    }

    public static int Run(string[] args)
    {
        if (args.Length < 2)
        {
            Console.Error.WriteLine("usage: stream ROWS BUDGET_MB [SMALLER_ROWS] [EPOCHS]");
            return 2;
        }
        if (args[0] == "one")
            return Measure(args[1], int.Parse(args[2]), int.Parse(args[3]), int.Parse(args[4]));
        int rows = int.Parse(args[0]), budget = int.Parse(args[1]);
        int smaller = args.Length > 2 ? int.Parse(args[2]) : Math.Min(rows, 2_000_000);
        int epochs = args.Length > 3 ? int.Parse(args[3]) : 3;
        double[] memory = Child("memory", smaller, 1 << 20, epochs);
        double[] file = Child("file", smaller, Math.Max(1, smaller / 65_536), epochs);
        double[] large = Child("large", rows, budget, epochs);
        Print($"ratio\tfile\tfit\t{file[0] / memory[0]:F3}\tepoch\t{file[1] / memory[1]:F3}\tr2_difference\t{file[4] - memory[4]:F4}");
        Print(
            $"ratio\tlarge\tfit\t{large[0] / memory[0]:F3}\tepoch\t{large[1] / memory[1]:F3}\tpeak_over_budget_mb\t{large[2] - budget:F0}");
        return 0;
    }

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    /// <summary>Runs one training in a process of its own and returns the numbers of its line.</summary>
    private static double[] Child(string kind, int rows, int budget, int epochs)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(StreamCommand).Assembly.Location);
        foreach (string argument in new[] { "stream", "one", kind, $"{rows}", $"{budget}", $"{epochs}" })
            start.ArgumentList.Add(argument);
        using Process child = Process.Start(start)!;
        string line = child.StandardOutput.ReadToEnd().Trim();
        child.WaitForExit();
        Console.WriteLine(line);
        if (child.ExitCode != 0)
            throw new InvalidDataException($"The training '{kind}' ended with code {child.ExitCode}.");
        string[] fields = line.Split('\t');
        return [.. Enumerable.Range(0, 5).Select(i => double.Parse(fields[5 + 2 * i], CultureInfo.InvariantCulture))];
    }

    private static int Measure(string kind, int rows, int budget, int epochs)
    {
        var ml = new MLContext(seed: 1);
        var times = new List<long>();
        var trainer = ml.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            MemoryBudgetInMegabytes = budget, MaximumNumberOfEpochs = epochs, NumberOfEnsembleMembers = 1, NumberOfInputPieces = 0,
            EarlyStoppingPatience = 0, Seed = 1,
            Progress = new Reports(() => times.Add(Stopwatch.GetTimestamp())),
        });
        // The compiler's work is not to be measured.
        ml.Regression.Trainers.BatchNormNetwork(
            new BatchNormNetworkRegressionTrainer.Options { MaximumNumberOfEpochs = 1, NumberOfEnsembleMembers = 1, Seed = 1 })
            .Fit(View(ml, 3_000, 7));
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        long before = Environment.WorkingSet;
        long start = Stopwatch.GetTimestamp();
        ITransformer model = trainer.Fit(View(ml, rows, 1));
        double fitSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        double epochSeconds = Stopwatch.GetElapsedTime(times[0], times[^1]).TotalSeconds;
        long peak = PeakBytes();
        double r2 = ml.Regression.Evaluate(model.Transform(View(ml, TestRows, 2))).RSquared;
        double rate = (double)rows * epochs / fitSeconds, rateOfEpochs = (double)rows * (epochs - 1) / epochSeconds;
        string memory = $"peak_mb\t{peak >> 20}\tbefore_mb\t{before >> 20}";
        Print($"stream\t{kind}\trows\t{rows}\tfit_rows/s\t{rate:F0}\tepoch_rows/s\t{rateOfEpochs:F0}\t{memory}\tr2\t{r2:F4}");
        return 0;
    }

    /// <summary>Largest working set of the process so far; where the system knows it, exactly.</summary>
    private static long PeakBytes()
    {
        using Process self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64;
    }

    /// <summary>A view whose rows are made when they are read.</summary>
    private static IDataView View(MLContext ml, int rows, ulong seed) => ml.Data.LoadFromEnumerable(Rows(rows, seed));

    private static IEnumerable<Row> Rows(int rows, ulong seed)
    {
        var row = new Row();
        var random = new RandomStream(seed, 0);
        for (int r = 0; r < rows; r++)
        {
            for (int f = 0; f < Slots; f++)
                row.Features[f] = (float)(2 * random.NextDouble() - 1);
            float[] x = row.Features;
            // A friedman function of ten columns; the others are noise, and the label has some.
            row.Label = (float)(10 * Math.Sin(Math.PI * x[0] * x[1]) + 20 * x[2] * x[2] + 10 * x[3] + 5 * Math.Abs(x[4])
                + 3 * x[5] * x[6] - 4 * Math.Max(x[7], x[8]) + 2 * random.NextDouble());
            yield return row;
        }
    }

    private sealed class Reports(Action report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report();
    }
}
