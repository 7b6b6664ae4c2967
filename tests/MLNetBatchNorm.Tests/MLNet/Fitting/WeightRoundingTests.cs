using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;
using BinaryModel = Microsoft.ML.Calibrators.CalibratedModelParametersBase<
    MLNetBatchNorm.BatchNormNetworkBinaryModelParameters, Microsoft.ML.Calibrators.PlattCalibrator>;

namespace MLNetBatchNorm.Tests.MLNet.Fitting;

/// <summary>Weights become half precision at the end of <c>Fit</c>, but where rows would notice.</summary>
[TestClass]
public sealed class WeightRoundingTests
{
    private readonly MLContext _context = new(seed: 1);

    [TestMethod]
    [DataRow(nameof(NetworkKind.Binary))]
    [DataRow(nameof(NetworkKind.Multiclass))]
    [DataRow(nameof(NetworkKind.Regression))]
    public void Fit_OfScaledFeatures_KeepsHalfPrecision(string kindName)
    {
        NetworkKind kind = Enum.Parse<NetworkKind>(kindName);
        IDataView view = NetworkExamples.View(_context, kind, NetworkExamples.Rows(400));
        ITransformer model = NetworkExamples.Quick(_context, kind, options => options.HiddenUnits = [128, 128]).Fit(view);
        using var stream = new MemoryStream();
        _context.Model.Save(model, view.Schema, stream);
        using var archive = new System.IO.Compression.ZipArchive(stream);
        long bytes = archive.Entries.Sum(entry => entry.Length);
        long weights = NetworkOf(kind, model).Networks.Sum(network => network.Linear.Sum(linear => (long)linear.Inputs * linear.Outputs));

        Assert.IsTrue(NetworkOf(kind, model).Networks.All(network => network.Linear.All(HalfWeights.Holds)));
        // Beside the weights there are normalizations, histories and what ML.NET keeps.
        Assert.IsLessThan(2 * weights + 10_000, bytes);
        Assert.IsGreaterThan(10_000, weights);
    }

    /// <summary>
    /// A four thousandth of a weight times a million is more than what tells the rows apart; with the same rows scaled it is nothing.
    /// </summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Fit_OfFeaturesFarFromZero_RoundsWhereTheyAreScaled(bool scaled)
    {
        List<Example> rows = NetworkExamples.Rows(600);
        foreach (Example row in rows)
            row.Features[0] = 1e6f + 20 * (row.Features[0] - 1000);
        IDataView view = NetworkExamples.View(_context, NetworkKind.Regression, rows);
        ITransformer model = NetworkExamples.Quick(_context, NetworkKind.Regression, options =>
        {
            options.ScaleInputs = scaled;
            options.HiddenUnits = [16];
            options.MaximumNumberOfEpochs = 20;
        }).Fit(view);

        Assert.AreEqual(scaled, NetworkOf(NetworkKind.Regression, model).Networks.All(network => network.Linear.All(HalfWeights.Holds)));
        if (scaled)
            Assert.IsGreaterThan(0.3, _context.Regression.Evaluate(model.Transform(view)).RSquared);
    }

    private static TrainedNetwork NetworkOf(NetworkKind kind, ITransformer model)
    {
        object parameters = ((ISingleFeaturePredictionTransformer<object>)model).Model;
        return ((INetworkModel)(kind == NetworkKind.Binary ? ((BinaryModel)parameters).SubModel : parameters)).Network;
    }
}
