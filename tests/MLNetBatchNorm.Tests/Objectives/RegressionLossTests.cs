using System.Text.Json;
using Microsoft.ML;
using Microsoft.VisualStudio.TestTools.UnitTesting;

namespace MLNetBatchNorm.Tests.Objectives;

/// <summary>The losses that a user chooses from: their ranges, and what JSON makes of them.</summary>
[TestClass]
public sealed class RegressionLossTests
{
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(-1.0)]
    [DataRow(1_000_000.5)]
    [DataRow(double.NaN)]
    [DataRow(double.PositiveInfinity)]
    public void Create_DeltaOutsideItsRange_IsRefused(double delta)
    {
        var options = new BatchNormNetworkRegressionTrainer.Options { Loss = new HuberLoss { Delta = delta } };
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MLContext(1).Regression.Trainers.BatchNormNetwork(options));

        Assert.StartsWith(
            FormattableString.Invariant($"Loss: Delta is {delta}; it must be in (0, 1000000]. It is measured in standard deviations"),
            error.Message);
        Assert.AreEqual("Loss", error.ParamName);
    }

    [TestMethod]
    [DataRow(double.Epsilon)]
    [DataRow(1.345)]
    [DataRow(1_000_000.0)]
    public void Create_DeltaInsideItsRange_IsTaken(double delta) =>
        new MLContext(1).Regression.Trainers.BatchNormNetwork(
            new BatchNormNetworkRegressionTrainer.Options { Loss = new HuberLoss { Delta = delta } });

    [TestMethod]
    public void Losses_OptimizersAndSchedules_ComeBackFromJson()
    {
        RoundTrip<RegressionLoss>([new SquaredLoss(), new HuberLoss { Delta = 0.5 }]);
        RoundTrip<Optimizer>(
        [
            new SgdOptimizer { OptimizerMomentum = 0.9, UseNesterov = true }, new AdamOptimizer { Beta1 = 0.8 },
            new AdamWOptimizer { WeightDecay = 0.1 },
            new RmsPropOptimizer { Centered = true },
        ]);
        RoundTrip<LearningRateSchedule>(
        [
            new ConstantSchedule(), new OneCycleSchedule { PeakFraction = 0.2 }, new CosineSchedule { MinimumRate = 1e-4 },
            new WarmupCosineSchedule { WarmupSteps = 7 }, new StepSchedule { Milestones = [3, 9] },
        ]);
    }

    private static void RoundTrip<T>(IReadOnlyList<T> parts)
        where T : class
    {
        Type[] known = [.. typeof(T).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(T)) && !type.IsAbstract)];
        CollectionAssert.AreEquivalent(known, parts.Select(part => part.GetType()).ToArray(), "a class is missing in this test");
        foreach (T part in parts)
        {
            string json = JsonSerializer.Serialize(part);
            T back = JsonSerializer.Deserialize<T>(json)!;
            Assert.AreEqual(part.GetType(), back.GetType(), json);
            Assert.AreEqual(FitFingerprint.TextOf(part), FitFingerprint.TextOf(back));
        }

        Assert.ThrowsExactly<JsonException>(() => JsonSerializer.Deserialize<T>("""{"$type":"of no kind"}"""));
    }
}
