using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Clustering.Tests;

/// <summary>Tables, trainings and the hash of what they come to.</summary>
internal static class Fits
{
    /// <summary>A column of the features and the group as one of 200 slots: a sparse vector. It is made if it is asked for.</summary>
    public const string WithCategories = "WithCategories";

    /// <summary>Rows of eight features and a label that depends on them.</summary>
    public static IDataView Rows(MLContext context, int count)
    {
        var random = new Random(3);
        return context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(_ =>
        {
            float[] features = [.. Enumerable.Range(0, 8).Select(_ => random.NextSingle() * 4 - 2)];
            return new Row
            {
                Features = features, Label = MathF.Sin(features[0]) * features[1] + features[2] + 0.1f * random.NextSingle(),
                Group = random.Next(200),
            };
        }).ToArray());
    }

    /// <summary>Trains an ensemble and hashes its bits.</summary>
    public static string Regression(
        MLContext context, BatchNormNetworkRegressionTrainer.Options? options = null, int members = 4, int epochs = 8, int count = 1000)
    {
        options ??= new BatchNormNetworkRegressionTrainer.Options();
        options.HiddenUnits ??= [32, 16];
        options.NumberOfEnsembleMembers = members;
        options.MaximumNumberOfEpochs = epochs;
        options.EarlyStoppingPatience = 0;
        options.Seed = 7;
        options.BatchSize ??= 64;
        IDataView rows = Rows(context, count);
        if (options.FeatureColumnName == WithCategories)
        {
            rows = context.Transforms.Categorical.OneHotEncoding("Category", nameof(Row.Group))
                .Append(context.Transforms.Concatenate(WithCategories, nameof(Row.Features), "Category")).Fit(rows).Transform(rows);
        }

        return Hash(context, context.Regression.Trainers.BatchNormNetwork(options).Fit(rows), rows.Schema);
    }

    /// <summary>Trains an ensemble that gives the label and the group of a row, and hashes its bits.</summary>
    public static string SeveralTargets(MLContext context, TrainingRunner? runner)
    {
        IDataView rows = Rows(context, 4000);
        rows = context.Transforms.Concatenate("Targets", nameof(Row.Label), nameof(Row.Group)).Fit(rows).Transform(rows);
        var options = new BatchNormNetworkMultiOutputRegressionTrainer.Options
        {
            LabelColumnName = "Targets", TrainingRunner = runner, HiddenUnits = [32, 16], NumberOfEnsembleMembers = 3,
            MaximumNumberOfEpochs = 2, Seed = 7,
        };
        return Hash(context, context.Regression.Trainers.BatchNormNetworkMultiOutput(options).Fit(rows), rows.Schema);
    }

    /// <summary>Trains on a few rows, each of which sets two of many categories of two slots each.</summary>
    public static void OfCategories(MLContext context, BatchNormNetworkRegressionTrainer.Options options, int categories)
    {
        int slots = 2 * categories;
        int[] ranges = [.. Enumerable.Range(0, slots)];
        SchemaDefinition schema = SchemaDefinition.Create(typeof(SparseRow));
        schema[nameof(SparseRow.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, slots);
        schema[nameof(SparseRow.Features)].AddAnnotation(
            "CategoricalSlotRanges", new VBuffer<int>(slots, ranges), new VectorDataViewType(NumberDataViewType.Int32, slots));
        SparseRow[] rows = [.. Enumerable.Range(0, 20).Select(row => new SparseRow
        {
            Features = new VBuffer<float>(slots, 2, [1, 1], [row % 4, slots - 1 - row % 2]), Label = row % 4,
        })];
        (options.HiddenUnits, options.NumberOfEnsembleMembers, options.MaximumNumberOfEpochs) = ([2], 1, 1);
        context.Regression.Trainers.BatchNormNetwork(options).Fit(context.Data.LoadFromEnumerable(rows, schema));
    }

    /// <summary>SHA-256 of all that is in the file of a model.</summary>
    public static string Hash(MLContext context, ITransformer model, DataViewSchema schema)
    {
        using var stream = new MemoryStream();
        context.Model.Save(model, schema, stream);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // The file itself has the time of writing in it.
        using var archive = new ZipArchive(stream, ZipArchiveMode.Read);
        foreach (ZipArchiveEntry entry in archive.Entries.OrderBy(entry => entry.FullName, StringComparer.Ordinal))
        {
            using Stream content = entry.Open();
            hash.AppendData(SHA256.HashData(content));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>A row.</summary>
    public sealed class Row
    {
        [VectorType(8)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }

        public float Group { get; set; }
    }

    private sealed class SparseRow
    {
        public VBuffer<float> Features { get; set; }

        public float Label { get; set; }
    }
}
