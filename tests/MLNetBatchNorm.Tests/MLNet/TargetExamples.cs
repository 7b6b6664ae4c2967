using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>Rows with several targets, numbers of very unlike units and labels, made from known functions of four features.</summary>
internal static class TargetExamples
{
    public static readonly string[] Names = ["Price", "Share", "Years"];

    /// <summary>The rows themselves; the same seed gives the same rows, and the first rows of a longer list.</summary>
    /// <param name="count">Number of rows.</param>
    /// <param name="missing">Part of the targets that are missing.</param>
    /// <param name="seed">Decides all.</param>
    public static List<TargetExample> Rows(int count, double missing = 0, int seed = 1)
    {
        var random = new Random(seed);
        var rows = new List<TargetExample>(count);
        for (int i = 0; i < count; i++)
        {
            float[] features = [.. Enumerable.Range(0, 4).Select(_ => 4 * random.NextSingle() - 2)];
            float first = features[0] * features[1], second = MathF.Tanh(2 * features[2]) + features[3];
            float[] values = [1e6f * (3 + first + second), 1e-3f * (second - first), 2000 + 10 * first];
            bool[] labels = [first + second > 0.5f, second > 1, first < -0.5f];
            float[] known = [.. labels.Select(label => label ? 1f : 0)];
            for (int target = 0; target < 3; target++)
            {
                if (random.NextDouble() < missing)
                    values[target] = known[target] = float.NaN;
            }

            rows.Add(new TargetExample { Features = features, Values = values, Labels = labels, Known = known, Weight = 1 + i % 3 });
        }

        return rows;
    }

    /// <summary>A view with the columns of the rows, of which the vectors of targets have names.</summary>
    public static IDataView View(
        MLContext context, IEnumerable<TargetExample> rows, string label = nameof(TargetExample.Values), string[]? names = null)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(TargetExample));
        foreach (string column in new[] { nameof(TargetExample.Values), nameof(TargetExample.Labels), nameof(TargetExample.Known) })
        {
            schema[column].AddAnnotation(
                "SlotNames", new VBuffer<ReadOnlyMemory<char>>(3, [.. (names ?? Names).Select(name => name.AsMemory())]),
                new VectorDataViewType(TextDataViewType.Instance, 3));
        }

        IDataView all = context.Data.LoadFromEnumerable(rows, schema);
        return context.Transforms.CopyColumns("Label", label)
            .Append(context.Transforms.SelectColumns("Features", "Label", "Weight")).Fit(all).Transform(all);
    }

    /// <summary>A trainer of several numbers that is done in a moment.</summary>
    public static BatchNormNetworkMultiOutputRegressionTrainer Numbers(
        MLContext context, Action<BatchNormNetworkMultiOutputRegressionTrainer.Options>? change = null) =>
        context.Regression.Trainers.BatchNormNetworkMultiOutput(NetworkExamples.QuickOptions(change));

    /// <summary>A trainer of several labels that is done in a moment.</summary>
    public static BatchNormNetworkMultiLabelTrainer Labels(
        MLContext context, Action<BatchNormNetworkMultiLabelTrainer.Options>? change = null) =>
        context.BinaryClassification.Trainers.BatchNormNetworkMultiLabel(NetworkExamples.QuickOptions(change));

    /// <summary>The rows of a vector column.</summary>
    public static T[][] Column<T>(IDataView view, string name) =>
        [.. view.GetColumn<VBuffer<T>>(view.Schema[name]).Select(row => row.DenseValues().ToArray())];
}

/// <summary>One row of <see cref="TargetExamples"/>.</summary>
internal sealed class TargetExample
{
    [VectorType(4)]
    public float[] Features { get; set; } = [];

    [VectorType(3)]
    public float[] Values { get; set; } = [];

    [VectorType(3)]
    public bool[] Labels { get; set; } = [];

    /// <summary>The labels as 0 and 1, NaN where one is missing.</summary>
    [VectorType(3)]
    public float[] Known { get; set; } = [];

    public float Weight { get; set; }
}
