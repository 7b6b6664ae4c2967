using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>One training step of batch normalization, and prediction after it, against PyTorch.</summary>
[TestClass]
public sealed class BatchNormTests
{
    private const string Kind = "bn_forward_backward";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Layer_TrainingStepAndPrediction_AgreeWithPyTorch(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        Compare(file, BatchNormOutcome.OfLayer(file), 1e-5).AssertAgrees(name, TestContext);
    }

    /// <summary>The restatement that the negative controls start from is right, to the README's tolerance for double precision.</summary>
    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Formulas_AsWritten_AgreeWithPyTorch(string name)
    {
        FixtureFile file = FixtureFile.Read(name);
        double tolerance =
            file.Root.NumberOrNull("expected_significant_digits") is { } digits ? Math.Max(1e-9, Math.Pow(10, 1 - digits)) : 1e-9;
        Compare(file, BatchNormOutcome.OfFormulas(file, BatchNormConvention.AsWritten), tolerance).AssertAgrees(name, TestContext);
    }

    [TestMethod]
    [DataRow(nameof(BatchNormConvention.BiasedRunningVariance))]
    [DataRow(nameof(BatchNormConvention.UnbiasedNormalization))]
    [DataRow(nameof(BatchNormConvention.MomentumOfTheOldValue))]
    [DataRow(nameof(BatchNormConvention.EpsilonOutsideTheRoot))]
    [DataRow(nameof(BatchNormConvention.OnePassVarianceInSingle))]
    [DataRow(nameof(BatchNormConvention.StatisticsWithoutGradient))]
    [DataRow(nameof(BatchNormConvention.FirstBatchNotCounted))]
    public void Formulas_OneGotWrong_AreNoticed(string convention)
        => NegativeControl.MustBeNoticed(
            Kind, convention, file => Compare(file, BatchNormOutcome.OfFormulas(file, Enum.Parse<BatchNormConvention>(convention)), 1e-5));

    /// <summary>
    /// The tolerances of the fixtures' README; 1e-5 of each array's largest entry is that of a single batch normalization in float32.
    /// </summary>
    private static Comparison Compare(FixtureFile file, BatchNormOutcome outcome, double tolerance)
    {
        var expected = file["expected"];
        var comparison = new Comparison();
        double[] variance = expected.Vector("batch_var_biased");
        comparison.Relative("Y", expected.Matrix("Y"), outcome.Y, tolerance);
        comparison.Relative("batch_mean", expected.Vector("batch_mean"), outcome.BatchMean, tolerance);
        comparison.Relative("batch_var_biased", variance, outcome.BatchVariance, tolerance);
        comparison.Relative("dGamma", expected.Vector("dGamma"), outcome.GammaGradient, tolerance);
        comparison.Relative("dBeta", expected.Vector("dBeta"), outcome.BetaGradient, tolerance);
        comparison.Relative("running_mean_after", expected.Vector("running_mean_after"), outcome.RunningMean, tolerance);
        comparison.Relative("running_var_after", expected.Vector("running_var_after"), outcome.RunningVariance, tolerance);
        comparison.Absolute("num_batches_tracked_after", [expected.Number("num_batches_tracked_after")], [outcome.BatchesTracked], 0);
        comparison.Relative("Y_eval", expected.Matrix("Y_eval"), outcome.EvaluationY, tolerance);

        double[][] dx = expected.Matrix("dX");
        double[] dy = [.. file.Root.Matrix("dY").SelectMany(r => r).Select(Math.Abs)];
        if (file.Root.Number("N") == 2)
        {
            // With two rows the exact gradient is a difference of nearly equal terms; what is allowed goes by these terms.
            double largest = file.Root.Vector("gamma").Zip(variance, (g, v) => Math.Abs(g) / Math.Sqrt(v + file.Root.Number("eps"))).Max();
            comparison.Absolute(
                "dX", [.. dx.SelectMany(r => r)], [.. outcome.InputGradient.SelectMany(r => r)], tolerance * largest * dy.Max());
        }
        else
        {
            comparison.Relative("dX", dx, outcome.InputGradient, tolerance);
        }

        // Stricter than the README: where columns of very different means share an array, each mean must also be good to a part of its own
        // column's deviation, or the normalized values of that column would be wrong. A constant column's mean must be exact to rounding.
        for (int c = 0; c < variance.Length; c++)
        {
            double mean = expected.Vector("batch_mean")[c];
            comparison.Absolute(
                $"batch_mean[{c}]", [mean], [outcome.BatchMean[c]], tolerance * Math.Sqrt(variance[c]) + Math.Abs(mean) * 1e-12);
        }
        return comparison;
    }
}
