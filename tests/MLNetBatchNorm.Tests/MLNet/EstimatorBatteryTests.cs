using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The battery passes what ML.NET ships and fails, for the right reason, each thing deliberately broken.</summary>
[TestClass]
public sealed class EstimatorBatteryTests
{
    private static readonly MLContext s_context = new(1);

    [TestMethod]
    public void Check_BuiltInTransform_Passes()
        => EstimatorBattery.Check(s_context, Sound(), Rows(), invalidInputs: [OfText(), WithoutFeatures()]);

    [TestMethod]
    public void Check_BuiltInBinaryTrainer_Passes()
        => EstimatorBattery.Check(
            s_context,
            s_context.BinaryClassification.Trainers.LbfgsLogisticRegression(),
            Rows(),
            validTransformOnly: s_context.Transforms.DropColumns("Label").Fit(Rows()).Transform(Rows()),
            fitOnly: Wider(),
            invalidInputs: [WithoutFeatures()]);

    [TestMethod]
    public void Check_BuiltInMulticlassTrainerOnKeys_Passes()
    {
        IDataView rows = s_context.Transforms.Conversion.MapValueToKey("Label", "Class").Fit(Rows()).Transform(Rows());
        EstimatorBattery.Check(
            s_context,
            s_context.MulticlassClassification.Trainers.LbfgsMaximumEntropy(),
            rows,
            validTransformOnly: s_context.Transforms.DropColumns("Label").Fit(Rows()).Transform(Rows()),
            invalidInputs: [WithoutFeatures()]);
    }

    [TestMethod]
    public void Check_BrokenEstimatorWithoutFault_Passes()
        => EstimatorBattery.Check(s_context, new BrokenEstimator(Sound(), Fault.None), Rows(), invalidInputs: [OfText()]);

    [TestMethod]
    [DataRow(nameof(Fault.PromisesAColumnTooMany), "columns were promised and")]
    [DataRow(nameof(Fault.PromisesAnAnnotationTooMany), "promises more than is delivered")]
    [DataRow(nameof(Fault.PromisesAnAnnotationTooFew), "delivers more than was promised")]
    [DataRow(nameof(Fault.AcceptsEverySchemaShape), "estimator.GetOutputSchema(invalid input 0) did not fail")]
    [DataRow(nameof(Fault.RefusesWithAnUnmarkedException), "estimator.GetOutputSchema(invalid input 0) failed with an unmarked")]
    [DataRow(nameof(Fault.SavesAnotherModel), "(loaded, valid input): row 0 of column 'Out' is")]
    [DataRow(nameof(Fault.TransformsToAnotherSchema), "the schema of Transform(valid input) against GetOutputSchema:")]
    [DataRow(nameof(Fault.TransformsToAnotherSchema), "fitted transformer.Transform(invalid input 0) did not fail")]
    [DataRow(nameof(Fault.MapperForgetsItsInputSchema), "mapper.InputSchema is not the object given")]
    [DataRow(
        nameof(Fault.ClaimsToBeNoMapper),
        "GetRowToRowMapper of a transformer that says it is no row-to-row mapper (fitted, valid input) did not fail")]
    [DataRow(nameof(Fault.ForgetsIdsOfRows), "have the same id")]
    [DataRow(nameof(Fault.SharesOneBufferAmongCursors), "two cursors read in turns (fitted, valid input): row ")]
    [DataRow(nameof(Fault.DependsOnTheColumnsRead), "a cursor over 'Out' (fitted, valid input): row 0")]
    [DataRow(nameof(Fault.DependsOnTheCulture), "values under culture de-DE: row 0")]
    [DataRow(nameof(Fault.ChangesWithASecondFit), "values of the first transformer after a second Fit: row 0")]
    [DataRow(nameof(Fault.FitsAreNotEqual), "values of a second Fit: row 0")]
    public void Findings_OneFault_NamesIt(string fault, string expected)
    {
        IReadOnlyList<string> findings = EstimatorBattery.Findings(
            s_context, new BrokenEstimator(Sound(), Enum.Parse<Fault>(fault)), Rows(), invalidInputs: [OfText()]);

        Assert.IsTrue(
            findings.Any(f => f.Contains(expected, StringComparison.Ordinal)),
            $"Not found: {expected}\nFound:\n{string.Join("\n", findings)}");
    }

    [TestMethod]
    public void Findings_InputForTransformOnlyThatFitAccepts_NamesIt()
    {
        IReadOnlyList<string> findings = EstimatorBattery.Findings(s_context, Sound(), Rows(), validTransformOnly: Rows());

        CollectionAssert.AreEquivalent(
            new[]
            {
                "estimator.GetOutputSchema(input for Transform only) did not fail", "estimator.Fit(input for Transform only) did not fail",
            },
            findings.ToArray());
    }

    /// <summary>ML.NET's own normalizer does not look at the width of what it transforms.</summary>
    [TestMethod]
    public void Findings_InputForFitOnlyThatTransformAccepts_NamesIt()
    {
        IReadOnlyList<string> findings = EstimatorBattery.Findings(s_context, Sound(), Rows(), fitOnly: Wider());

        CollectionAssert.AreEquivalent(
            new[]
            {
                "fitted transformer.GetOutputSchema(input for Fit only) did not fail",
                "fitted transformer.Transform(input for Fit only) did not fail",
                "loaded transformer.GetOutputSchema(input for Fit only) did not fail",
                "loaded transformer.Transform(input for Fit only) did not fail",
            },
            findings.ToArray());
    }

    [TestMethod]
    public void Check_AnyFinding_FailsTheTest()
        => Assert.ThrowsExactly<AssertFailedException>(
            () => EstimatorBattery.Check(s_context, new BrokenEstimator(Sound(), Fault.ForgetsIdsOfRows), Rows()));

    [TestMethod]
    public void Findings_FitsNotEqualButNotAskedToBe_FindsNothing()
    {
        IReadOnlyList<string> findings = EstimatorBattery.Findings(
            s_context, new BrokenEstimator(Sound(), Fault.FitsAreNotEqual), Rows(), fitsAreEqual: false);

        Assert.IsEmpty(findings, string.Join("\n", findings));
    }

    private static IEstimator<ITransformer> Sound() => s_context.Transforms.NormalizeMeanVariance("Out", "Features", fixZero: false);

    private static IDataView Rows() => s_context.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(i => new Row
    {
        Features = [i, i % 7, MathF.Sin(i)],
        Label = i % 3 == 0,
        Class = new[] { "ant", "bee", "cat" }[i % 3],
        Weight = 1 + i % 2,
    }));

    private static IDataView Wider()
    {
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 4);
        return s_context.Data.LoadFromEnumerable(
            Enumerable.Range(0, 40).Select(i => new Row { Features = [i, 1, 2, 3], Label = i % 3 == 0, Class = "ant" }), schema);
    }

    private static IDataView OfText()
        => s_context.Data.LoadFromEnumerable(
            Enumerable.Range(0, 40).Select(i => new { Features = $"text {i}", Label = i % 2 == 0, Class = "ant", Weight = 1f }));

    private static IDataView WithoutFeatures()
        => s_context.Data.LoadFromEnumerable(Enumerable.Range(0, 40).Select(i => new { Label = i % 2 == 0, Class = "ant", Weight = 1f }));

    private sealed class Row
    {
        [VectorType(3)]
        public float[] Features { get; set; } = [];

        public bool Label { get; set; }

        public string Class { get; set; } = "";

        public float Weight { get; set; }
    }
}
