using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Trains on every table of a folder with one pipeline and no option set, and measures on the table's test rows.</summary>
/// <remarks>
/// Tab-separated lines: <c>NAME TASK METHOD SEED METRIC VALUE ... fit_s SECONDS score_s SECONDS</c>, for binary tables <c>acc auc logloss</c>, for multiclass
/// <c>acc macro logloss</c>, for regression <c>r2 rmse mae</c>. Log-loss is in nats. fit_s includes the reading of the text file and the
/// one-hot encoding, score_s both passes of them. The peers are ML.NET's own trainers with their own defaults behind the same pipeline.
/// </remarks>
internal static class AccuracyCommand
{
    public static int Run(string[] args)
    {
        if (args.Length == 0)
        {
            Console.Error.WriteLine("usage: accuracy DIR [seed] [--peers]");
            return 2;
        }
        int seed = 1;
        foreach (string argument in args.Skip(1).Where(argument => argument != "--peers"))
            seed = int.Parse(argument, NumberStyles.Integer, CultureInfo.InvariantCulture);
        string[] methods = args.Contains("--peers") ? ["batchnorm", "lightgbm", "fasttree"] : ["batchnorm"];
        int failures = 0;
        foreach (string folder in BenchmarkTable.FoldersUnder(args[0]))
        {
            foreach (string method in methods)
                failures += TryMeasure(folder, method, seed) ? 0 : 1;
        }
        return failures == 0 ? 0 : 1;
    }

    /// <summary>Prints the line; where a trainer refuses a table (LightGBM: one of a dozen rows), says so on standard error and lets the others go on.</summary>
    private static bool TryMeasure(string folder, string method, int seed)
    {
        try
        {
            Console.WriteLine(Measure(folder, method, seed));
            return true;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or InvalidDataException or IOException)
        {
            Console.Error.WriteLine($"{folder}, {method}: {e.Message}");
            return false;
        }
    }

    private static string Measure(string folder, string method, int seed)
    {
        var ml = new MLContext(seed);
        using var table = new BenchmarkTable(ml, folder);
        IEstimator<ITransformer> pipeline = table.Featurize().Append(Trainer(ml, table.Task, method));
        var clock = Stopwatch.StartNew();
        ITransformer model = pipeline.Fit(table.Train);
        double fitSeconds = clock.Elapsed.TotalSeconds;
        clock.Restart();
        string metrics = Metrics(ml, table.Task, model.Transform(table.Test));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{table.Name}\t{table.Task}\t{method}\t{seed}\t{metrics}\tfit_s\t{fitSeconds:F2}\tscore_s\t{clock.Elapsed.TotalSeconds:F2}");
    }

    private static IEstimator<ITransformer> Trainer(MLContext ml, string task, string method) => (task, method) switch
    {
        ("binary", "batchnorm") => ml.BinaryClassification.Trainers.BatchNormNetwork(),
        ("binary", "lightgbm") => ml.BinaryClassification.Trainers.LightGbm(),
        ("binary", "fasttree") => ml.BinaryClassification.Trainers.FastTree(),
        ("multiclass", "batchnorm") => ml.MulticlassClassification.Trainers.BatchNormNetwork(),
        ("multiclass", "lightgbm") => ml.MulticlassClassification.Trainers.LightGbm(),
        ("multiclass", "fasttree") => ml.MulticlassClassification.Trainers.OneVersusAll(ml.BinaryClassification.Trainers.FastTree()),
        ("regression", "batchnorm") => ml.Regression.Trainers.BatchNormNetwork(),
        ("regression", "lightgbm") => ml.Regression.Trainers.LightGbm(),
        ("regression", "fasttree") => ml.Regression.Trainers.FastTree(),
        _ => throw new ArgumentException($"There is no trainer '{method}' for the task '{task}'."),
    };

    private static string Metrics(MLContext ml, string task, IDataView scored)
    {
        switch (task)
        {
            case "binary":
                CalibratedBinaryClassificationMetrics binary = ml.BinaryClassification.Evaluate(scored);
                // ML.NET gives the log-loss of two classes in bits, that of many in nats.
                return Text($"acc\t{binary.Accuracy:F5}\tauc\t{binary.AreaUnderRocCurve:F5}\tlogloss\t{binary.LogLoss * Math.Log(2):F5}");
            case "multiclass":
                MulticlassClassificationMetrics classes = ml.MulticlassClassification.Evaluate(scored);
                return Text($"acc\t{classes.MicroAccuracy:F5}\tmacro\t{classes.MacroAccuracy:F5}\tlogloss\t{classes.LogLoss:F5}");
            default:
                RegressionMetrics numbers = ml.Regression.Evaluate(scored);
                return Text($"r2\t{numbers.RSquared:F5}\trmse\t{numbers.RootMeanSquaredError:G6}\tmae\t{numbers.MeanAbsoluteError:G6}");
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
