using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Which of the three trainers a test is about.</summary>
internal enum NetworkKind
{
    Binary,
    Multiclass,
    Regression,
}

/// <summary>
/// Rows with every kind of label, made from a known function of four features; the features have unlike scales and offsets.
/// </summary>
internal static class NetworkExamples
{
    public static readonly string[] Classes = ["bee", "ant", "cat"];

    /// <summary>The rows themselves. The same seed gives the same rows, and the first rows of a longer list.</summary>
    public static List<Example> Rows(int count, int seed = 1)
    {
        var random = new Random(seed);
        var rows = new List<Example>(count);
        for (int i = 0; i < count; i++)
        {
            float[] features = [1000 + 3 * Normal(random), Normal(random), 0.01f * Normal(random), random.Next(2)];
            float a = (features[0] - 1000) / 3;
            float signal = a * features[1] + 2 * MathF.Tanh(100 * features[2]) + features[3];
            rows.Add(new Example
            {
                Features = features,
                IsPositive = signal > 0.5f,
                Class = Classes[signal > 1.5f ? 2 : signal > -0.5f ? 1 : 0],
                Value = 50_000 + 7_000 * signal,
                Weight = 1 + i % 3,
            });
        }

        return rows;
    }

    /// <summary>
    /// A view with columns Features, Label of the kind's type, and Weight; key values are in order of <see cref="Classes"/>.
    /// </summary>
    public static IDataView View(MLContext context, NetworkKind kind, IEnumerable<Example> rows)
    {
        IDataView all = context.Data.LoadFromEnumerable(rows);
        return Select(context, all, kind);
    }

    /// <summary>As <see cref="View"/>, without a label column.</summary>
    public static IDataView Unlabelled(MLContext context, IEnumerable<Example> rows)
    {
        IDataView all = context.Data.LoadFromEnumerable(rows);
        return context.Transforms.SelectColumns("Features").Fit(all).Transform(all);
    }

    /// <summary>A trainer of the kind that is done in a moment.</summary>
    public static IEstimator<ITransformer> Quick(MLContext context, NetworkKind kind, Action<BatchNormNetworkOptions>? change = null)
    {
        switch (kind)
        {
            case NetworkKind.Binary:
                var binary = new BatchNormNetworkBinaryTrainer.Options();
                Shrink(binary, change);
                return context.BinaryClassification.Trainers.BatchNormNetwork(binary);
            case NetworkKind.Multiclass:
                var multiclass = new BatchNormNetworkMulticlassTrainer.Options();
                Shrink(multiclass, change);
                return context.MulticlassClassification.Trainers.BatchNormNetwork(multiclass);
            default:
                var regression = new BatchNormNetworkRegressionTrainer.Options();
                Shrink(regression, change);
                return context.Regression.Trainers.BatchNormNetwork(regression);
        }
    }

    /// <summary>Options of the kind, small and seeded.</summary>
    public static T QuickOptions<T>(Action<T>? change = null)
        where T : BatchNormNetworkOptions, new()
    {
        var options = new T();
        Shrink(options, null);
        change?.Invoke(options);
        return options;
    }

    private static void Shrink(BatchNormNetworkOptions options, Action<BatchNormNetworkOptions>? change)
    {
        options.HiddenUnits = [16, 8];
        options.BatchSize = 32;
        options.MaximumNumberOfEpochs = 4;
        options.NumberOfEnsembleMembers = 1;
        options.NumberOfInputPieces = 0;
        options.WeightAveragingEpochs = 0;
        options.Seed = 11;
        change?.Invoke(options);
    }

    private static IDataView Select(MLContext context, IDataView all, NetworkKind kind)
    {
        IEstimator<ITransformer> label = kind switch
        {
            NetworkKind.Binary => context.Transforms.CopyColumns("Label", nameof(Example.IsPositive)),
            NetworkKind.Multiclass => context.Transforms.Conversion.MapValueToKey(
                "Label", nameof(Example.Class),
                keyData: context.Data.LoadFromEnumerable(Classes.Select(name => new ClassName { Name = name }))),
            _ => context.Transforms.CopyColumns("Label", nameof(Example.Value)),
        };
        return label.Append(context.Transforms.SelectColumns("Features", "Label", "Weight")).Fit(all).Transform(all);
    }

    private static float Normal(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));

    private sealed class ClassName
    {
        public string Name { get; set; } = "";
    }
}

/// <summary>One row of <see cref="NetworkExamples"/>.</summary>
internal sealed class Example
{
    [VectorType(4)]
    public float[] Features { get; set; } = [];

    public bool IsPositive { get; set; }

    public string? Class { get; set; }

    public float Value { get; set; }

    public float Weight { get; set; }
}
