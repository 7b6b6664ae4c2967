using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.MLNet;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Onnx.Tests;

/// <summary>Explicit batch normalization of columns that are far from zero, measured in their deviations, keeps its accuracy in single precision.</summary>
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
        TrainedNetwork network = ((INetworkModel)((ISingleFeaturePredictionTransformer<BatchNormNetworkRegressionModelParameters>)trained).Model).Network;
        float[][] rows = [.. examples.Select(e => e.Features)];
        double[] expected = [.. rows.Select(row => InDoublePrecision(network.Parameters, row))];
        OnnxModel model = OnnxModel.Of(context, trained, fold: false);

        Assert.IsLessThan(1e-5, Deviation(expected, (float[])model.Run(rows)["Score"]));

        // Without the node in front it is another matter.
        OnnxModel plain = model.Clone();
        plain.SetInitializer("bn1.pivot", new float[4]);
        plain.SetInitializer("bn1.running_mean", [.. network.Parameters.BatchNormalization[0]!.RunningMean.Select(m => (float)m)]);
        Assert.IsGreaterThan(1e-4, Deviation(expected, (float[])plain.Run(rows)["Score"]));
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
                    x[i] = bn.Gamma.Span[i] * (x[i] - bn.RunningMean[i]) / Math.Sqrt(bn.RunningVariance[i] + parameters.Definition.Epsilon) + bn.Beta.Span[i];
            }

            LinearParameters linear = parameters.Linear[layer];
            x = [.. Enumerable.Range(0, linear.Outputs).Select(o => linear.Bias!.Span[o] + Enumerable.Range(0, x.Length).Sum(i => x[i] * linear.Weight(o, i)))];
            if (layer < parameters.Linear.Length - 1)
                x = [.. x.Select(v => Math.Max(0, v))];
        }

        return x[0];
    }
}
