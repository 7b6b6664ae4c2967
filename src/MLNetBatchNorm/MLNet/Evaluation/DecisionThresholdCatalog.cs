using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using MLNetBatchNorm;

namespace Microsoft.ML;

/// <summary>Adds to <c>mlContext.BinaryClassification</c> what finds the threshold that costs least.</summary>
public static class DecisionThresholdCatalog
{
    /// <summary>
    /// Finds the threshold of the score with which wrong decisions cost least on scored rows, for <c>ChangeModelThreshold</c>.
    /// </summary>
    /// <remarks>
    /// <para>Give rows that the model was not trained on: on its training rows a model is too sure, and the threshold would be too. Any
    /// binary model will do. Of a score at or below the threshold the decision is false, and of one that is no number.</para>
    /// <para>Where probabilities are right there is nothing to find: it is cheapest to say true above a probability of
    /// <c>falsePositiveCost / (falsePositiveCost + falseNegativeCost)</c>, which of a logit is above
    /// <c>log(falsePositiveCost / falseNegativeCost)</c> (Elkan 2001). What is found on few rows scatters more than that.</para>
    /// </remarks>
    /// <param name="catalog"><c>mlContext.BinaryClassification</c>.</param>
    /// <param name="scored">Scored rows with their label: <c>model.Transform(rows)</c>.</param>
    /// <param name="falsePositiveCost">What it costs to take a row for true that is false; above 0.</param>
    /// <param name="falseNegativeCost">What it costs to take a row for false that is true; above 0.</param>
    /// <param name="labelColumnName">The name of the label column, of <see cref="bool"/>.</param>
    /// <param name="scoreColumnName">The name of the score column, of <see cref="float"/>.</param>
    /// <param name="exampleWeightColumnName">What each row counts for, of <see cref="float"/>; null: all alike.</param>
    /// <exception cref="ArgumentOutOfRangeException">A cost is not above 0, or a column is absent or of another type.</exception>
    /// <exception cref="InvalidOperationException">All rows are of one class, or a weight is negative or not finite.</exception>
    public static DecisionThreshold FindDecisionThreshold(
        this BinaryClassificationCatalog catalog, IDataView scored, double falsePositiveCost, double falseNegativeCost,
        string labelColumnName = DefaultColumnNames.Label, string scoreColumnName = DefaultColumnNames.Score,
        string? exampleWeightColumnName = null)
    {
        Contracts.CheckValue(catalog, nameof(catalog));
        return DecisionThreshold.Find(
            CatalogUtils.GetEnvironment(catalog), scored, falsePositiveCost, falseNegativeCost, labelColumnName, scoreColumnName,
            exampleWeightColumnName);
    }
}
