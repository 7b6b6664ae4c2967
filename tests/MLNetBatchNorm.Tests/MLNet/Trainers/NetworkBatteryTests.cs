using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The three trainers pass through ML.NET's own demands on an estimator.</summary>
[TestClass]
public sealed class NetworkBatteryTests
{
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Battery_Trainer(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        var context = new MLContext(1);
        List<Example> rows = NetworkExamples.Rows(60);
        EstimatorBattery.Check(
            context,
            NetworkExamples.Quick(context, kind),
            NetworkExamples.View(context, kind, rows),
            validTransformOnly: NetworkExamples.Unlabelled(context, rows),
            fitOnly: Wider(context, kind, rows),
            invalidInputs: [OfDoubles(context, kind, rows), WithoutFeatures(context, kind, rows)]);
    }

    /// <summary>With weights, missing values, slot names, and without a seed of its own.</summary>
    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Battery_WeightsMissingValuesAndSlotNames(string kindName)
    {
        var kind = Enum.Parse<NetworkKind>(kindName);
        var context = new MLContext(1);
        List<Example> rows = NetworkExamples.Rows(60);
        rows[3].Features[1] = float.NaN;
        rows[17].Features[1] = float.NaN;
        IDataView labelled = NetworkExamples.View(context, kind, rows);
        IDataView named = context.Transforms.Concatenate("Features", "Features", "Weight").Fit(labelled).Transform(labelled);
        EstimatorBattery.Check(
            context,
            NetworkExamples.Quick(context, kind, options =>
            {
                options.ExampleWeightColumnName = "Weight";
                options.Seed = null;
            }),
            named);
    }

    private static IDataView Wider(MLContext context, NetworkKind kind, List<Example> rows)
    {
        IDataView view = NetworkExamples.View(context, kind, rows);
        return context.Transforms.Concatenate("Features", "Features", "Weight").Fit(view).Transform(view);
    }

    private static IDataView OfDoubles(MLContext context, NetworkKind kind, List<Example> rows)
    {
        IDataView view = NetworkExamples.View(context, kind, rows);
        return context.Transforms.Conversion.ConvertType("Features", outputKind: DataKind.Double).Fit(view).Transform(view);
    }

    private static IDataView WithoutFeatures(MLContext context, NetworkKind kind, List<Example> rows)
    {
        IDataView view = NetworkExamples.View(context, kind, rows);
        return context.Transforms.DropColumns("Features").Fit(view).Transform(view);
    }
}
