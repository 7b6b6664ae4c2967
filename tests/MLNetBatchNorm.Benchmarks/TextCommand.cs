using System.Globalization;
using System.IO.Compression;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>
/// Text classification on the sparse vectors of <c>FeaturizeText</c>: ours and, on request, ML.NET's SDCA and LightGBM on the same rows.
/// </summary>
/// <remarks>
/// <para>
/// What is timed is <c>Fit</c> of the whole pipeline, <c>FeaturizeText</c> and a trainer, as one writes it first: a trainer that asks for
/// the rows several times has their features computed as often. With <c>--cached</c> the features are computed once before, and kept in
/// memory: fit_s is then the trainer's own time, as behind <c>AppendCacheCheckpoint</c>.
/// </para>
/// <para>
/// Lines <c>text plain|cached METHOD auc VALUE acc VALUE logloss VALUE fit_s SECONDS cpu_s SECONDS peak_mb MEGABYTES before_mb MEGABYTES
/// dim SLOTS</c>; for ours also <c>weights_mb</c> (weights and optimizer state, <see cref="FitMeasurement.WeightBytes"/>) and
/// <c>data_mb</c> (the entries of the training rows, 8 bytes each), for the others <c>batchnorm_share</c>: fit_s of ours divided by
/// theirs. cpu_s is the processor time of the fit on all threads, which other programs disturb less; before_mb and peak_mb are the
/// process's working set before the fit and its largest during it. DIR holds train.tsv.gz and test.tsv.gz: a header, then label (0 or
/// 1), tab, text.
/// </para>
/// </remarks>
internal static class TextCommand
{
    private const string Features = "Features";

    private sealed class Review
    {
        public bool Label { get; set; }

        public string Text { get; set; } = "";
    }

    public static int Run(string[] args)
    {
        if (args.Length == 0)
        {
            Console.Error.WriteLine("usage: text DIR [--peers] [--cached] [seed]");
            return 2;
        }
        bool cached = args.Contains("--cached");
        int seed = args.Skip(1).Select(a => int.TryParse(a, out int s) ? s : (int?)null).FirstOrDefault(s => s is not null) ?? 1;
        var ml = new MLContext(seed);
        IDataView train = ml.Data.LoadFromEnumerable(Read(Path.Combine(args[0], "train.tsv.gz")));
        IDataView test = ml.Data.LoadFromEnumerable(Read(Path.Combine(args[0], "test.tsv.gz")));
        IEstimator<ITransformer> featurize = ml.Transforms.Text.FeaturizeText(Features, nameof(Review.Text));
        if (cached)
        {
            ITransformer fitted = featurize.Fit(train);
            (train, test) = (InMemory(ml, fitted.Transform(train)), InMemory(ml, fitted.Transform(test)));
        }

        double ours = 0;
        foreach ((string method, IEstimator<ITransformer> trainer) in Trainers(ml, args.Contains("--peers")))
        {
            double seconds = Measure(
                ml, $"text\t{(cached ? "cached" : "plain")}\t{method}", cached ? trainer : featurize.Append(trainer), train, test, ours);
            ours = ours > 0 ? ours : seconds;
        }
        return 0;
    }

    /// <summary>Ours first.</summary>
    private static IEnumerable<(string Method, IEstimator<ITransformer> Trainer)> Trainers(MLContext ml, bool peers)
    {
        yield return ("batchnorm", ml.BinaryClassification.Trainers.BatchNormNetwork());
        if (!peers)
            yield break;
        yield return ("sdca", ml.BinaryClassification.Trainers.SdcaLogisticRegression());
        yield return ("lightgbm", ml.BinaryClassification.Trainers.LightGbm());
    }

    private static IEnumerable<Review> Read(string path)
    {
        using var reader = new StreamReader(new GZipStream(File.OpenRead(path), CompressionMode.Decompress));
        reader.ReadLine();
        var rows = new List<Review>();
        while (reader.ReadLine() is { } line)
        {
            int tab = line.IndexOf('\t', StringComparison.Ordinal);
            rows.Add(new Review { Label = line[..tab] == "1", Text = line[(tab + 1)..] });
        }
        return rows;
    }

    private static IDataView InMemory(MLContext ml, IDataView view)
    {
        IDataView cached = ml.Data.Cache(view, Features, nameof(Review.Label));
        using DataViewRowCursor cursor = cached.GetRowCursor(cached.Schema);
        while (cursor.MoveNext())
        {
        }
        return cached;
    }

    /// <summary>Fits, prints the line and returns the seconds of the fit.</summary>
    private static double Measure(
        MLContext ml, string name, IEstimator<ITransformer> pipeline, IDataView train, IDataView test, double secondsOfOurs)
    {
        FitMeasurement fit = FitMeasurement.Of(() => pipeline.Fit(train));
        (ITransformer model, double seconds) = (fit.Model, fit.Seconds);
        IDataView scored = model.Transform(test);
        CalibratedBinaryClassificationMetrics metrics = ml.BinaryClassification.Evaluate(scored);
        string more = secondsOfOurs > 0 ? Text($"\tbatchnorm_share\t{secondsOfOurs / seconds:F3}") : Sizes(model, train);
        Console.WriteLine(
            Text($"{name}\tauc\t{metrics.AreaUnderRocCurve:F5}\tacc\t{metrics.Accuracy:F5}\tlogloss\t{metrics.LogLoss * Math.Log(2):F5}")
            + Text($"\tfit_s\t{seconds:F2}\tcpu_s\t{fit.ProcessorSeconds:F2}\tpeak_mb\t{fit.Peak >> 20}\tbefore_mb\t{fit.Before >> 20}")
            + Text($"\tdim\t{((VectorDataViewType)scored.Schema[Features].Type).Size}{more}"));
        return seconds;
    }

    /// <summary>Of our own model: what weights and optimizer state of its networks and the sparse rows take.</summary>
    private static string Sizes(ITransformer model, IDataView train)
    {
        ITransformer last = model is IEnumerable<ITransformer> chain ? chain.Last() : model;
        var network =
            (BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>>)last;
        long weights = FitMeasurement.WeightBytes(network.Model.SubModel);
        long entries = model.Transform(train).GetColumn<VBuffer<float>>(Features).Sum(row => (long)row.GetValues().Length);
        return Text($"\tweights_mb\t{weights >> 20}\tdata_mb\t{2 * sizeof(float) * entries >> 20}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
