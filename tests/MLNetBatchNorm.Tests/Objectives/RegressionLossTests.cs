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
    [DataRow(1.0)]
    [DataRow(2.0)]
    [DataRow(0.0)]
    [DataRow(double.NaN)]
    public void Create_PowerOutsideItsRange_IsRefused(double power) =>
        Refuses(
            new TweedieLoss { Power = power },
            FormattableString.Invariant($"Loss: Power is {power}; it must be in [1.01, 1.99]. Use PoissonLoss for counts, whose power"));

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(1.0)]
    [DataRow(-0.1)]
    [DataRow(95.0)]
    [DataRow(double.NaN)]
    public void Create_LevelOutsideItsRange_IsRefused(double level) =>
        Refuses(
            new QuantileLoss { Level = level },
            FormattableString.Invariant($"Loss: Level is {level}; it must be in (0, 1). It is the part of the labels below"));

    [TestMethod]
    public void Create_PowerAndLevelInsideTheirRanges_AreTaken()
    {
        foreach (RegressionLoss loss in new RegressionLoss[]
        {
            new TweedieLoss { Power = 1.01 }, new TweedieLoss { Power = 1.99 }, new QuantileLoss { Level = 1e-6 },
                new QuantileLoss { Level = 0.999 },
        })
        {
            new MLContext(1).Regression.Trainers.BatchNormNetwork(new BatchNormNetworkRegressionTrainer.Options { Loss = loss });
        }
    }

    private static void Refuses(RegressionLoss loss, string message)
    {
        var options = new BatchNormNetworkRegressionTrainer.Options { Loss = loss };
        var error = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => new MLContext(1).Regression.Trainers.BatchNormNetwork(options));
        Assert.StartsWith(message, error.Message);
        Assert.AreEqual("Loss", error.ParamName);
    }

    [TestMethod]
    public void Losses_OptimizersAndSchedules_ComeBackFromJson()
    {
        RoundTrip<RegressionLoss>(
        [
            new SquaredLoss(), new HuberLoss { Delta = 0.5 }, new PoissonLoss(), new TweedieLoss { Power = 1.7 },
            new QuantileLoss { Level = 0.9 },
        ]);
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
