using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Tests.MLNet;

/// <summary>The first normalization of a trained network, taken out and used as a transform of its own.</summary>
[TestClass]
public sealed class NetworkNormalizationAsTransformTests
{
    private sealed class Row
    {
        [VectorType(3)]
        public float[] Features { get; set; } = [];

        public float Label { get; set; }
    }

    [TestMethod]
    public void BatchNormalize_OfTheFirstLayer_IsTheNetworksOwnNormalization_AndSavesAndLoads()
    {
        var ml = new MLContext(3);
        var random = new Random(3);
        Row[] rows =
        [
            .. Enumerable.Range(0, 300).Select(_ =>
            {
                float[] x = [(float)(1000 + random.NextDouble()), (float)random.NextDouble() * 50, (float)random.NextDouble() - 7];
                return new Row { Features = x, Label = x[0] - 1000 + x[1] / 50 };
            }),
        ];
        IDataView data = ml.Data.LoadFromEnumerable(rows);
        var trainer = ml.Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options
        {
            HiddenUnits = [8], Placement = BatchNormalizationPlacement.LayerInput, ScaleInputs = false, MaximumNumberOfEpochs = 3, Seed = 1,
            Statistics = BatchNormalizationStatistics.PopulationPooled,
        });
        BatchNormNetworkNormalization first = trainer.Fit(data).Model.Network.Members[0].Layers[0].BatchNormalization!;
        BatchNormalizeTransformer transform = ml.Transforms.BatchNormalize("Normalized", "Features", first);

        float[][] got = [.. transform.Transform(data).GetColumn<float[]>("Normalized")];
        for (int r = 0; r < rows.Length; r++)
        {
            for (int j = 0; j < 3; j++)
            {
                double deviation = Math.Sqrt(first.RunningVariance[j] + first.Epsilon);
                double expected = first.Gamma[j] * (rows[r].Features[j] - (double)first.RunningMean[j]) / deviation + first.Beta[j];
                // The mean that is shown is rounded to float: up to half of its last digit, in deviations, is lost by the expectation.
                double tolerance = 1e-5
                    + Math.Abs(first.Gamma[j] * MathF.BitIncrement(Math.Abs(first.RunningMean[j])) - Math.Abs(
                        first.Gamma[j] * first.RunningMean[j]))
                    / deviation;
                Assert.AreEqual(expected, got[r][j], tolerance);
            }
        }
        Assert.IsTrue(first.Gamma.Any(gamma => gamma != 1), "Gamma was learned: with gamma 1 this test would not see it missing.");

        using var stream = new MemoryStream();
        ml.Model.Save(transform, data.Schema, stream);
        stream.Position = 0;
        float[][] loaded = [.. new MLContext(4).Model.Load(stream, out _).Transform(data).GetColumn<float[]>("Normalized")];
        for (int r = 0; r < rows.Length; r++)
            CollectionAssert.AreEqual(got[r], loaded[r]);
    }

    [TestMethod]
    public void BatchNormalize_WithoutANormalization_IsRefused()
    {
        var ml = new MLContext(3);
        Assert.ThrowsExactly<ArgumentNullException>(() => ml.Transforms.BatchNormalize("A", "B", (BatchNormNetworkNormalization)null!));
        var normalization = new BatchNormNetworkNormalization(
            new BatchNormalizationParameters(2, 1), new NetworkDefinition { Inputs = 2, HiddenUnits = [2], Outputs = 1 });
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => ml.Transforms.BatchNormalize(" ", "B", normalization));
    }
}
