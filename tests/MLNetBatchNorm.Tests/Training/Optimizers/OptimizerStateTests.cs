using Microsoft.VisualStudio.TestTools.UnitTesting;
using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Tests.Golden;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm.Tests.Training;

/// <summary>
/// Every option of every optimizer over several steps of real training, against its formula in double precision on the same gradients.
/// </summary>
[TestClass]
public sealed class OptimizerStateTests
{
    private const int Steps = 8;

    /// <summary>
    /// A step changes a parameter by about the rate, 0.05, with float32's 6e-8 in every operation: 8 steps differ by less than 1e-6. The
    /// roots of nearly equal numbers of a centered RMSprop lose a hundredfold of that.
    /// </summary>
    private const double Tolerance = 2e-6;
    private const double CenteredTolerance = 2e-4;

    public TestContext TestContext { get; set; } = null!;

    public static IEnumerable<object[]> Optimizers =>
        from optimizer in new Optimizer[]
        {
            new SgdOptimizer(),
            new SgdOptimizer { WeightDecay = 0.1 },
            new SgdOptimizer { WeightDecay = 0.1, DecayWeightsOnly = true },
            new SgdOptimizer { OptimizerMomentum = 0.9 },
            new SgdOptimizer { OptimizerMomentum = 0.9, UseNesterov = true, WeightDecay = 0.1 },
            new AdamOptimizer(),
            new AdamOptimizer { Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-4, WeightDecay = 0.1 },
            new AdamOptimizer { WeightDecay = 0.1, DecayWeightsOnly = true },
            new AdamWOptimizer { WeightDecay = 0.2 },
            new AdamWOptimizer { WeightDecay = 0.2, DecayWeightsOnly = false },
            new RmsPropOptimizer { WeightDecay = 0.1 },
            new RmsPropOptimizer { Smoothing = 0.8, OptimizerMomentum = 0.7, WeightDecay = 0.1, DecayWeightsOnly = true },
            new RmsPropOptimizer { Smoothing = 0.9, Centered = true, Epsilon = 1e-3 },
            new RmsPropOptimizer { Smoothing = 0.9, Centered = true, OptimizerMomentum = 0.7, Epsilon = 1e-3, WeightDecay = 0.1 },
        }
        select new object[] { optimizer };

    [TestMethod]
    [DynamicData(nameof(Optimizers))]
    public void Steps_FollowTheFormula(Optimizer optimizer)
        => Compare(optimizer, optimizer, 1).AssertAgrees(optimizer.GetType().Name, TestContext);

    /// <summary>The comparison tells every one of these optimizers from every other.</summary>
    [TestMethod]
    public void Steps_OfAnotherOptimizer_AreNoticed()
    {
        Optimizer[] all = [.. Optimizers.Select(row => (Optimizer)row[0])];
        for (int i = 0; i < all.Length; i++)
        {
            Optimizer other = all[(i + 1) % all.Length];
            Assert.IsFalse(Compare(all[i], other, 2).Agrees, $"{i}: {all[i].GetType().Name} and {other.GetType().Name}");
        }
    }

    private static Comparison Compare(Optimizer optimizer, Optimizer formula, int threads)
    {
        var definition = new NetworkDefinition
        {
            Inputs = 5, HiddenUnits = [18, 7], Outputs = 2, Placement = BatchNormalizationPlacement.AfterActivation,
        };
        NetworkParameters parameters = Generated.Network(definition, 1);
        var network = new FeedForwardNetwork(parameters, 16);
        var settings = new TrainingSettings { Objective = KnownObjectives.SquaredError, Optimizer = optimizer };
        using var team = new WorkerTeam(threads);
        var step = new TrainingStep(
            settings, Generated.Data(KnownObjectives.SquaredError, 16 * Steps, 5, 2, 1), network,
            OptimizerState.Create(optimizer, network.Parameters), team);
        Dictionary<string, double[]> expected = NetworkState.Read(parameters);
        Dictionary<string, double[][]> memory = expected.ToDictionary(
            a => a.Key, a => Enumerable.Range(0, 3).Select(_ => new double[a.Value.Length]).ToArray());
        for (int t = 1; t <= Steps; t++)
        {
            double rate = 0.05 / t;
            step.Run(16 * (t - 1), 16, rate, 0);
            foreach ((string name, double[] gradient) in NetworkState.Gradients(network, parameters))
                Update(formula, expected[name], gradient, memory[name], name.EndsWith("weight", StringComparison.Ordinal), rate, t);
        }

        var comparison = new Comparison();
        double tolerance = optimizer is RmsPropOptimizer { Centered: true } ? CenteredTolerance : Tolerance;
        foreach ((string name, double[] values) in NetworkState.Read(parameters).Where(
            a => !a.Key.Contains("running", StringComparison.Ordinal)))
        {
            comparison.Relative(name, expected[name], values, tolerance);
        }
        return comparison;
    }

    /// <summary>The formulas of the fixtures' README, one parameter at a time.</summary>
    private static void Update(Optimizer optimizer, double[] p, double[] gradients, double[][] memory, bool isWeight, double rate, int t)
    {
        for (int i = 0; i < p.Length; i++)
        {
            double g = gradients[i];
            ref double first = ref memory[0][i], second = ref memory[1][i], velocity = ref memory[2][i];
            switch (optimizer)
            {
                case SgdOptimizer o:
                    g += Decay(o.WeightDecay, o.DecayWeightsOnly) * p[i];
                    velocity = o.OptimizerMomentum * velocity + g;
                    p[i] -= rate * (o.UseNesterov ? g + o.OptimizerMomentum * velocity : velocity);
                    break;
                case AdamOptimizer o:
                    p[i] = Adam(
                        p[i], g + Decay(o.WeightDecay, o.DecayWeightsOnly) * p[i], o.Beta1, o.Beta2, o.Epsilon, ref first, ref second);
                    break;
                case AdamWOptimizer o:
                    p[i] *= 1 - rate * Decay(o.WeightDecay, o.DecayWeightsOnly);
                    p[i] = Adam(p[i], g, o.Beta1, o.Beta2, o.Epsilon, ref first, ref second);
                    break;
                case RmsPropOptimizer o:
                    g += Decay(o.WeightDecay, o.DecayWeightsOnly) * p[i];
                    second = o.Smoothing * second + (1 - o.Smoothing) * g * g;
                    first = o.Smoothing * first + (1 - o.Smoothing) * g;
                    double direction = g / (Math.Sqrt(second - (o.Centered ? first * first : 0)) + o.Epsilon);
                    velocity = o.OptimizerMomentum * velocity + direction;
                    p[i] -= rate * velocity;
                    break;
            }
        }

        double Decay(double decay, bool weightsOnly) => isWeight || !weightsOnly ? decay : 0;

        double Adam(double value, double g, double beta1, double beta2, double epsilon, ref double m, ref double v)
        {
            m = beta1 * m + (1 - beta1) * g;
            v = beta2 * v + (1 - beta2) * g * g;
            return value - rate * (m / (1 - Math.Pow(beta1, t))) / (Math.Sqrt(v / (1 - Math.Pow(beta2, t))) + epsilon);
        }
    }
}
