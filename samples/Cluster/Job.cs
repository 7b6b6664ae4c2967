using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;
using MLNetBatchNorm;

namespace Cluster;

/// <summary>What is trained: an ensemble of eight networks on a table from a known function.</summary>
internal static class Job
{
    private const int Rows = 4000;

    /// <summary>Trains, here or elsewhere, and gives the hash of the model.</summary>
    /// <param name="runner">Where; null: on threads of this process.</param>
    /// <param name="told">Told about each epoch of each network.</param>
    public static string Train(TrainingRunner? runner, Action<TrainingProgress> told)
    {
        var mlContext = new MLContext(seed: 1);
        IDataView table = Table(mlContext);
        ITransformer model = mlContext.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            NumberOfEnsembleMembers = 8, MaximumNumberOfEpochs = 12, HiddenUnits = [64, 32], Seed = 1, TrainingRunner = runner,
            Progress = new Listener(told),
        }).Fit(table);
        return Hash(mlContext, model, table.Schema);
    }

    private static IDataView Table(MLContext mlContext)
    {
        var random = new Random(1);
        return mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, Rows).Select(_ =>
        {
            float[] x = [.. Enumerable.Range(0, 10).Select(_ => random.NextSingle())];
            // Friedman's function (1991).
            double y = 10 * Math.Sin(Math.PI * x[0] * x[1]) + 20 * Math.Pow(x[2] - 0.5, 2) + 10 * x[3] + 5 * x[4];
            return new Row { Features = x, Label = (float)(y + random.NextDouble()) };
        }).ToArray());
    }

    /// <summary>SHA-256 of all that is in the model's file, but for the time of its writing.</summary>
    private static string Hash(MLContext mlContext, ITransformer model, DataViewSchema schema)
    {
        using var file = new MemoryStream();
        mlContext.Model.Save(model, schema, file);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var archive = new ZipArchive(file, ZipArchiveMode.Read);
        foreach (ZipArchiveEntry entry in archive.Entries.OrderBy(entry => entry.FullName, StringComparer.Ordinal))
        {
            using Stream content = entry.Open();
            hash.AppendData(SHA256.HashData(content));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private sealed class Row
    {
        [VectorType(10)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    // Not Progress<T>, which would tell on another thread, later.
    private sealed class Listener(Action<TrainingProgress> told) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => told(value);
    }
}
