using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// One network for several numbers against a network for each, on the same rows: time of the processor, and R squared of each target.
/// </summary>
/// <remarks>
/// Tab-separated lines: <c>targets TABLE TARGETS one_s several_s ratio r2_each r2_several</c>. one_s: training of a model of the first
/// target; several_s: of one model of all, both on one thread, the same epochs, without early stopping; the fastest of six. r2_each and
/// r2_several: means over the targets on rows that neither has seen, with the defaults but for what <c>Option=Value</c> sets. Below, for
/// each target, <c>target TABLE NUMBER r2_each r2_several</c>. With <c>--validation</c> the rows are a quarter of the training rows, to
/// choose defaults by; with <c>--untimed</c> the times are not measured, and are 0.
/// </remarks>
internal sealed class TargetsCommand
{
    private const int Fits = 6;
    private const int GeneratedSlots = 20;
    private const int GeneratedTargets = 5;

    private sealed class Row
    {
        public float[] Features { get; set; } = [];

        public float[] Targets { get; set; } = [];

        public float Label { get; set; }
    }

    private readonly MLContext _ml = new(1);
    private readonly Dictionary<string, string> _settings = [];
    private readonly bool _timed;

    private TargetsCommand(IEnumerable<string> arguments)
    {
        _timed = !arguments.Contains("--untimed");
        foreach (string argument in arguments)
        {
            if (argument.Split('=', 2) is [var option, var value])
                _settings[option] = value;
        }
    }

    public static int Run(string[] args)
    {
        var command = new TargetsCommand(args);
        bool validation = args.Contains("--validation");
        string[] places = [.. args.Where(argument => !argument.StartsWith("--", StringComparison.Ordinal) && !argument.Contains('='))];
        if (places.Length == 0)
        {
            Row[] generated = Generated(12_000);
            command.Measure("generated", generated[..8000], generated[8000..], validation);
            return 0;
        }

        int first = int.Parse(places[1], CultureInfo.InvariantCulture), count = int.Parse(places[2], CultureInfo.InvariantCulture);
        using var table = new BenchmarkTable(command._ml, places[0]);
        command.Measure(table.Name, [.. Rows(table.Train, first, count)], [.. Rows(table.Test, first, count)], validation);
        return 0;
    }

    private void Measure(string name, Row[] training, Row[] test, bool validation)
    {
        if (validation)
        {
            new Random(1).Shuffle(training);
            (training, test) = (training[(training.Length / 4)..], training[..(training.Length / 4)]);
        }

        int targets = training[0].Targets.Length;
        // In turns, the fastest of each: the first ones pay for compilation.
        double one = double.PositiveInfinity, several = double.PositiveInfinity;
        for (int fit = 0; fit < Fits && _timed; fit++)
        {
            one = Math.Min(one, Seconds(() => One(training, 0, timed: true)));
            several = Math.Min(several, Seconds(() => Several(training, timed: true)));
        }

        double[] each = [.. Enumerable.Range(0, targets).Select(target =>
            _ml.Regression.Evaluate(One(training, target, timed: false).Transform(View(test, target))).RSquared)];
        MultiOutputRegressionMetrics metrics = _ml.Regression.EvaluateMultiOutput(
            Several(training, timed: false).Transform(View(test, 0)), nameof(Row.Targets));
        string times = _timed ? string.Create(CultureInfo.InvariantCulture, $"{one:F2}\t{several:F2}\t{several / one:F3}") : "0\t0\t0";
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"targets\t{name}\t{targets}\t{times}\t{each.Average():F4}\t{metrics.RSquared:F4}"));
        for (int target = 0; target < targets; target++)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"target\t{name}\t{target}\t{each[target]:F4}\t{metrics.Targets[target].RSquared:F4}"));
        }
    }

    private ITransformer One(Row[] rows, int target, bool timed)
    {
        var options = new BatchNormNetworkRegressionTrainer.Options();
        Set(options, timed);
        return _ml.Regression.Trainers.BatchNormNetwork(options).Fit(View(rows, target));
    }

    private ITransformer Several(Row[] rows, bool timed)
    {
        var options = new BatchNormNetworkMultiOutputRegressionTrainer.Options();
        Set(options, timed);
        options.LabelColumnName = nameof(Row.Targets);
        return _ml.Regression.Trainers.BatchNormNetworkMultiOutput(options).Fit(View(rows, 0));
    }

    private void Set(BatchNormNetworkOptions options, bool timed)
    {
        options.Seed = 1;
        AccuracyCommand.Set(options, _settings);
        if (timed)
        {
            (options.NumberOfThreads, options.NumberOfEnsembleMembers) = (1, 1);
            (options.MaximumNumberOfEpochs, options.EarlyStoppingPatience) = (12, 0);
        }
    }

    private static double Seconds(Action fit)
    {
        using var process = Process.GetCurrentProcess();
        TimeSpan before = process.TotalProcessorTime;
        fit();
        process.Refresh();
        return (process.TotalProcessorTime - before).TotalSeconds;
    }

    private IDataView View(Row[] rows, int target)
    {
        foreach (Row row in rows)
            row.Label = row.Targets[target];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, rows[0].Features.Length);
        schema[nameof(Row.Targets)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, rows[0].Targets.Length);
        return _ml.Data.LoadFromEnumerable(rows, schema);
    }

    /// <summary>The label of a table and some of its numbers as targets, the other numbers as features.</summary>
    private static IEnumerable<Row> Rows(IDataView view, int first, int count)
    {
        float[][] numbers = [.. view.GetColumn<float[]>("Numbers")];
        float[] labels = [.. view.GetColumn<float>("Label")];
        return numbers.Zip(labels, (row, label) => new Row
        {
            Features = [.. row[..first], .. row[(first + count)..]], Targets = [label, .. row[first..(first + count)]],
        });
    }

    /// <summary>Five targets of unlike units that are mixtures of three things that are hidden in twenty features.</summary>
    private static Row[] Generated(int count)
    {
        var random = new Random(1);
        double[][] mixtures =
            [.. Enumerable.Range(0, GeneratedTargets).Select(_ => new[] { Normal(random), Normal(random), Normal(random) })];
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            float[] x = [.. Enumerable.Range(0, GeneratedSlots).Select(_ => (float)Normal(random))];
            double[] hidden = [x[0] * x[1] + x[2], Math.Sin(2 * x[3]) * x[4], Math.Abs(x[5] + x[6]) - x[7] * x[8]];
            return new Row
            {
                Features = x,
                Targets = [.. mixtures.Select((mixture, target) =>
                    (float)(Math.Pow(10, target) * (mixture.Zip(hidden, (a, b) => a * b).Sum() + 0.7 * Normal(random))))],
            };
        })];
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
