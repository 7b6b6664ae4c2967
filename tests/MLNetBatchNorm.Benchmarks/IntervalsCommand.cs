using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Prediction intervals of every table of numbers in a folder, measured on its test rows, beside a peer's.</summary>
/// <remarks>
/// <para>Tab-separated lines: <c>interval TABLE METHOD SEED LEVEL coverage mean_width interval_score</c>. The interval score is the width
/// and, for labels outside, 2 / (1 - level) times how far (Gneiting and Raftery 2007): the less, the better. The peer is LightGBM with its
/// defaults, trained on four fifths of the rows, with the conformal quantile of its absolute errors on the other fifth to each side.</para>
/// <para>With <c>--validation</c> a quarter of the training rows is measured and the test rows are not read. With <c>--tenths</c> a line
/// <c>tenth TABLE METHOD SEED LEVEL NUMBER rows coverage</c> follows for each tenth of the rows by prediction, and
/// <c>fit TABLE METHOD SEED seconds</c>.</para>
/// <para>With <c>--fit</c> only the time of <c>Fit</c> is measured, with the level and without, in turns: lines <c>fit TABLE batchnorm SEED
/// seconds</c> and <c>fit TABLE without SEED seconds</c>, the least of some.</para>
/// </remarks>
internal static class IntervalsCommand
{
    private const double ValidationShare = 0.25;
    private const double CalibrationShare = 0.2;
    private const int Fits = 3;

    private readonly record struct Row(double Label, double Score, double Lower, double Upper)
    {
        public bool IsCovered => Label >= Lower && Label <= Upper;
    }

    public static int Run(string[] args)
    {
        string[] plain = [.. args.Where(argument => !argument.StartsWith("--", StringComparison.Ordinal))];
        if (plain.Length is < 2 or > 3
            || !double.TryParse(plain[^1], NumberStyles.Float, CultureInfo.InvariantCulture, out double level)
            || level is not (> 0 and < 1))
        {
            Console.Error.WriteLine(
                "usage: intervals DIR [seed] LEVEL [--validation] [--tenths] [--fit]; a level is a number between 0 and 1");
            return 2;
        }

        int seed = plain.Length == 3 ? int.Parse(plain[1], NumberStyles.Integer, CultureInfo.InvariantCulture) : 1;
        foreach (string folder in BenchmarkTable.FoldersUnder(plain[0]))
        {
            var ml = new MLContext(seed);
            using var table = new BenchmarkTable(ml, folder);
            if (table.Task != "regression")
                continue;
            (IDataView train, IDataView test) = (table.Train, table.Test);
            if (args.Contains("--validation"))
            {
                DataOperationsCatalog.TrainTestData split = ml.Data.TrainTestSplit(table.Train, ValidationShare, seed: seed);
                (train, test) = (split.TrainSet, split.TestSet);
            }

            if (args.Contains("--fit"))
            {
                PrintFits(ml, table, train, level, seed);
                continue;
            }

            foreach (string method in new[] { "batchnorm", "lightgbm" })
            {
                var clock = Stopwatch.StartNew();
                Func<Row[]> score = method == "batchnorm" ? Ours(ml, table, train, test, level) : Peer(ml, table, train, test, level, seed);
                double seconds = clock.Elapsed.TotalSeconds;
                Print(table.Name, method, seed, level, score(), args.Contains("--tenths"), seconds);
            }
        }

        return 0;
    }

    private static void PrintFits(MLContext ml, BenchmarkTable table, IDataView train, double level, int seed)
    {
        (string Method, double[] Levels)[] both = [("without", []), ("batchnorm", [level])];
        double[] least = [double.MaxValue, double.MaxValue];
        for (int fit = 0; fit < Fits * both.Length; fit++)
        {
            var clock = Stopwatch.StartNew();
            Fit(ml, table, train, both[fit % both.Length].Levels);
            least[fit % both.Length] = Math.Min(least[fit % both.Length], clock.Elapsed.TotalSeconds);
        }

        for (int i = 0; i < both.Length; i++)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"fit\t{table.Name}\t{both[i].Method}\t{seed}\t{least[i]:F2}"));
    }

    private static TransformerChain<RegressionPredictionTransformer<BatchNormNetworkRegressionModelParameters>> Fit(
        MLContext ml, BenchmarkTable table, IDataView train, double[] levels) =>
        table.Featurize().Append(ml.Regression.Trainers.BatchNormNetwork(
            new BatchNormNetworkRegressionTrainer.Options { IntervalLevels = levels })).Fit(train);

    private static Func<Row[]> Ours(MLContext ml, BenchmarkTable table, IDataView train, IDataView test, double level)
    {
        ITransformer model = Fit(ml, table, train, [level]);
        return () =>
        {
            IDataView scored = model.Transform(test);
            float[] lower = [.. scored.GetColumn<float>("ScoreLowerBound")], upper = [.. scored.GetColumn<float>("ScoreUpperBound")];
            return
            [
                .. scored.GetColumn<float>("Label").Zip(scored.GetColumn<float>("Score"))
                    .Select((row, i) => new Row(row.First, row.Second, lower[i], upper[i])),
            ];
        };
    }

    private static Func<Row[]> Peer(MLContext ml, BenchmarkTable table, IDataView train, IDataView test, double level, int seed)
    {
        DataOperationsCatalog.TrainTestData split = ml.Data.TrainTestSplit(train, CalibrationShare, seed: seed);
        ITransformer model = table.Featurize().Append(ml.Regression.Trainers.LightGbm()).Fit(split.TrainSet);
        (float Label, float Score)[] held = Scored(split.TestSet);
        double[] errors = [.. held.Select(row => Math.Abs((double)row.Label - row.Score)).Order()];
        double distance = errors[Math.Min(errors.Length, (int)Math.Ceiling(level * (errors.Length + 1))) - 1];
        return () => [.. Scored(test).Select(row => new Row(row.Label, row.Score, row.Score - distance, row.Score + distance))];

        (float Label, float Score)[] Scored(IDataView rows)
        {
            IDataView scored = model.Transform(rows);
            return [.. scored.GetColumn<float>("Label").Zip(scored.GetColumn<float>("Score"))];
        }
    }

    private static void Print(string table, string method, int seed, double level, Row[] rows, bool tenths, double seconds)
    {
        double penalty = 2 / (1 - level);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"interval\t{table}\t{method}\t{seed}\t{level}\t{rows.Count(row => row.IsCovered) / (double)rows.Length:F5}\t"
            + $"{rows.Average(row => row.Upper - row.Lower):G6}\t"
            + $"{rows.Average(row => row.Upper - row.Lower + penalty * Outside(row)):G6}"));
        if (!tenths)
            return;
        Row[] ordered = [.. rows.OrderBy(row => row.Score)];
        for (int tenth = 0; tenth < 10; tenth++)
        {
            Row[] part = ordered[(int)((long)tenth * rows.Length / 10)..(int)((tenth + 1L) * rows.Length / 10)];
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"tenth\t{table}\t{method}\t{seed}\t{level}\t{tenth + 1}\t{part.Length}\t"
                + $"{part.Count(row => row.IsCovered) / (double)part.Length:F5}"));
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"fit\t{table}\t{method}\t{seed}\t{seconds:F2}"));
    }

    private static double Outside(Row row) => Math.Max(0, row.Lower - row.Label) + Math.Max(0, row.Label - row.Upper);
}
