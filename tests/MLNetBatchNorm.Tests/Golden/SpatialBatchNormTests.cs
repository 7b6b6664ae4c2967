using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>One training step of batch normalization over rows and pixels, and prediction after it, against PyTorch.</summary>
[TestClass]
public sealed class SpatialBatchNormTests
{
    private const string Kind = "bn2d_forward_backward";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Layer_TrainingStepAndPrediction_AgreeWithPyTorch(string name) =>
        Compare(FixtureFile.Read(name), wrong: "").AssertAgrees(name, TestContext);

    [TestMethod]
    [DataRow("a statistic for each pixel")]
    [DataRow("divisor of the pictures alone")]
    [DataRow("epsilon ten times")]
    [DataRow("momentum of the old value")]
    public void Layer_OneConventionWrong_IsNoticed(string wrong) =>
        NegativeControl.MustBeNoticed(Kind, wrong, file => Compare(file, wrong));

    private static Comparison Compare(FixtureFile file, string wrong)
    {
        int channels = (int)file.Root.Number("C"), pixels = (int)(file.Root.Number("height") * file.Root.Number("width"));
        int pictures = (int)file.Root.Number("N");
        double? momentum = file.Root.NumberOrNull("momentum_pytorch");
        double epsilon = file.Root.Number("eps");
        bool eachPixel = wrong == "a statistic for each pixel";
        var definition = new NetworkDefinition
        {
            Inputs = 1, HiddenUnits = [], Outputs = 1, Epsilon = wrong == "epsilon ten times" ? 10 * epsilon : epsilon,
            RunningStatisticsMomentum = momentum is not { } given ? 0.1 : wrong == "momentum of the old value" ? 1 - given : given,
            Statistics = momentum is null ? BatchNormalizationStatistics.Cumulative : BatchNormalizationStatistics.RunningAverage,
        };
        var parameters =
            new BatchNormalizationParameters(channels, 1) { BatchesTracked = (long)file.Root.Number("num_batches_tracked_before") };
        file.Root.Vector("gamma").ToSingle().CopyTo(parameters.Gamma.Span);
        file.Root.Vector("beta").ToSingle().CopyTo(parameters.Beta.Span);
        file.Root.Vector("running_mean_before").CopyTo(parameters.RunningMean, 0);
        file.Root.Vector("running_var_before").CopyTo(parameters.RunningVariance, 0);

        PanelMatrix Map(string name) => Panels.OfMap([.. file[name].EnumerateArray().Select(FixtureElements.Flat)], channels);
        var node = new BatchNormNode(0, 0, channels, definition, pixels);
        PanelMatrix input = Map("X"), gradient = Map("dY");
        var output = new PanelMatrix(input.RowCapacity, channels) { Positions = pixels };
        var layer = new BatchNormLayer(node, parameters, input, output);
        // A virtual batch of one row of the matrix is what a statistic for each pixel would come to.
        layer.Forward(eachPixel ? pictures : input.RowCapacity, 0, input.Panels);
        layer.Backward(gradient, eachPixel ? pictures : input.RowCapacity, 0, input.Panels);
        if (wrong == "divisor of the pictures alone")
        {
            double factor = pictures / Math.Max(1.0, pictures - 1) * (input.RowCapacity - 1) / input.RowCapacity;
            for (int c = 0; c < channels; c++)
                parameters.RunningVariance[c] *= factor;
        }

        PanelMatrix evaluated = Map("X_eval");
        var evaluatedOutput = new PanelMatrix(evaluated.RowCapacity, channels) { Positions = pixels };
        new BatchNormLayer(node, parameters, evaluated, evaluatedOutput) { Policy = StatisticsPolicy.Frozen }
            .Forward(evaluated.RowCapacity, 0, evaluated.Panels);

        const double Tolerance = 1e-5;
        var comparison = new Comparison();
        var expected = file["expected"];
        void Relative(string what, double[] actual) => comparison.Relative(what, expected.GetProperty(what).Flat(), actual, Tolerance);
        Relative("Y", Flat(output));
        Relative("dX", Flat(gradient));
        Relative("dGamma", Panels.Vector(layer.Parameters[0].Gradient, channels));
        Relative("dBeta", Panels.Vector(layer.Parameters[1].Gradient, channels));
        Relative("running_mean_after", parameters.RunningMean);
        Relative("running_var_after", parameters.RunningVariance);
        Relative("Y_eval", Flat(evaluatedOutput));
        comparison.Absolute("num_batches_tracked_after", [expected.Number("num_batches_tracked_after")], [parameters.BatchesTracked], 0);
        return comparison;
    }

    private static double[] Flat(PanelMatrix map) => [.. Panels.Rows(map).SelectMany(r => r)];
}
