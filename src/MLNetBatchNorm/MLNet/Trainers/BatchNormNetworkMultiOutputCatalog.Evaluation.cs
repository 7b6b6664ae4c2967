using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;
using MLNetBatchNorm.Objectives;

namespace Microsoft.ML;

/// <content>
/// What ML.NET's <c>Evaluate</c>, <c>CrossValidate</c> and <c>PermutationFeatureImportance</c> do for a single target, for several: theirs
/// refuse a vector.
/// </content>
public static partial class BatchNormNetworkMultiOutputCatalog
{
    /// <summary>
    /// Evaluates predictions of several numbers: R squared and errors of each, and their means. Missing targets (NaN) do not count.
    /// </summary>
    /// <remarks>Beside ML.NET's <c>Evaluate</c>, which takes a single number and throws on a vector.</remarks>
    /// <param name="catalog"><c>mlContext.Regression</c>.</param>
    /// <param name="data">Scored rows with their label: <c>model.Transform(rows)</c>.</param>
    /// <param name="labelColumnName">The name of the label column, a vector with a slot for each target.</param>
    /// <param name="scoreColumnName">The name of the score column.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is absent, or not a vector of as many slots as the other.</exception>
    /// <exception cref="InvalidOperationException">No row has a target.</exception>
    public static MultiOutputRegressionMetrics EvaluateMultiOutput(
        this RegressionCatalog catalog, IDataView data, string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        return TargetEvaluation.Regression(CatalogUtils.GetEnvironment(catalog), data, labelColumnName, scoreColumnName);
    }

    /// <summary>Trains on all but one of several parts of the rows and evaluates on that one, for each part.</summary>
    /// <remarks>
    /// Beside ML.NET's <c>CrossValidate</c>, which throws on a vector; the folds are the same, and so are the results' type and members.
    /// </remarks>
    /// <param name="catalog"><c>mlContext.Regression</c>.</param>
    /// <param name="data">The rows.</param>
    /// <param name="estimator">What is trained: a trainer of several numbers, or a pipeline that ends with one.</param>
    /// <param name="numberOfFolds">Number of parts, at least 2.</param>
    /// <param name="labelColumnName">The name of the label column, a vector with a slot for each target.</param>
    /// <param name="samplingKeyColumnName">Rows of the same value in this column stay in one part; null: each row is alone.</param>
    /// <param name="seed">Decides the parts; null: the context's seed.</param>
    /// <exception cref="InvalidOperationException">
    /// A training fails, for example because a target is missing (NaN) in all rows that it is trained on.
    /// </exception>
    public static IReadOnlyList<TrainCatalogBase.CrossValidationResult<MultiOutputRegressionMetrics>> CrossValidateMultiOutput(
        this RegressionCatalog catalog, IDataView data, IEstimator<ITransformer> estimator, int numberOfFolds = 5,
        string labelColumnName = DefaultColumnNames.Label, string? samplingKeyColumnName = null, int? seed = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        return CrossValidate(
            catalog, data, estimator, numberOfFolds, samplingKeyColumnName, seed,
            scores => catalog.EvaluateMultiOutput(scores, labelColumnName));
    }

    /// <summary>
    /// Measures what each slot of the features is worth to each target: how R squared changes once the slot's values are shuffled among
    /// the rows.
    /// </summary>
    /// <remarks>
    /// Beside ML.NET's <c>PermutationFeatureImportance</c>, which throws on a vector. A slot and a permutation take one scoring of the
    /// rows, which are kept in memory. Slots that tell the same share their importance, and each may seem to be worth little.
    /// </remarks>
    /// <param name="catalog"><c>mlContext.Regression</c>.</param>
    /// <param name="model">A model of several numbers, or a pipeline that ends with one; also a loaded one.</param>
    /// <param name="data">Rows as <paramref name="model"/> takes them, with their label; best such that it was not trained on.</param>
    /// <param name="labelColumnName">The name of the label column, a vector with a slot for each target.</param>
    /// <param name="permutationCount">How often each slot is shuffled.</param>
    /// <param name="seed">Decides how; null: the context's random numbers.</param>
    /// <returns>One for each slot, in their order.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The model is another one, or a column is absent or of another type.</exception>
    public static IReadOnlyList<MultiOutputFeatureImportance> PermutationFeatureImportanceMultiOutput(
        this RegressionCatalog catalog, ITransformer model, IDataView data, string labelColumnName = DefaultColumnNames.Label,
        int permutationCount = 1, int? seed = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        return PermutationImportance.Measure<BatchNormNetworkMultiOutputRegressionModelParameters>(
            HostOf(catalog), model, data, labelColumnName, permutationCount, seed, new SquaredLoss());
    }

