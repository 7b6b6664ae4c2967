using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;
using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Yes or no by ten numbers and a column of very many categories: ours, ML.NET's SDCA and LightGBM, with their defaults.</summary>
/// <remarks>
/// <para>categories [ROWS [CATEGORIES [SEED]]] [METHOD...] [Option=Value...]. Each category has a training row, and the other rows have
/// categories by Zipf's law, so that some have thousands of rows and most have one or two. The logit is a number of the category's own,
/// normal with deviation 1.5, plus what five of the numbers say, by a wave, a product, steps and a slope; the other five say nothing. The
/// test rows are a fifth as many of the same process, half of them of categories by Zipf's law.</para>
/// <para>Each method is fitted in a process of its own, on features that have been encoded before but are made anew for each pass, so that
/// the memory is the trainer's. Lines <c>categories METHOD SEED auc VALUE logloss VALUE fit_s SECONDS cpu_s SECONDS before_mb MEGABYTES
/// peak_mb MEGABYTES model_bytes BYTES</c>; before_mb and peak_mb are the working set, garbage included. For ours also <c>networks NUMBER
/// live_mb MEGABYTES weights_mb MEGABYTES row_bytes BYTES</c>: most bytes in use at once in a second call, of two epochs, what of them are
/// weights and optimizer state (<see cref="FitMeasurement.WeightBytes"/>), and what is left, a row. First a line <c>categories truth</c>
/// with the AUC and log-loss of the probabilities by which the labels were drawn.</para>
/// </remarks>
internal static class CategoriesCommand
{
    private const int Numbers = 10;

    private const double Deviation = 1.5;

    // The k-th category has a weight of one over k and this: the first of 100,000 has about 1% of those rows.
    private const double ZipfOffset = 10;

    private const int TestShare = 5;

    private sealed class Row
    {
        [VectorType(Numbers)]
        public float[] Values { get; } = new float[Numbers];

        public string Category { get; set; } = "";

        public bool Label { get; set; }

        public float Truth { get; set; }
    }

    private readonly record struct Size(int Rows, int Categories, ulong Seed);

    public static int Run(string[] args)
    {
        bool isChild = args is ["one", ..];
        int[] numbers = [.. args.Select(argument => int.TryParse(argument, out int number) ? number : -1).Where(number => number >= 0)];
        var size = new Size(
            numbers.ElementAtOrDefault(0) is > 0 and int rows ? rows : 200_000,
            numbers.ElementAtOrDefault(1) is > 0 and int categories ? categories : 100_000,
            numbers.Length > 2 ? (ulong)numbers[2] : 1);
        if (size.Rows < size.Categories)
            throw new ArgumentException($"{size.Rows} rows are too few for {size.Categories} categories of at least one row each.");
        string[] settings = [.. args.Where(argument => argument.Contains('=', StringComparison.Ordinal))];
        string[] methods = [.. args.Except(settings).Where(argument => argument != "one" && !int.TryParse(argument, out _))];
        if (isChild)
        {
            Measure(methods[0], size, settings);
            return 0;
        }
        Console.WriteLine(Text($"categories\ttruth\t{size.Seed}\t{Truth(size)}"));
        foreach (string method in methods.Length > 0 ? methods : ["batchnorm", "sdca", "lightgbm"])
            Child(method, size, settings);
        return 0;
    }

