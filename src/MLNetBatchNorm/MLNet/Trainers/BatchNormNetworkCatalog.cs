using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;

namespace Microsoft.ML;

/// <summary>
/// Adds batch-normalized feed-forward networks to the trainers of an <see cref="MLContext"/>: <c>mlContext.BinaryClassification</c>,
/// <c>mlContext.MulticlassClassification</c> and <c>mlContext.Regression</c>, each under <c>Trainers.BatchNormNetwork</c>.
/// </summary>
[SuppressMessage(
    "ApiDesign", "RS0026:Do not add multiple public overloads with optional parameters",
    Justification = "They extend different catalogs: no call can mean two of them.")]
public static class BatchNormNetworkCatalog
{
    /// <summary>
    /// Create a <see cref="BatchNormNetworkBinaryTrainer"/>, which predicts a yes or no with a batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="BinaryClassificationCatalog.BinaryClassificationTrainers"/>.</param>
    /// <param name="labelColumnName">The name of the label column. The column data must be <see cref="bool"/>.</param>
    /// <param name="featureColumnName">
    /// The name of the feature column. The column data must be a known-sized vector of <see cref="float"/>; NaN stands for a missing value.
    /// </param>
    /// <param name="exampleWeightColumnName">
    /// The name of the example weight column (optional). The column data must be <see cref="float"/>.
    /// </param>
    /// <param name="hiddenUnits">Number of units of each hidden layer; null: 256 and 128.</param>
    /// <param name="learningRate">The highest learning rate, in (0, 100]; null: chosen by the batch.</param>
    /// <param name="batchSize">Rows of one training step, at least 2; null: chosen by the number of rows.</param>
    /// <param name="maximumNumberOfEpochs">Largest number of passes over the training rows; null: chosen by the size of the data.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An argument is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkBinaryTrainer BatchNormNetwork(
        this BinaryClassificationCatalog.BinaryClassificationTrainers catalog,
        string labelColumnName = DefaultColumnNames.Label,
        string featureColumnName = DefaultColumnNames.Features,
        string? exampleWeightColumnName = null,
        int[]? hiddenUnits = null,
        double? learningRate = null,
        int? batchSize = null,
        int? maximumNumberOfEpochs = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        var options = new BatchNormNetworkBinaryTrainer.Options();
        Fill(
            options, labelColumnName, featureColumnName, exampleWeightColumnName, hiddenUnits, learningRate,
            batchSize, maximumNumberOfEpochs);
        return new BatchNormNetworkBinaryTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkBinaryTrainer"/> with advanced options, which predicts a yes or no
    /// with a batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="BinaryClassificationCatalog.BinaryClassificationTrainers"/>.</param>
    /// <param name="options">Trainer options. The trainer keeps a copy.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkBinaryTrainer BatchNormNetwork(
        this BinaryClassificationCatalog.BinaryClassificationTrainers catalog, BatchNormNetworkBinaryTrainer.Options options)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        Contracts.CheckValue(options, nameof(options));
        return new BatchNormNetworkBinaryTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkMulticlassTrainer"/>, which predicts one of several classes
    /// with a batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="MulticlassClassificationCatalog.MulticlassClassificationTrainers"/>.</param>
    /// <param name="labelColumnName">
    /// The name of the label column. The column data must be a key of <see cref="uint"/>, as <c>MapValueToKey</c> makes it.
    /// </param>
    /// <param name="featureColumnName">
    /// The name of the feature column. The column data must be a known-sized vector of <see cref="float"/>; NaN stands for a missing value.
    /// </param>
    /// <param name="exampleWeightColumnName">
    /// The name of the example weight column (optional). The column data must be <see cref="float"/>.
    /// </param>
    /// <param name="hiddenUnits">Number of units of each hidden layer; null: 256, 256 and 256.</param>
    /// <param name="learningRate">The highest learning rate, in (0, 100]; null: chosen by the batch.</param>
    /// <param name="batchSize">Rows of one training step, at least 2; null: chosen by the number of rows.</param>
    /// <param name="maximumNumberOfEpochs">Largest number of passes over the training rows; null: chosen by the size of the data.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An argument is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkMulticlassTrainer BatchNormNetwork(
        this MulticlassClassificationCatalog.MulticlassClassificationTrainers catalog,
        string labelColumnName = DefaultColumnNames.Label,
        string featureColumnName = DefaultColumnNames.Features,
        string? exampleWeightColumnName = null,
        int[]? hiddenUnits = null,
        double? learningRate = null,
        int? batchSize = null,
        int? maximumNumberOfEpochs = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        var options = new BatchNormNetworkMulticlassTrainer.Options();
        Fill(
            options, labelColumnName, featureColumnName, exampleWeightColumnName, hiddenUnits, learningRate,
            batchSize, maximumNumberOfEpochs);
        return new BatchNormNetworkMulticlassTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkMulticlassTrainer"/> with advanced options, which predicts one of several classes
    /// with a batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="MulticlassClassificationCatalog.MulticlassClassificationTrainers"/>.</param>
    /// <param name="options">Trainer options. The trainer keeps a copy.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkMulticlassTrainer BatchNormNetwork(
        this MulticlassClassificationCatalog.MulticlassClassificationTrainers catalog, BatchNormNetworkMulticlassTrainer.Options options)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        Contracts.CheckValue(options, nameof(options));
        return new BatchNormNetworkMulticlassTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkRegressionTrainer"/>, which predicts a number with a batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="RegressionCatalog.RegressionTrainers"/>.</param>
    /// <param name="labelColumnName">The name of the label column. The column data must be <see cref="float"/>.</param>
    /// <param name="featureColumnName">
    /// The name of the feature column. The column data must be a known-sized vector of <see cref="float"/>; NaN stands for a missing value.
    /// </param>
    /// <param name="exampleWeightColumnName">
    /// The name of the example weight column (optional). The column data must be <see cref="float"/>.
    /// </param>
    /// <param name="hiddenUnits">Number of units of each hidden layer; null: 256 and 128.</param>
    /// <param name="learningRate">The highest learning rate, in (0, 100]; null: chosen by the batch.</param>
    /// <param name="batchSize">Rows of one training step, at least 2; null: chosen by the number of rows.</param>
    /// <param name="maximumNumberOfEpochs">Largest number of passes over the training rows; null: chosen by the size of the data.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An argument is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkRegressionTrainer BatchNormNetwork(
        this RegressionCatalog.RegressionTrainers catalog,
        string labelColumnName = DefaultColumnNames.Label,
        string featureColumnName = DefaultColumnNames.Features,
        string? exampleWeightColumnName = null,
        int[]? hiddenUnits = null,
        double? learningRate = null,
        int? batchSize = null,
        int? maximumNumberOfEpochs = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        var options = new BatchNormNetworkRegressionTrainer.Options();
        Fill(
            options, labelColumnName, featureColumnName, exampleWeightColumnName, hiddenUnits, learningRate,
            batchSize, maximumNumberOfEpochs);
        return new BatchNormNetworkRegressionTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkRegressionTrainer"/> with advanced options, which predicts a number
    /// with a batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="RegressionCatalog.RegressionTrainers"/>.</param>
    /// <param name="options">Trainer options. The trainer keeps a copy.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkRegressionTrainer BatchNormNetwork(
        this RegressionCatalog.RegressionTrainers catalog, BatchNormNetworkRegressionTrainer.Options options)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        Contracts.CheckValue(options, nameof(options));
        return new BatchNormNetworkRegressionTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    internal static void Fill(
        BatchNormNetworkOptions options, string labelColumnName, string featureColumnName, string? exampleWeightColumnName,
        int[]? hiddenUnits, double? learningRate, int? batchSize, int? maximumNumberOfEpochs)
    {
        options.LabelColumnName = labelColumnName;
        options.FeatureColumnName = featureColumnName;
        options.ExampleWeightColumnName = exampleWeightColumnName;
        options.HiddenUnits = hiddenUnits;
        options.LearningRate = learningRate;
        options.BatchSize = batchSize;
        options.MaximumNumberOfEpochs = maximumNumberOfEpochs;
    }
}
