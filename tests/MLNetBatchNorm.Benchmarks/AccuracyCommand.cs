using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Trains on every table of a folder with one pipeline and no option set, and measures on the table's test rows.</summary>
/// <remarks>
/// Tab-separated lines: <c>NAME TASK METHOD SEED METRIC VALUE ... fit_s SECONDS score_s SECONDS</c>, for binary tables
/// <c>acc auc logloss</c>, for multiclass <c>acc macro logloss</c>, for regression <c>r2 rmse mae</c>. Log-loss is in nats. fit_s includes
/// the reading of the text file and the one-hot encoding, score_s both passes of them. The peers are ML.NET's own trainers with their own
/// defaults behind the same pipeline. For choosing defaults there are <c>--validation</c>, which measures on a quarter of the training rows
/// and never reads the test rows, <c>--rows=300</c>, which trains on so many of the training rows and measures on the others, and
/// <c>Option=Value</c>, such as <c>DropoutRate=0.3</c> or <c>HiddenUnits=512,256</c>.
/// </remarks>
internal sealed class AccuracyCommand
{
    private const double ValidationShare = 0.25;

    private readonly int _seed = 1;
    private readonly bool _validation;
    private readonly long? _rows;
    private readonly Dictionary<string, string> _settings = [];

    private AccuracyCommand(IEnumerable<string> arguments)
    {
        foreach (string argument in arguments)
        {
            if (argument == "--validation")
                _validation = true;
            else if (argument.Split('=') is ["--rows", var rows])
                _rows = long.Parse(rows, CultureInfo.InvariantCulture);
            else if (argument.Split('=', 2) is [var option, var value])
                _settings[option] = value;
            else
                _seed = int.Parse(argument, NumberStyles.Integer, CultureInfo.InvariantCulture);
        }
    }

    public static int Run(string[] args)
    {
        if (args.Length == 0)
        {
            Console.Error.WriteLine("usage: accuracy DIR [seed] [--peers] [--validation | --rows=N] [Option=Value...]");
            return 2;
        }
        var command = new AccuracyCommand(args.Skip(1).Where(argument => argument != "--peers"));
        string[] methods = args.Contains("--peers") ? ["batchnorm", "lightgbm", "fasttree"] : ["batchnorm"];
        int failures = 0;
        foreach (string folder in BenchmarkTable.FoldersUnder(args[0]))
        {
            foreach (string method in methods)
                failures += command.TryMeasure(folder, method) ? 0 : 1;
        }
        return failures == 0 ? 0 : 1;
    }

    /// <summary>
    /// Prints the line; where a trainer refuses a table (LightGBM: one of a dozen rows), says
    /// so on standard error and lets the others go on.
    /// </summary>
    private bool TryMeasure(string folder, string method)
    {
        try
        {
            Console.WriteLine(Measure(folder, method));
            return true;
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or InvalidDataException or IOException)
        {
            Console.Error.WriteLine($"{folder}, {method}: {e.Message}");
            return false;
        }
    }

    private string Measure(string folder, string method)
    {
        var ml = new MLContext(_seed);
        using var table = new BenchmarkTable(ml, folder);
        (IDataView train, IDataView test) = (table.Train, table.Test);
        if (_rows is { } few)
        {
            // Of the training rows, the others measuring; shuffled once, so that both sides know of the same order.
            IDataView shuffled = ml.Data.Cache(ml.Data.ShuffleRows(table.Train, _seed, 100_000));
            (train, test) = (ml.Data.TakeRows(shuffled, few), ml.Data.SkipRows(shuffled, few));
        }
        else if (_validation)
        {
            DataOperationsCatalog.TrainTestData split = ml.Data.TrainTestSplit(table.Train, ValidationShare, seed: _seed);
            (train, test) = (split.TrainSet, split.TestSet);
        }
        IEstimator<ITransformer> pipeline = table.Featurize().Append(TrainerAsSet(ml, table.Task, method));
        var clock = Stopwatch.StartNew();
        ITransformer model = pipeline.Fit(train);
        double fitSeconds = clock.Elapsed.TotalSeconds;
        clock.Restart();
        string metrics = Metrics(ml, table.Task, model.Transform(test));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{table.Name}\t{table.Task}\t{method}\t{_seed}\t{metrics}\tfit_s\t{fitSeconds:F2}\tscore_s\t{clock.Elapsed.TotalSeconds:F2}");
    }

    /// <summary>A method's trainer with its defaults, but for what is set by <c>Option=Value</c>.</summary>
    public static IEstimator<ITransformer> Trainer(MLContext ml, string task, string method, params string[] settings) =>
        new AccuracyCommand(settings).TrainerAsSet(ml, task, method);

    private static IEstimator<ITransformer> TrainerOfEffort(MLContext ml, string task, TrainingEffort effort) =>
        new AccuracyCommand([$"Effort={effort}"]).TrainerAsSet(ml, task, "batchnorm");

    private IEstimator<ITransformer> TrainerAsSet(MLContext ml, string task, string method) => (task, method) switch
    {
        ("binary", "batchnorm") => ml.BinaryClassification.Trainers.BatchNormNetwork(Set(new BatchNormNetworkBinaryTrainer.Options())),
        (_, "batchnorm-fast") => TrainerOfEffort(ml, task, TrainingEffort.Fast),
        (_, "batchnorm-best") => TrainerOfEffort(ml, task, TrainingEffort.Best),
        (_, "batchnorm-compact") => new AccuracyCommand(["CompactModel=true"]).TrainerAsSet(ml, task, "batchnorm"),
        ("binary", "lightgbm") => ml.BinaryClassification.Trainers.LightGbm(),
        ("binary", "fasttree") => ml.BinaryClassification.Trainers.FastTree(),
        ("multiclass", "batchnorm") => ml.MulticlassClassification.Trainers.BatchNormNetwork(
            Set(new BatchNormNetworkMulticlassTrainer.Options())),
        ("multiclass", "lightgbm") => ml.MulticlassClassification.Trainers.LightGbm(),
        ("multiclass", "fasttree") => ml.MulticlassClassification.Trainers.OneVersusAll(ml.BinaryClassification.Trainers.FastTree()),
        ("regression", "batchnorm") => ml.Regression.Trainers.BatchNormNetwork(Set(new BatchNormNetworkRegressionTrainer.Options())),
        ("regression", "lightgbm") => ml.Regression.Trainers.LightGbm(),
        ("regression", "fasttree") => ml.Regression.Trainers.FastTree(),
        _ => throw new ArgumentException($"There is no trainer '{method}' for the task '{task}'."),
    };

    private T Set<T>(T options)
        where T : BatchNormNetworkOptions => Set(options, _settings);

    /// <summary>Sets options of these names to what the texts say.</summary>
    public static T Set<T>(T options, IReadOnlyDictionary<string, string> settings)
        where T : BatchNormNetworkOptions
    {
        foreach ((string option, string value) in settings)
        {
            PropertyInfo property = typeof(T).GetProperty(option) ?? throw new ArgumentException($"There is no option '{option}'.");
            Type type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            property.SetValue(options, type.IsEnum ? Enum.Parse(type, value)
                : type == typeof(int[]) ? value.Split(',').Select(part => int.Parse(part, CultureInfo.InvariantCulture)).ToArray()
                : Convert.ChangeType(value, type, CultureInfo.InvariantCulture));
        }
        return options;
    }

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
