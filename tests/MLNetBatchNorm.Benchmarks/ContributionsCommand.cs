using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>What the columns of a row contribute to its score, with the defaults, against Shapley values by the definition.</summary>
/// <remarks>
/// Tab-separated lines: <c>contribution TABLE SEED rank_correlation max_sum_error row_us score_us</c>. rank_correlation: mean, over test
/// rows (and classes), of Spearman's correlation between the columns' contributions and their Shapley values over the same base: all
/// subsets up to 16 columns, 1,000 random orders of more. max_sum_error: how far base and contributions are from the score at most,
/// relative to it, or to 1 where it is smaller. row_us, score_us: one call for one row, contributions and score; median of rounds.
/// <c>Option=Value</c>, as in <c>accuracy</c>, trains otherwise than the defaults do.
/// </remarks>
internal static class ContributionsCommand
{
    private const int Rounds = 7;

    // Rows that are compared; of many columns fewer, for a row has up to 65,536 subsets.
    private const int ComparedRows = 100;
    private const int ComparedRowsOfMany = 10;
    private const int ManyColumns = 12;
    private const int TimedRows = 200;

    public static int Run(string[] args)
    {
        string[] settings = [.. args.Where(argument => argument.Contains('='))], plain = [.. args.Except(settings)];
        if (plain.Length is < 1 or > 2)
        {
            Console.Error.WriteLine("usage: contributions DIR [seed] [Option=Value...]");
            return 2;
        }
        int seed = plain.Length > 1 ? int.Parse(plain[1], NumberStyles.Integer, CultureInfo.InvariantCulture) : 1;
        foreach (string folder in BenchmarkTable.FoldersUnder(plain[0]))
            Console.WriteLine(Measure(folder, seed, settings));
        return 0;
    }

    private static string Measure(string folder, int seed, string[] settings)
    {
        var ml = new MLContext(seed);
        using var table = new BenchmarkTable(ml, folder);
        IEstimator<ITransformer> featurize = table.Featurize();
        ITransformer model = featurize.Append(AccuracyCommand.Trainer(ml, table.Task, "batchnorm", settings))
            .Fit(table.Train).LastTransformer;
        IDataView test = featurize.Fit(table.Train).Transform(ml.Data.TakeRows(table.Test, TimedRows));
        float[][] rows = [.. test.GetColumn<float[]>("Features")];
        object parameters = ((ISingleFeaturePredictionTransformer<object>)model).Model;
        return parameters switch
        {
            CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator> binary =>
                Compare(table.Name, seed, binary.SubModel, rows),
            BatchNormNetworkMulticlassModelParameters several => Compare(table.Name, seed, several, rows),
            BatchNormNetworkRegressionModelParameters regression => Compare(table.Name, seed, regression, rows),
            _ => throw new InvalidDataException($"{folder}: no network was trained."),
        };
    }

    private static string Compare<TScore>(string name, int seed, BatchNormNetworkModelParametersBase<TScore> model, float[][] rows)
    {
        bool centred = model is BatchNormNetworkMulticlassModelParameters;
        int outputs = model.FeatureContributionBase.Count, slots = model.NumberOfFeatures;
        BatchNormNetworkEncoder encoder = model.Network.Encoder;
        var reference = new ContributionReference(
            ((INetworkModel)model).Network,
            encoder.SumByColumn(new float[slots]).Select(column => (column.FirstSlot, column.NumberOfSlots)), centred);
        float[] contributions = new float[outputs * slots], score = new float[outputs];
        double correlation = 0, worst = 0;
        int compared = Math.Min(
            encoder.SumByColumn(new float[slots]).Count > ManyColumns ? ComparedRowsOfMany : ComparedRows, rows.Length);
        foreach (float[] row in rows[..compared])
        {
            model.GetFeatureContributions(row, 1, contributions);
            model.Score(row, 1, score);
            double[,] expected = reference.Values(row);
            double mean = centred ? score.Average(p => Math.Log(p)) : 0;
            for (int o = 0; o < outputs; o++)
            {
                float[] own = contributions[(o * slots)..((o + 1) * slots)];
                double[] sums = [.. encoder.SumByColumn(own).Select(column => (double)column.Contribution)];
                double[] exact = [.. Enumerable.Range(0, sums.Length).Select(column => expected[column, o])];
                correlation += Spearman(sums, exact) / compared / outputs;
                double target = centred ? Math.Log(score[o]) - mean : score[o];
                double sum = own.Sum(value => (double)value) + model.FeatureContributionBase[o];
                // The logarithm of a probability that is 0 as a float says nothing.
                if (double.IsFinite(target))
                    worst = Math.Max(worst, Math.Abs(sum - target) / Math.Max(1, Math.Abs(target)));
            }
        }

        double explained = Microseconds(() =>
        {
            foreach (float[] row in rows)
                model.GetFeatureContributions(row, 1, contributions);
        }) / rows.Length;
        double scored = Microseconds(() =>
        {
            for (int repeat = 0; repeat < 10; repeat++)
            {
                foreach (float[] row in rows)
                    model.Score(row, 1, score);
            }
        }) / rows.Length / 10;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"contribution\t{name}\t{seed}\t{correlation:F4}\t{worst:E1}\t{explained:F1}\t{scored:F2}");
    }

    private static double Spearman(double[] a, double[] b)
    {
        double[] x = Ranks(a), y = Ranks(b);
        double meanX = x.Average(), meanY = y.Average();
        double covariance = x.Zip(y, (p, q) => (p - meanX) * (q - meanY)).Sum();
        double variance = Math.Sqrt(x.Sum(p => (p - meanX) * (p - meanX)) * y.Sum(q => (q - meanY) * (q - meanY)));
        return variance == 0 ? 1 : covariance / variance;
    }

    /// <summary>Ranks from the lowest; equal numbers have the mean of theirs.</summary>
    private static double[] Ranks(double[] values) =>
        [.. values.Select(value => values.Count(other => other < value) + (values.Count(other => other == value) - 1) / 2.0)];

    private static double Microseconds(Action action)
    {
        double[] times = new double[Rounds];
        for (int round = -1; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            action();
            if (round >= 0)
                times[round] = Stopwatch.GetElapsedTime(start).TotalMicroseconds;
        }
        return times.Order().ElementAt(Rounds / 2);
    }
}
