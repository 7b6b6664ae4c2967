using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Objectives;
using MLNetBatchNorm.Tests.MLNet;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>
/// Explicit batch normalization of columns that are far from zero, measured in their deviations, keeps its accuracy in single precision.
/// </summary>
[TestClass]
public sealed class LargeMeanTests
{
    [TestMethod]
    public void Export_MeanOfAMillion_AgreesWithDoublePrecision()
    {
        var context = new MLContext(1);
        List<Example> examples = NetworkExamples.Rows(120);
        foreach (Example example in examples)
            example.Features = [.. example.Features.Select((v, i) => i < 2 ? v + 1_000_000 : v)];
        ITransformer trained = TinyNetworks.Trainer(context, NetworkKind.Regression, options =>
        {
            options.ScaleInputs = false;
            options.Placement = BatchNormalizationPlacement.LayerInput;
            options.Statistics = BatchNormalizationStatistics.PopulationPooled;
        }).Fit(NetworkExamples.View(context, NetworkKind.Regression, examples));
        TrainedNetwork network =
            ((INetworkModel)((ISingleFeaturePredictionTransformer<BatchNormNetworkRegressionModelParameters>)trained).Model).Network;
        float[][] rows = [.. examples.Select(e => e.Features)];
        TargetScale scale = network.Scale!;
        double[] expected = [.. rows.Select(row => scale.Mean + scale.Deviation * InDoublePrecision(network.Parameters, row))];
        OnnxModel model = OnnxModel.Of(context, trained, fold: false);

        Assert.IsLessThan(1e-5, Deviation(expected, (float[])model.Run(rows)["Score"]));

        // Without the node in front it is another matter.
        OnnxModel plain = model.Clone();
        plain.SetInitializer("bn1.pivot", new float[4]);
        plain.SetInitializer("bn1.running_mean", [.. network.Parameters.BatchNormalization[0]!.RunningMean.Select(m => (float)m)]);
        Assert.IsGreaterThan(1e-4, Deviation(expected, (float[])plain.Run(rows)["Score"]));
    }

    /// <summary>
    /// Labels that are far from zero, measured in their deviations: the graph gives our scores, at the ends of the range of a float too.
    /// </summary>
    [TestMethod]
    [DataRow(1e7f, 10f, 1)]
    [DataRow(1e7f, 10f, 3)]
    [DataRow(-1.6e9f, 3000f, 1)]
    [DataRow(5.2e6f, 500f, 3)]
    [DataRow(0f, 1e38f, 3)]
    [DataRow(0f, -1.5e38f, 1)]
    [DataRow(0.1f, 0f, 3)]
    public void Export_LabelsFarFromZero_GivesOurScores(float offset, float deviation, int networks)
    {
        var context = new MLContext(1);
        List<Example> examples = NetworkExamples.Rows(200);
        foreach (Example example in examples)
            example.Value = (float)Math.Clamp(offset + deviation * ((example.Value - 50_000.0) / 10_000), -float.MaxValue, float.MaxValue);
        IDataView view = NetworkExamples.View(context, NetworkKind.Regression, examples);
        float[][] rows = [.. examples.Select(e => e.Features)];
        ITransformer trained = TinyNetworks.Trainer(context, NetworkKind.Regression, o => o.NumberOfEnsembleMembers = networks).Fit(view);
        float[] expected = [.. trained.Transform(view).GetColumn<float>("Score")];
        var actual = (float[])OnnxModel.Of(context, trained).Run(rows)["Score"];

        Assert.IsTrue(actual.All(float.IsFinite));
        double range = expected.Max() - (double)expected.Min();
        Assert.IsLessThanOrEqualTo(1e-5 * range, expected.Zip(actual, (e, a) => Math.Abs((double)e - a)).Max());
        if (deviation == 0)
            Assert.IsTrue(expected.All(score => score == offset));
    }

    private static double Deviation(double[] expected, float[] actual)
    {
        double mean = expected.Average();
        return expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max() / expected.Max(e => Math.Abs(e - mean));
    }

    private static double InDoublePrecision(NetworkParameters parameters, float[] row)
    {
        double[] x = [.. row.Select(v => (double)v)];
        for (int layer = 0; layer < parameters.Linear.Length; layer++)
        {
            if (parameters.BatchNormalization[layer] is { } bn)
            {
                for (int i = 0; i < x.Length; i++)
                {
                    x[i] = bn.Gamma.Span[i] * (x[i] - bn.RunningMean[i]) / Math.Sqrt(bn.RunningVariance[i] + parameters.Definition.Epsilon)
                        + bn.Beta.Span[i];
                }
            }

            LinearParameters linear = parameters.Linear[layer];
            x = [.. Enumerable.Range(0, linear.Outputs)
                .Select(o => linear.Bias!.Span[o] + Enumerable.Range(0, x.Length).Sum(i => x[i] * linear.Weight(o, i)))];
            if (layer < parameters.Linear.Length - 1)
                x = [.. x.Select(v => Math.Max(0, v))];
        }

        return x[0];
    }
}
