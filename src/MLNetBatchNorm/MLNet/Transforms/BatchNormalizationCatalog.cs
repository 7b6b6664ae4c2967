using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;

namespace Microsoft.ML;

/// <summary>Batch normalization as a transform of its own: extension methods of <see cref="TransformsCatalog"/>.</summary>
[SuppressMessage(
    "ApiDesign", "RS0026:Do not add multiple public overloads with optional parameters",
    Justification = "They differ in the first parameter without a default, a name or pairs of names.")]
public static class BatchNormalizationCatalog
{
    /// <summary>
    /// Normalizes one column slot by slot with the mean and variance of the training rows:
    /// <c>y = (x - mean) / sqrt(variance + epsilon)</c>.
    /// </summary>
    /// <param name="catalog">The transform's catalog.</param>
    /// <param name="outputColumnName">Name of the column to make. It has the type of the input column; vectors are dense.</param>
    /// <param name="inputColumnName">
    /// Name of the column to normalize, a scalar or known-size vector of Single or Double; null for
    /// <paramref name="outputColumnName"/>, which is then replaced.
    /// </param>
    /// <param name="epsilon">
    /// What is added to the variance, above 0; see <see cref="BatchNormalizeEstimator.Options.Epsilon"/> for when to lower it.
    /// </param>
    /// <param name="statistics">
    /// Where mean and variance come from; see <see cref="BatchNormalizeEstimator.Options.Statistics"/>. Exact over all rows by default.
    /// </param>
    /// <param name="maximumExampleCount">Rows read at most, above 1.</param>
    /// <returns>The estimator, to be fitted alone or as part of a chain.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of its range.</exception>
    /// <example>
    /// <code>
    /// var pipeline = mlContext.Transforms.Concatenate("Features", "Age", "Income")
    ///     .Append(mlContext.Transforms.BatchNormalize("Features"));
    /// </code>
    /// </example>
    public static BatchNormalizeEstimator BatchNormalize(
        this TransformsCatalog catalog,
        string outputColumnName,
        string? inputColumnName = null,
        double epsilon = BatchNormalizeEstimator.Defaults.Epsilon,
        BatchNormalizationStatistics statistics = BatchNormalizeEstimator.Defaults.Statistics,
        long maximumExampleCount = BatchNormalizeEstimator.Defaults.MaximumExampleCount)
        => BatchNormalize(
            catalog, [new InputOutputColumnPair(outputColumnName, inputColumnName)], epsilon, statistics, maximumExampleCount);

    /// <summary>Normalizes several columns, all fitted in one pass over the data.</summary>
    /// <param name="catalog">The transform's catalog.</param>
    /// <param name="columns">The pairs of output and input columns.</param>
    /// <param name="epsilon">
    /// What is added to the variance, above 0; see <see cref="BatchNormalizeEstimator.Options.Epsilon"/> for when to lower it.
    /// </param>
    /// <param name="statistics">
    /// Where mean and variance come from; see <see cref="BatchNormalizeEstimator.Options.Statistics"/>. Exact over all rows by default.
    /// </param>
    /// <param name="maximumExampleCount">Rows read at most, above 1.</param>
    /// <inheritdoc cref="BatchNormalize(TransformsCatalog, string, string?, double, BatchNormalizationStatistics, long)"
    ///     path="/*[not(self::summary or self::param or self::example)]"/>
    public static BatchNormalizeEstimator BatchNormalize(
        this TransformsCatalog catalog,
        InputOutputColumnPair[] columns,
        double epsilon = BatchNormalizeEstimator.Defaults.Epsilon,
        BatchNormalizationStatistics statistics = BatchNormalizeEstimator.Defaults.Statistics,
        long maximumExampleCount = BatchNormalizeEstimator.Defaults.MaximumExampleCount)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        Contracts.CheckValue(columns, nameof(columns));
        return BatchNormalize(catalog, new BatchNormalizeEstimator.Options
        {
            Columns = columns.Select(c => new BatchNormalizeEstimator.ColumnOptions(c.OutputColumnName, c.InputColumnName)).ToArray(),
            Epsilon = epsilon,
            Statistics = statistics,
            MaximumExampleCount = maximumExampleCount,
        });
    }

    /// <summary>
    /// Normalizes columns with a scale and an offset for each slot, statistics by mini-batches, and whatever else the options hold.
    /// </summary>
    /// <param name="catalog">The transform's catalog.</param>
    /// <param name="options">The columns and how to normalize them.</param>
    /// <inheritdoc cref="BatchNormalize(TransformsCatalog, string, string?, double, BatchNormalizationStatistics, long)"
    ///     path="/*[not(self::summary or self::param or self::example)]"/>
    /// <example>
    /// <code>
    /// var estimator = mlContext.Transforms.BatchNormalize(new BatchNormalizeEstimator.Options
    /// {
    ///     Columns = [new("Scaled", "Features", gamma: [2, 1, 0.5], beta: [0, 0, 1])],
    ///     Statistics = BatchNormalizationStatistics.RunningAverage,
    ///     BatchSize = 64,
    /// });
    /// </code>
    /// </example>
    public static BatchNormalizeEstimator BatchNormalize(this TransformsCatalog catalog, BatchNormalizeEstimator.Options options)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        Contracts.CheckValue(options, nameof(options));
        return new BatchNormalizeEstimator(CatalogUtils.GetEnvironment(catalog), options);
    }

    /// <summary>
    /// Turns a batch normalization that a network has learned into a transform: <c>y = gamma (x - mean) / sqrt(variance + epsilon)
    /// + beta</c> with the network's gamma, beta and frozen statistics. Nothing has to be fitted.
    /// </summary>
    /// <param name="catalog">The transform's catalog.</param>
    /// <param name="outputColumnName">Name of the column to make, a vector of Single.</param>
    /// <param name="inputColumnName">
    /// Name of the column to normalize, a vector of Single with one slot for each normalized column of the network.
    /// </param>
    /// <param name="normalization">
    /// A normalization of a trained network, from its <c>Layers</c>. The first one of a network with placement
    /// <see cref="BatchNormalizationPlacement.LayerInput"/> and <see cref="BatchNormNetworkOptions.ScaleInputs"/>
    /// false is a normalization of the raw features.
    /// </param>
    /// <returns>The transform, saved and loaded as if it had been fitted.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column name is empty.</exception>
    public static BatchNormalizeTransformer BatchNormalize(
        this TransformsCatalog catalog, string outputColumnName, string inputColumnName, BatchNormNetworkNormalization normalization)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        IHostEnvironment env = CatalogUtils.GetEnvironment(catalog);
        CheckName(env, outputColumnName, nameof(outputColumnName));
        CheckName(env, inputColumnName, nameof(inputColumnName));
        env.CheckValue(normalization, nameof(normalization));
        return new BatchNormalizeTransformer(
            env,
            new BatchNormalizeColumn(
                outputColumnName, inputColumnName, NumberDataViewType.Single, isVector: true, normalization.ColumnParameters));
    }

    private static void CheckName(IExceptionContext context, string name, string parameter)
    {
        if (string.IsNullOrWhiteSpace(name))
            throw context.ExceptUserArg(parameter, $"{parameter} is {(name is null ? "null" : "empty")}; it must be the name of a column.");
    }
}
