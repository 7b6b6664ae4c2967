using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using Microsoft.ML;
using Microsoft.ML.Calibrators;
using Microsoft.ML.Data;
using Microsoft.ML.Trainers;

namespace MLNetBatchNorm.Benchmarks;

/// <summary>Text classification on the sparse vectors of <c>FeaturizeText</c>: ours and, on request, ML.NET's SDCA and LightGBM on the same rows.</summary>
/// <remarks>
/// Lines <c>text METHOD auc VALUE acc VALUE logloss VALUE fit_s SECONDS peak_mb MEGABYTES before_mb MEGABYTES dim SLOTS</c>; for ours also
/// <c>weights_mb</c> (weights and optimizer state) and <c>data_mb</c> (the entries of the training rows, 8 bytes each). The features are computed once
/// and kept in memory, so that fit_s is the trainer's own time; before_mb and peak_mb are the process's working set before the fit and its largest during it.
/// DIR holds train.tsv.gz and test.tsv.gz: a header, then label (0 or 1), tab, text.
/// </remarks>
internal static class TextCommand
{
    private sealed class Review
    {
        public bool Label { get; set; }

        public string Text { get; set; } = "";
    }

    public static int Run(string[] args)
    {
        if (args.Length == 0)
        {
            Console.Error.WriteLine("usage: text DIR [--peers] [seed]");
            return 2;
        }
        bool peers = args.Contains("--peers");
        int seed = args.Skip(1).Select(a => int.TryParse(a, out int s) ? s : (int?)null).FirstOrDefault(s => s is not null) ?? 1;
        var ml = new MLContext(seed);
        IDataView train = ml.Data.LoadFromEnumerable(Read(Path.Combine(args[0], "train.tsv.gz")));
        IDataView test = ml.Data.LoadFromEnumerable(Read(Path.Combine(args[0], "test.tsv.gz")));
        ITransformer featurize = ml.Transforms.Text.FeaturizeText("Features", nameof(Review.Text)).Fit(train);
        IDataView trainRows = InMemory(ml, featurize.Transform(train)), testRows = InMemory(ml, featurize.Transform(test));
        int slots = ((VectorDataViewType)trainRows.Schema["Features"].Type).Size;

        Measure(ml, "batchnorm", ml.BinaryClassification.Trainers.BatchNormNetwork(), trainRows, testRows, slots);
        if (peers)
        {
            Measure(ml, "sdca", ml.BinaryClassification.Trainers.SdcaLogisticRegression(), trainRows, testRows, slots);
            Measure(ml, "lightgbm", ml.BinaryClassification.Trainers.LightGbm(), trainRows, testRows, slots);
        }
        return 0;
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
        IDataView cached = ml.Data.Cache(view, "Features", "Label");
        using DataViewRowCursor cursor = cached.GetRowCursor(cached.Schema);
        while (cursor.MoveNext())
        {
        }
        return cached;
    }

    private static void Measure<TTransformer>(MLContext ml, string name, IEstimator<TTransformer> trainer, IDataView train, IDataView test, int slots)
        where TTransformer : class, ITransformer
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        long before = Environment.WorkingSet;
        long peak = before;
        using var stop = new CancellationTokenSource();
        Task watch = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                peak = Math.Max(peak, Environment.WorkingSet);
                Thread.Sleep(20);
            }
        });
        var clock = Stopwatch.StartNew();
        TTransformer model = trainer.Fit(train);
        double seconds = clock.Elapsed.TotalSeconds;
        stop.Cancel();
        watch.Wait();
        CalibratedBinaryClassificationMetrics metrics = ml.BinaryClassification.Evaluate(model.Transform(test));
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"text\t{name}\tauc\t{metrics.AreaUnderRocCurve:F5}\tacc\t{metrics.Accuracy:F5}\tlogloss\t{metrics.LogLoss * Math.Log(2):F5}\tfit_s\t{seconds:F2}\tpeak_mb\t{peak >> 20}\tbefore_mb\t{before >> 20}{Sizes(model, train)}\tdim\t{slots}"));
    }

    /// <summary>Of our own model: what weights and optimizer state (three numbers a weight) and the sparse rows take.</summary>
    private static string Sizes(object model, IDataView train)
    {
        if (model is not BinaryPredictionTransformer<CalibratedModelParametersBase<BatchNormNetworkBinaryModelParameters, PlattCalibrator>> network)
            return "";
        long weights = network.Model.SubModel.Layers.Sum(layer => (long)layer.Weights.Inputs * layer.Weights.Outputs);
        long entries = train.GetColumn<VBuffer<float>>("Features").Sum(row => (long)row.GetValues().Length);
        return $"\tweights_mb\t{3 * sizeof(float) * weights >> 20}\tdata_mb\t{2 * sizeof(float) * entries >> 20}";
    }
}