    private static void Child(string method, Size size, string[] settings)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!);
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(CategoriesCommand).Assembly.Location);
        foreach (string argument in (string[])["categories", "one", method, .. Arguments(size), .. settings])
            start.ArgumentList.Add(argument);
        using Process child = Process.Start(start)!;
        child.WaitForExit();
        if (child.ExitCode != 0)
            throw new InvalidDataException($"'{method}' ended with code {child.ExitCode}.");
    }

    private static string[] Arguments(Size size) => [$"{size.Rows}", $"{size.Categories}", $"{size.Seed}"];

    private static void Measure(string method, Size size, string[] settings)
    {
        var ml = new MLContext((int)size.Seed);
        var source = new Source(size);
        IDataView rows = source.View(ml, isTest: false);
        ITransformer features = ml.Transforms.Categorical.OneHotEncoding(
                "Hot", nameof(Row.Category), maximumNumberOfKeys: size.Categories)
            .Append(ml.Transforms.Concatenate("Features", nameof(Row.Values), "Hot")).Fit(rows);
        IEstimator<ITransformer> trainer = method == "sdca"
            ? ml.BinaryClassification.Trainers.SdcaLogisticRegression()
            : AccuracyCommand.Trainer(ml, "binary", method, settings);
        IDataView train = features.Transform(rows);
        trainer.Fit(ml.Data.TakeRows(train, 1000));         // the compiler's memory is not to be measured
        FitMeasurement fit = FitMeasurement.Of(() => trainer.Fit(train));
        IDataView scored = fit.Model.Transform(features.Transform(source.View(ml, isTest: true)));
        CalibratedBinaryClassificationMetrics metrics = ml.BinaryClassification.Evaluate(scored);
        using var stream = new MemoryStream();
        ml.Model.Save(fit.Model, train.Schema, stream);
        string more = "";
        if (fit.Model is
            BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>> ours)
        {
            IEstimator<ITransformer> shorter = AccuracyCommand.Trainer(ml, "binary", method, [.. settings, "MaximumNumberOfEpochs=2"]);
            long weights = FitMeasurement.WeightBytes(ours.Model.SubModel), live = FitMeasurement.LiveBytes(() => shorter.Fit(train));
            more = Text($"\tnetworks\t{ours.Model.SubModel.Network.Members.Count}\tlive_mb\t{live / 1e6:F1}")
                + Text($"\tweights_mb\t{weights / 1e6:F1}\trow_bytes\t{(live - weights) / size.Rows}");
        }
        // ML.NET gives the log-loss of two classes in bits.
        Console.WriteLine(
            Text($"categories\t{method}\t{size.Seed}")
            + Text($"\tauc\t{metrics.AreaUnderRocCurve:F4}\tlogloss\t{metrics.LogLoss * Math.Log(2):F4}")
            + Text($"\tfit_s\t{fit.Seconds:F1}\tcpu_s\t{fit.ProcessorSeconds:F1}\tbefore_mb\t{fit.Before / 1e6:F1}")
            + Text($"\tpeak_mb\t{fit.Peak / 1e6:F1}\tmodel_bytes\t{stream.Length}{more}"));
    }

    /// <summary>Where rows come from: made when they are read, with one object for all and one text for each category.</summary>
    private sealed class Source
    {
        private readonly Size _size;
        private readonly string[] _names;
        private readonly float[] _effects;
        private readonly double[] _sums;

        public Source(Size size)
        {
            _size = size;
            _names = [.. Enumerable.Range(0, size.Categories).Select(category => $"c{category}")];
            _effects = new float[size.Categories];
            _sums = new double[size.Categories];
            var random = new RandomStream(size.Seed, 0);
            double sum = 0;
            for (int category = 0; category < size.Categories; category++)
            {
                _effects[category] = (float)(Deviation * Normal(ref random));
                _sums[category] = sum += 1 / (category + ZipfOffset);
            }
        }

        public IDataView View(MLContext ml, bool isTest) => ml.Data.LoadFromEnumerable(Rows(isTest));

        private IEnumerable<Row> Rows(bool isTest)
        {
            var random = new RandomStream(_size.Seed, isTest ? 2UL : 1UL);
            var row = new Row();
            int rows = isTest ? _size.Rows / TestShare : _size.Rows;
            for (int r = 0, certain = 0; r < rows; r++)
            {
                // Of a training row that a category is certain to have, the next one; of as many test rows, any.
                int category = !isTest && IsCertain(r) ? certain++
                    : isTest && random.NextDouble() < (double)_size.Categories / _size.Rows ? random.Next(_size.Categories)
                    : ByZipf(random.NextDouble());
                foreach (ref float value in row.Values.AsSpan())
                    value = (float)Normal(ref random);
                float[] x = row.Values;
                double logit = _effects[category] + Math.Sin(3 * x[0]) + x[1] * x[2] + (x[3] > 0.5 ? 1 : x[3] < -1 ? 0.5 : -0.5)
                    + 0.5 * x[4];
                row.Truth = (float)(1 / (1 + Math.Exp(-logit)));
                row.Category = _names[category];
                row.Label = random.NextDouble() < row.Truth;
                yield return row;
            }
        }

        private int ByZipf(double uniform)
        {
            int at = Array.BinarySearch(_sums, uniform * _sums[^1]);
            return Math.Min(at < 0 ? ~at : at, _sums.Length - 1);
        }

        /// <summary>Every so many-th row.</summary>
        private bool IsCertain(int row) =>
            (long)(row + 1) * _size.Categories / _size.Rows > (long)row * _size.Categories / _size.Rows;
    }

    private static double Normal(ref RandomStream random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static string Truth(Size size)
    {
        var ml = new MLContext();
        IDataView test = new Source(size).View(ml, isTest: true);
        IDataView rows = ml.Transforms.CopyColumns("Probability", nameof(Row.Truth))
            .Append(ml.Transforms.CopyColumns("Score", nameof(Row.Truth)))
            .Append(ml.Transforms.Expression("PredictedLabel", "(p) => p > 0.5f", "Probability"))
            .Fit(test).Transform(test);
        CalibratedBinaryClassificationMetrics metrics = ml.BinaryClassification.Evaluate(rows);
        return Text($"auc\t{metrics.AreaUnderRocCurve:F4}\tlogloss\t{metrics.LogLoss * Math.Log(2):F4}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
