using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Fixtures;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>Training of whole convolutional networks, step by step, against PyTorch.</summary>
[TestClass]
public sealed class PictureTrajectoryTests
{
    private const string Kind = "cnn_bn_trajectory";

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Files => FixtureFile.NamesOfKind(Kind);

    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Training_AgreesWithPyTorch(string name)
    {
        Trajectory trajectory = Trajectory.Of(FixtureFile.Read(name));
        CollectionAssert.AreEqual(NetworkState.Operations(trajectory.File["ops"]), NetworkState.Operations(trajectory.Definition));
        TrajectoryRun.Of(trajectory).Compare(trajectory).AssertAgrees(name, TestContext);
    }

    /// <summary>More workers than there are panels, or pictures in the last batch: not one bit may differ.</summary>
    [TestMethod]
    [DynamicData(nameof(Files))]
    public void Training_SeveralWorkers_SameBits(string name)
    {
        Trajectory trajectory = Trajectory.Of(FixtureFile.Read(name));
        TrajectoryRun alone = TrajectoryRun.Of(trajectory);
        foreach (int threads in new[] { 2, 3, 5 })
        {
            TrajectoryRun together = TrajectoryRun.Of(trajectory with { Threads = threads });
            CollectionAssert.AreEqual(alone.Losses, together.Losses);
            foreach ((string array, double[] numbers) in alone.FinalState)
                CollectionAssert.AreEqual(numbers, together.FinalState[array], $"{threads} {array}");
        }
    }

    [TestMethod]
    [DataRow("momentum of the old value")]
    [DataRow("epsilon ten times")]
    [DataRow("mean for maximum")]
    [DataRow("decay in the gradient for decoupled decay")]
    public void Training_OneConventionWrong_IsNoticed(string wrong)
        => NegativeControl.MustBeNoticed(Kind, wrong, file =>
        {
            Trajectory right = Trajectory.Of(file);
            return Perturb(wrong, right) is { } perturbed ? TrajectoryRun.Of(perturbed).Compare(perturbed) : null;
        });

    private static ConvolutionDefinition TakingMeans(ConvolutionDefinition convolution) =>
        convolution.Pooling is { } pooling ? convolution with { Pooling = pooling with { TakesMaximum = false } } : convolution;

    /// <summary>Null where the file does not depend on what is got wrong.</summary>
    private static Trajectory? Perturb(string wrong, Trajectory right) => wrong switch
    {
        "momentum of the old value" => right.Momentum is { } momentum && momentum < 1 ? right with { Momentum = 1 - momentum } : null,
        "epsilon ten times" => right with { Epsilon = 10 * right.Epsilon },
        "mean for maximum" => right.Convolutions.Any(convolution => convolution.Pooling is { TakesMaximum: true })
            ? right with { Convolutions = [.. right.Convolutions.Select(TakingMeans)] }
            : null,
        "decay in the gradient for decoupled decay" => right.Optimizer is AdamWOptimizer { WeightDecay: > 0 } adamW
            ? right with { Optimizer = new AdamOptimizer { Beta1 = adamW.Beta1, Beta2 = adamW.Beta2, Epsilon = adamW.Epsilon,
                WeightDecay = adamW.WeightDecay } } : null,
        _ => throw new ArgumentException($"Unknown perturbation '{wrong}'.", nameof(wrong)),
    };
}