    /// <summary>
    /// Evaluates predictions of several labels: area under the ROC curve, log-loss, accuracy and F1 score of each, and their means.
    /// Missing labels (NaN) do not count.
    /// </summary>
    /// <remarks>Beside ML.NET's <c>Evaluate</c>, which takes a single label and throws on a vector.</remarks>
    /// <param name="catalog"><c>mlContext.BinaryClassification</c>.</param>
    /// <param name="data">Scored rows with their label: <c>model.Transform(rows)</c>.</param>
    /// <param name="labelColumnName">The name of the label column, a vector with a slot for each label.</param>
    /// <param name="scoreColumnName">The name of the score column; a label is taken for true where its score is above 0.</param>
    /// <param name="probabilityColumnName">The name of the column of probabilities.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is absent, or not a vector of as many slots as the others.</exception>
    /// <exception cref="InvalidOperationException">No row has a label.</exception>
    public static MultiLabelClassificationMetrics EvaluateMultiLabel(
        this BinaryClassificationCatalog catalog, IDataView data, string labelColumnName = DefaultColumnNames.Label,
        string scoreColumnName = DefaultColumnNames.Score, string probabilityColumnName = DefaultColumnNames.Probability)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        return TargetEvaluation.Labels(
            CatalogUtils.GetEnvironment(catalog), data, labelColumnName, scoreColumnName, probabilityColumnName);
    }

    /// <summary>Trains on all but one of several parts of the rows and evaluates on that one, for each part.</summary>
    /// <remarks>
    /// Beside ML.NET's <c>CrossValidate</c>, which throws on a vector; the folds are the same, and so are the results' type and members.
    /// </remarks>
    /// <param name="catalog"><c>mlContext.BinaryClassification</c>.</param>
    /// <param name="data">The rows.</param>
    /// <param name="estimator">What is trained: a trainer of several labels, or a pipeline that ends with one.</param>
    /// <param name="numberOfFolds">Number of parts, at least 2.</param>
    /// <param name="labelColumnName">The name of the label column, a vector with a slot for each label.</param>
    /// <param name="samplingKeyColumnName">Rows of the same value in this column stay in one part; null: each row is alone.</param>
    /// <param name="seed">Decides the parts; null: the context's seed.</param>
    /// <exception cref="InvalidOperationException">
    /// A training fails, for example because a label is missing (NaN) in all rows that it is trained on.
    /// </exception>
    public static IReadOnlyList<TrainCatalogBase.CrossValidationResult<MultiLabelClassificationMetrics>> CrossValidateMultiLabel(
        this BinaryClassificationCatalog catalog, IDataView data, IEstimator<ITransformer> estimator, int numberOfFolds = 5,
        string labelColumnName = DefaultColumnNames.Label, string? samplingKeyColumnName = null, int? seed = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        return CrossValidate(
            catalog, data, estimator, numberOfFolds, samplingKeyColumnName, seed,
            scores => catalog.EvaluateMultiLabel(scores, labelColumnName));
    }

    /// <summary>
    /// Measures what each slot of the features is worth to each label: how the area under the ROC curve changes once the slot's values are
    /// shuffled among the rows.
    /// </summary>
    /// <param name="catalog"><c>mlContext.BinaryClassification</c>.</param>
    /// <param name="model">A model of several labels, or a pipeline that ends with one; also a loaded one.</param>
    /// <param name="data">Rows as <paramref name="model"/> takes them, with their label; best such that it was not trained on.</param>
    /// <param name="labelColumnName">The name of the label column, a vector with a slot for each label.</param>
    /// <param name="permutationCount">How often each slot is shuffled.</param>
    /// <param name="seed">Decides how; null: the context's random numbers.</param>
    /// <inheritdoc cref="PermutationFeatureImportanceMultiOutput" path="/remarks|/returns|/exception"/>
    public static IReadOnlyList<MultiOutputFeatureImportance> PermutationFeatureImportanceMultiLabel(
        this BinaryClassificationCatalog catalog, ITransformer model, IDataView data, string labelColumnName = DefaultColumnNames.Label,
        int permutationCount = 1, int? seed = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        return PermutationImportance.Measure<BatchNormNetworkMultiLabelModelParameters>(
            HostOf(catalog), model, data, labelColumnName, permutationCount, seed, new BinaryCrossEntropy());
    }

    private static IReadOnlyList<TrainCatalogBase.CrossValidationResult<T>> CrossValidate<T>(
        TrainCatalogBase catalog, IDataView data, IEstimator<ITransformer> estimator, int numberOfFolds, string? samplingKeyColumnName,
        int? seed, Func<IDataView, T> evaluate)
        where T : class
    {
        IHostEnvironment env = CatalogUtils.GetEnvironment(catalog);
        env.CheckValue(data, nameof(data));
        env.CheckValue(estimator, nameof(estimator));
        env.CheckParam(numberOfFolds > 1, nameof(numberOfFolds), "Must be more than 1");
        // The folds of ML.NET's own cross-validation, whose method is closed to all but its catalogs.
        string split = DataOperationsCatalog.CreateSplitColumn(env, ref data, samplingKeyColumnName, seed, fallbackInEnvSeed: true);
        var results = new List<TrainCatalogBase.CrossValidationResult<T>>();
        foreach (DataOperationsCatalog.TrainTestData fold in DataOperationsCatalog.CrossValidationSplit(env, data, split, numberOfFolds))
        {
            ITransformer model = estimator.Fit(fold.TrainSet);
            IDataView scores = model.Transform(fold.TestSet);
            results.Add(new TrainCatalogBase.CrossValidationResult<T>(model, evaluate(scores), scores, results.Count));
        }

        return results;
    }

    private static IHost HostOf(TrainCatalogBase catalog) =>
        CatalogUtils.GetEnvironment(catalog).Register(nameof(PermutationImportance));
}
