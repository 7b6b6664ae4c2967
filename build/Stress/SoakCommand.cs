using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Stress;

/// <summary>
/// soak [minutes]: trains, interrupts, saves, loads and scores in a loop, and looks at the process every ten seconds.
/// </summary>
/// <remarks>
/// The rule: a straight line is laid through what was seen after the first third of the time, in which code is compiled and
/// pools are filled. Over the rest of the time it may rise by no more than 2 MB and 5% (objects of .NET that are still in
/// use), 24 MB and 10% (memory of the process), 4 open files, 4 threads. A leak of one object of a kilobyte in every turn
/// would break the first of these within minutes.
/// Every second turn is in a context of its own, the others in one that lives as long as the process. There ML.NET itself keeps something
/// for good: its context has a list of all that was ever registered with it, weak references that it never looks through. They do not
/// count, <see cref="KeptByContext"/> for each turn.
/// </remarks>
internal static class SoakCommand
{
    /// <summary>
    /// Megabytes that a turn leaves in its context. Measured one by one, in kilobytes: 0.5 for a Fit, of which a turn has four in three,
    /// 0.25 for saving, 0.05 for loading, 0.16 for an evaluation, 0.14 for an engine, 0.09 for a view.
    /// </summary>
    private const double KeptByContext = 1.5e-3;

    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(10);

    public static int Run(string[] arguments)
    {
        double minutes = arguments.Length > 0 ? double.Parse(arguments[0], CultureInfo.InvariantCulture) : 10;
        string folder = Directory.CreateTempSubdirectory("batchnorm-soak-").FullName;
        try
        {
            return Run(TimeSpan.FromMinutes(minutes), folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static int Run(TimeSpan duration, string folder)
    {
        var samples = new List<Sample>();
        var watch = Stopwatch.StartNew();
        TimeSpan next = s_period;
        int turns = 0;
        var context = new MLContext(1);
        Console.WriteLine("seconds\tturns\tobjects MB\tprocess MB\topen files\tthreads");
        while (watch.Elapsed < duration)
        {
            Turn(turns, turns % 2 == 0 ? context : new MLContext(1), folder);
            turns++;
            if (watch.Elapsed < next)
                continue;
            next = watch.Elapsed + s_period;
            samples.Add(Sample.Take(watch.Elapsed.TotalSeconds, turns));
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{samples[^1].Seconds:0}\t{turns}\t{samples[^1].Objects:0.00}\t{samples[^1].Memory:0.0}"
                + $"\t{samples[^1].Files}\t{samples[^1].Threads}"));
        }

        return Judge(samples, duration.TotalSeconds);
    }

    private static int Judge(List<Sample> all, double seconds)
    {
        Sample[] samples = [.. all.Where(s => s.Seconds > seconds / 3)];
        if (samples.Length < 3)
        {
            Console.WriteLine("too short to judge: give more minutes");
            return 2;
        }

        bool steady = Check("objects", samples, s => s.Objects - s.Turns / 2 * KeptByContext, 2, 0.05)
            & Check("process", samples, s => s.Memory, 24, 0.10)
            & Check("open files", samples, s => s.Files, 4, 0)
            & Check("threads", samples, s => s.Threads, 4, 0);
        Console.WriteLine(steady ? "steady" : "GROWS");
        return steady ? 0 : 1;
    }

    /// <summary>
    /// The rise from the first to the last sample along the median of all slopes between two of them
    /// (Theil and Sen), which no single sample can tilt.
    /// </summary>
    private static bool Check(string what, Sample[] samples, Func<Sample, double> read, double allowed, double allowedShare)
    {
        double[] slopes =
            [.. samples.SelectMany((a, i) => samples[(i + 1)..].Select(b => (read(b) - read(a)) / (b.Seconds - a.Seconds))).Order()];
        double mean = samples.Average(read), limit = allowed + allowedShare * mean;
        double rise = slopes[slopes.Length / 2] * (samples[^1].Seconds - samples[0].Seconds);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{what}: mean {mean:0.0}, rises by {rise:0.00} in {samples[^1].Seconds - samples[0].Seconds:0} s, allowed {limit:0.0}"));
        return rise <= limit;
    }

    /// <summary>What an application does.</summary>
    private static void Turn(int turn, MLContext context, string folder)
    {
        IDataView rows = context.Data.LoadFromEnumerable(Enumerable.Range(0, 400).Select(i => new Row
        {
            Features = [i, i % 7, i % 13 == 0 ? float.NaN : i % 5, MathF.Sin(i)],
            Label = i % 7 + MathF.Cos(i),
        }));
        var options = new BatchNormNetworkRegressionTrainer.Options
        {
            HiddenUnits = [128, 64], MaximumNumberOfEpochs = 4, Seed = turn, NumberOfEnsembleMembers = 1 + turn / 2 % 2,
            Checkpoint = new CheckpointOptions { Path = Path.Combine(folder, "checkpoint"), IntervalInEpochs = 1 },
        };
        if (turn % 3 == 0)
            Interrupt(context, rows, options);
        ITransformer model = context.Regression.Trainers.BatchNormNetwork(options).Fit(rows);

        string path = Path.Combine(folder, "model.zip");
        context.Model.Save(model, rows.Schema, path);
        ITransformer loaded = context.Model.Load(path, out _);
        context.Regression.Evaluate(loaded.Transform(rows));
        using PredictionEngine<Row, Prediction> engine = context.Model.CreatePredictionEngine<Row, Prediction>(loaded);
        for (int i = 0; i < 1000; i++)
            engine.Predict(new Row { Features = [i, i % 7, i % 5, 0] });
    }

    /// <summary>A training that is cancelled in its second epoch, from which the next one goes on.</summary>
    private static void Interrupt(MLContext context, IDataView rows, BatchNormNetworkRegressionTrainer.Options options)
    {
        using var source = new CancellationTokenSource();
        options.CancellationToken = source.Token;
        options.Progress = new Canceller(source);
        try
        {
            context.Regression.Trainers.BatchNormNetwork(options).Fit(rows);
            throw new InvalidOperationException("The training was not cancelled.");
        }
        catch (OperationCanceledException)
        {
        }

        options.CancellationToken = default;
        options.Progress = null;
    }

    private sealed class Canceller(CancellationTokenSource source) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Epoch == 2)
                source.Cancel();
        }
    }

    private readonly record struct Sample(double Seconds, int Turns, double Objects, double Memory, int Files, int Threads)
    {
        public static Sample Take(double seconds, int turns)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            double objects = GC.GetTotalMemory(forceFullCollection: true) / 1e6;
            using var process = Process.GetCurrentProcess();
            int files = Directory.Exists("/proc/self/fd") ? Directory.GetFileSystemEntries("/proc/self/fd").Length : process.HandleCount;
            return new Sample(seconds, turns, objects, process.WorkingSet64 / 1e6, files, process.Threads.Count);
        }
    }

    private sealed class Row
    {
        [VectorType(4)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    private sealed class Prediction
    {
        public float Score { get; set; }
    }
}
