using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// What a model of each table costs: its training, a row, many rows, its bytes; ours and ML.NET's own
/// trainers with no option set, on the same rows.
/// </summary>
/// <remarks>
/// Tab-separated lines: <c>price TABLE METHOD fit_s row_us rows_per_s model_bytes</c>. fit_s: median of three calls of <c>Fit</c> of
/// one-hot encoding and trainer, behind one that warms up and leaves the rows in memory. row_us: a call of
/// <see cref="PredictionEngine{TSrc, TDst}"/> on features that are there, median of rounds. rows_per_s: <c>Transform</c> over the test
/// rows, scores read one after the other. model_bytes: the trainer's saved transformer, without the encoding.
/// </remarks>
internal static class PriceCommand
{
    private const int Fits = 3;
    private const int Rounds = 5;
    private static readonly TimeSpan s_round = TimeSpan.FromSeconds(0.2);

    private sealed class Example
    {
        public float[] Features { get; set; } = [];
    }

    private sealed class OneScore
    {
        public float Score { get; set; }
    }

    private sealed class SeveralScores
    {
        public float[] Score { get; set; } = [];
    }

    public static int Run(string[] args)
    {
        if (args.Length < 1)
        {
            Console.Error.WriteLine("usage: price DIR [seed] [METHOD...]");
            return 2;
        }
        int seed = args.Length > 1 ? int.Parse(args[1], NumberStyles.Integer, CultureInfo.InvariantCulture) : 1;
        string[] methods = args.Length > 2 ? args[2..] : ["batchnorm", "batchnorm-fast", "lightgbm", "fasttree"];
        foreach (string folder in BenchmarkTable.FoldersUnder(args[0]))
        {
            foreach (string method in methods)
                Console.WriteLine(Measure(folder, method, seed));
        }
        return 0;
    }

    private static string Measure(string folder, string method, int seed)
    {
        var ml = new MLContext(seed);
        using var table = new BenchmarkTable(ml, folder);
        IEstimator<ITransformer> featurize = table.Featurize(), trainer = AccuracyCommand.Trainer(ml, table.Task, method);
        EstimatorChain<ITransformer> pipeline = featurize.Append(trainer);
        ITransformer model = pipeline.Fit(table.Train).LastTransformer;
        var seconds = new double[Fits];
        for (int fit = 0; fit < Fits; fit++)
        {
            long start = Stopwatch.GetTimestamp();
            model = pipeline.Fit(table.Train).LastTransformer;
            seconds[fit] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        IDataView test = ml.Data.Cache(featurize.Fit(table.Train).Transform(table.Test), "Features");
        double micros = table.Task == "multiclass"
            ? RowMicroseconds<SeveralScores>(ml, model, test)
            : RowMicroseconds<OneScore>(ml, model, test);
        using var saved = new MemoryStream();
        ml.Model.Save(model, test.Schema, saved);
        double rowsPerSecond = RowsPerSecond(model, test, table.Task);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"price\t{table.Name}\t{method}\t{Median(seconds):F3}\t{micros:F3}\t{rowsPerSecond:F0}\t{saved.Length}");
    }

    private static double RowMicroseconds<TPrediction>(MLContext ml, ITransformer model, IDataView rows)
        where TPrediction : class, new()
    {
        Example[] examples = [.. rows.GetColumn<float[]>("Features").Take(2000).Select(features => new Example { Features = features })];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Example));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, examples[0].Features.Length);
        using var engine = ml.Model.CreatePredictionEngine<Example, TPrediction>(model, inputSchemaDefinition: schema);
        var prediction = new TPrediction();
        return Median([.. Repeat(() =>
        {
            foreach (Example example in examples)
                engine.Predict(example, ref prediction);
        }).Select(secondsOfAll => secondsOfAll * 1e6 / examples.Length)]);
    }

    private static double RowsPerSecond(ITransformer model, IDataView rows, string task)
    {
        IDataView scored = model.Transform(rows);
        long count = 0;
        double[] seconds = Repeat(() => count = task == "multiclass" ? Read<VBuffer<float>>(scored) : Read<float>(scored));
        return count / Median(seconds);
    }

    private static long Read<TScore>(IDataView scored)
    {
        DataViewSchema.Column column = scored.Schema["Score"];
        using DataViewRowCursor cursor = scored.GetRowCursor([column]);
        ValueGetter<TScore> getter = cursor.GetGetter<TScore>(column);
        TScore score = default!;
        long rows = 0;
        for (; cursor.MoveNext(); rows++)
            getter(ref score);
        return rows;
    }

    /// <summary>
    /// Seconds of one run of the action in each of several rounds; the first round, while code is compiled, is not among them.
    /// </summary>
    private static double[] Repeat(Action action)
    {
        var seconds = new double[Rounds];
        for (int round = -1; round < Rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            int runs = 0;
            do
            {
                action();
                runs++;
            }
            while (Stopwatch.GetElapsedTime(start) < s_round);
            if (round >= 0)
                seconds[round] = Stopwatch.GetElapsedTime(start).TotalSeconds / runs;
        }
        return seconds;
    }

    private static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
