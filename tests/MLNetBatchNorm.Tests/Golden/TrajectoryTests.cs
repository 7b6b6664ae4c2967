using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Tests.Fixtures;

namespace MLNetBatchNorm.Tests.Golden;

/// <summary>
/// Training of whole networks, step by step, against PyTorch: outputs, gradients, losses, parameters, running statistics, predictions.
/// </summary>
[TestClass]
public sealed class TrajectoryTests
{
    private const string Kind = "mlp_bn_trajectory";

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

    /// <summary>
    /// The same with more workers than some of these layers have panels: not one bit may differ. Every
    /// fifth file, because threads outnumber cores here.
    /// </summary>
    [TestMethod]
    public void Training_ThreeWorkers_SameBits()
    {
        foreach (object[] row in Files.Where((_, i) => i % 5 == 0))
        {
            Trajectory trajectory = Trajectory.Of(FixtureFile.Read((string)row[0]));
            TrajectoryRun alone = TrajectoryRun.Of(trajectory), together = TrajectoryRun.Of(trajectory with { Threads = 3 });
            CollectionAssert.AreEqual(alone.Losses, together.Losses);
            foreach ((string array, double[] numbers) in alone.FinalState)
                CollectionAssert.AreEqual(numbers, together.FinalState[array], $"{row[0]} {array}");
        }
    }

    [TestMethod]
    [DataRow("momentum of the old value")]
    [DataRow("running average for cumulative")]
    [DataRow("epsilon ten times")]
    [DataRow("no label smoothing")]
    [DataRow("weights ignored")]
    [DataRow("Nesterov's form left out")]
    [DataRow("momentum left out")]
    [DataRow("decay of the other parameters too, or not")]
    [DataRow("decay in the gradient for decoupled decay")]
    [DataRow("first rate for all steps")]
    [DataRow("ReLU for leaky ReLU")]
    public void Training_OneConventionWrong_IsNoticed(string wrong)
        => NegativeControl.MustBeNoticed(Kind, wrong, file =>
        {
            Trajectory right = Trajectory.Of(file);
            return Perturb(wrong, right) is { } perturbed ? TrajectoryRun.Of(perturbed).Compare(perturbed) : null;
        });

    /// <summary>Null where the file does not depend on what is got wrong.</summary>
    private static Trajectory? Perturb(string wrong, Trajectory right)
    {
        bool normalized = right.Definition.UsesBatchNormalization;
        return wrong switch
        {
            "momentum of the old value" =>
                normalized && right.Momentum is { } momentum && momentum < 1 ? right with { Momentum = 1 - momentum } : null,
            "running average for cumulative" => normalized && right.Momentum is null ? right with { Momentum = 0.1 } : null,
            "epsilon ten times" => normalized ? right with { Epsilon = 10 * right.Epsilon } : null,
            "no label smoothing" => right.LabelSmoothing > 0 ? right with { LabelSmoothing = 0 } : null,
            "weights ignored" => right.Rows().Data.TableInMemory().IsWeighted ? right with { UsesWeights = false } : null,
            "Nesterov's form left out" => right.Optimizer is SgdOptimizer { UseNesterov: true } sgd
                ? right with { Optimizer = new SgdOptimizer { OptimizerMomentum = sgd.OptimizerMomentum, WeightDecay = sgd.WeightDecay } }
                : null,
            "momentum left out" => right.Optimizer is SgdOptimizer { OptimizerMomentum: > 0 } sgd
                ? right with { Optimizer = new SgdOptimizer { WeightDecay = sgd.WeightDecay } } : null,
            "decay of the other parameters too, or not" => right.Optimizer is AdamWOptimizer { WeightDecay: > 0 } adamW
                ? right with { Optimizer = Copy(adamW, !adamW.DecayWeightsOnly) } : null,
            "decay in the gradient for decoupled decay" => right.Optimizer is AdamWOptimizer { WeightDecay: > 0 } adamW
                ? right with { Optimizer = new AdamOptimizer { Beta1 = adamW.Beta1, Beta2 = adamW.Beta2, Epsilon = adamW.Epsilon,
                    WeightDecay = adamW.WeightDecay } } : null,
            "first rate for all steps" =>
                right.Rates.Distinct().Count() > 1 ? right with { Rates = [.. right.Rates.Select(_ => right.Rates[0])] } : null,
            "ReLU for leaky ReLU" =>
                right.Activation == ActivationFunction.LeakyReLU ? right with { Activation = ActivationFunction.ReLU } : null,
            _ => throw new ArgumentException($"Unknown perturbation '{wrong}'.", nameof(wrong)),
        };
    }

    private static AdamWOptimizer Copy(AdamWOptimizer from, bool decayWeightsOnly) => new()
    {
        Beta1 = from.Beta1,
        Beta2 = from.Beta2,
        Epsilon = from.Epsilon,
        WeightDecay = from.WeightDecay,
        DecayWeightsOnly = decayWeightsOnly,
    };
}
