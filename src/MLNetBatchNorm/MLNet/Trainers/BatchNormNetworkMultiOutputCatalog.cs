using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;

namespace Microsoft.ML;

/// <summary>
/// Adds trainers of several targets at once to an <see cref="MLContext"/>:
/// <c>mlContext.Regression.Trainers.BatchNormNetworkMultiOutput</c> for numbers, and for labels, each yes or no,
/// <c>mlContext.BinaryClassification.Trainers.BatchNormNetworkMultiLabel</c>; and what evaluates them.
/// </summary>
[SuppressMessage(
    "ApiDesign", "RS0026:Do not add multiple public overloads with optional parameters",
    Justification = "They extend different catalogs: no call can mean two of them.")]
public static partial class BatchNormNetworkMultiOutputCatalog
{
    /// <summary>
    /// Create a <see cref="BatchNormNetworkMultiOutputRegressionTrainer"/>, which predicts several numbers at once with one
    /// batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="RegressionCatalog.RegressionTrainers"/>.</param>
    /// <param name="labelColumnName">
    /// The name of the label column. The column data must be a known-sized vector of <see cref="float"/>, a slot for each target, as
    /// <c>Concatenate</c> makes it of columns; NaN stands for a missing target.
    /// </param>
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
    public static BatchNormNetworkMultiOutputRegressionTrainer BatchNormNetworkMultiOutput(
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
        var options = new BatchNormNetworkMultiOutputRegressionTrainer.Options();
        BatchNormNetworkCatalog.Fill(
            options, labelColumnName, featureColumnName, exampleWeightColumnName, hiddenUnits, learningRate,
            batchSize, maximumNumberOfEpochs);
        return new BatchNormNetworkMultiOutputRegressionTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkMultiOutputRegressionTrainer"/> with advanced options, which predicts several numbers at once
    /// with one batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="RegressionCatalog.RegressionTrainers"/>.</param>
    /// <param name="options">Trainer options. The trainer keeps a copy.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkMultiOutputRegressionTrainer BatchNormNetworkMultiOutput(
        this RegressionCatalog.RegressionTrainers catalog, BatchNormNetworkMultiOutputRegressionTrainer.Options options)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        Contracts.CheckValue(options, nameof(options));
        return new BatchNormNetworkMultiOutputRegressionTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkMultiLabelTrainer"/>, which predicts several labels, each yes or no, with one batch-normalized
    /// feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="BinaryClassificationCatalog.BinaryClassificationTrainers"/>.</param>
    /// <param name="labelColumnName">
    /// The name of the label column. The column data must be a known-sized vector of <see cref="bool"/>, a slot for each label, as
    /// <c>Concatenate</c> makes it of columns, or one of <see cref="float"/> that holds 0, 1, and NaN where a label is missing.
    /// </param>
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
    public static BatchNormNetworkMultiLabelTrainer BatchNormNetworkMultiLabel(
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
        var options = new BatchNormNetworkMultiLabelTrainer.Options();
        BatchNormNetworkCatalog.Fill(
            options, labelColumnName, featureColumnName, exampleWeightColumnName, hiddenUnits, learningRate,
            batchSize, maximumNumberOfEpochs);
        return new BatchNormNetworkMultiLabelTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Create a <see cref="BatchNormNetworkMultiLabelTrainer"/> with advanced options, which predicts several labels, each yes or no, with
    /// one batch-normalized feed-forward network.
    /// </summary>
    /// <param name="catalog">The <see cref="BinaryClassificationCatalog.BinaryClassificationTrainers"/>.</param>
    /// <param name="options">Trainer options. The trainer keeps a copy.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An option is out of its range; the message names it, the value and the range.
    /// </exception>
    public static BatchNormNetworkMultiLabelTrainer BatchNormNetworkMultiLabel(
        this BinaryClassificationCatalog.BinaryClassificationTrainers catalog, BatchNormNetworkMultiLabelTrainer.Options options)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        Contracts.CheckValue(options, nameof(options));
        return new BatchNormNetworkMultiLabelTrainer(CatalogUtils.GetEnvironment(catalog), options);
    }
}
