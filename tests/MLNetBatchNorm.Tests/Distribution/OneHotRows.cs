using Microsoft.ML;
using MLNetBatchNorm.Tests.MLNet;

namespace MLNetBatchNorm.Tests.Distribution;

/// <summary>Rows of a number and one of five cities, one-hot: a category.</summary>
internal sealed class OneHotRows
{
    public float Number { get; set; }

    public string City { get; set; } = "";

    public float Label { get; set; }

    /// <summary>A view with columns Features and Label; the first row is of the first city.</summary>
    public static IDataView View(MLContext context, int count)
    {
        IDataView all = context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new OneHotRows
        {
            Number = i % 7 + 0.1f * (i % 11), City = $"city {i % 5}", Label = i % 5 * (i % 7),
        }).ToArray());
        return context.Transforms.Categorical.OneHotEncoding("Category", nameof(City))
            .Append(context.Transforms.Concatenate("Features", nameof(Number), "Category"))
            .Append(context.Transforms.SelectColumns("Features", nameof(Label))).Fit(all).Transform(all);
    }

    /// <summary>A small ensemble.</summary>
    public static BatchNormNetworkRegressionTrainer Trainer(MLContext context, TrainingRunner? runner) =>
        context.Regression.Trainers.BatchNormNetwork(NetworkExamples.QuickOptions<BatchNormNetworkRegressionTrainer.Options>(options =>
        {
            options.TrainingRunner = runner;
            options.NumberOfEnsembleMembers = 2;
            options.Seed = 5;
        }));
}
