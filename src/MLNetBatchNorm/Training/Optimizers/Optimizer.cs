using System.Text.Json.Serialization;

namespace MLNetBatchNorm;

/// <summary>How gradients change the parameters: one of <see cref="SgdOptimizer"/>, <see cref="AdamOptimizer"/>, <see cref="AdamWOptimizer"/>, <see cref="RmsPropOptimizer"/>.</summary>
/// <remarks>In the formulas p is a parameter, g its gradient, lr the learning rate of the step, t the step counted from 1; states start at 0.</remarks>
[JsonDerivedType(typeof(SgdOptimizer), "sgd")]
[JsonDerivedType(typeof(AdamOptimizer), "adam")]
[JsonDerivedType(typeof(AdamWOptimizer), "adamw")]
[JsonDerivedType(typeof(RmsPropOptimizer), "rmsprop")]
public abstract class Optimizer
{
    private protected Optimizer()
    {
    }

    /// <summary>Throws if a value is outside its range.</summary>
    internal abstract void Validate();

    private protected static void Require(bool condition, string name, double found, string needed)
    {
        if (!condition)
            throw new ArgumentOutOfRangeException(name, found, $"{name} is {found}; it must be {needed}.");
    }
}

/// <summary>Stochastic gradient descent, with or without (Nesterov) momentum.</summary>
/// <remarks>
/// <c>g += WeightDecay p; b = OptimizerMomentum b + g (b = g at t = 1); p -= lr b</c>, or with Nesterov's form
/// <c>p -= lr (g + OptimizerMomentum b)</c> (Sutskever et al. 2013, in PyTorch's formulation).
/// </remarks>
public sealed class SgdOptimizer : Optimizer
{
    /// <summary>Weight of the previous direction, in [0, 1). Default 0: plain gradient descent. 0.9 is the usual choice with momentum.</summary>
    public double OptimizerMomentum { get; init; }

    /// <summary>Whether the gradient is taken ahead of the step. Default false; needs <see cref="OptimizerMomentum"/> above 0.</summary>
    public bool UseNesterov { get; init; }

    /// <summary>Coefficient of the L2 penalty added to the gradient, at least 0. Default 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether only the weights of linear maps decay, and gamma, beta and biases do not. Default false: all decay, as in PyTorch.</summary>
    public bool DecayWeightsOnly { get; init; }

    internal override void Validate()
    {
        Require(OptimizerMomentum is >= 0 and < 1, nameof(OptimizerMomentum), OptimizerMomentum, "in [0, 1)");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, nameof(WeightDecay), WeightDecay, "at least 0 and finite");
        Require(!UseNesterov || OptimizerMomentum > 0, nameof(OptimizerMomentum), OptimizerMomentum, "above 0 when UseNesterov is set");
    }
}

/// <summary>Adam (Kingma and Ba 2015, arXiv:1412.6980).</summary>
/// <remarks><c>g += WeightDecay p; m = Beta1 m + (1 - Beta1) g; v = Beta2 v + (1 - Beta2) g²; p -= lr (m / (1 - Beta1^t)) / (sqrt(v / (1 - Beta2^t)) + Epsilon)</c>.</remarks>
public sealed class AdamOptimizer : Optimizer
{
    /// <summary>Decay of the average gradient, in [0, 1). Default 0.9, the paper's.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the average squared gradient, in [0, 1). Default 0.999, the paper's.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root; positive. Default 1e-8, the paper's.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Coefficient of the L2 penalty added to the gradient, at least 0. Default 0; for decoupled decay see <see cref="AdamWOptimizer"/>.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether only the weights of linear maps decay, and gamma, beta and biases do not. Default false: all decay, as in PyTorch.</summary>
    public bool DecayWeightsOnly { get; init; }

    internal override void Validate()
    {
        Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "in [0, 1)");
        Require(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "in [0, 1)");
        Require(Epsilon is > 0 and < double.PositiveInfinity, nameof(Epsilon), Epsilon, "positive and finite");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, nameof(WeightDecay), WeightDecay, "at least 0 and finite");
    }
}

/// <summary>Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).</summary>
/// <remarks>First <c>p *= 1 - lr WeightDecay</c>, then the step of <see cref="AdamOptimizer"/>.</remarks>
public sealed class AdamWOptimizer : Optimizer
{
    /// <summary>Decay of the average gradient, in [0, 1). Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the average squared gradient, in [0, 1). Default 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root; positive. Default 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Strength of the decay, relative to the learning rate; at least 0. Default 0.01, as in PyTorch.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>
    /// Whether only the weights of linear maps decay. Default true: decaying gamma, beta and biases pulls the network towards a constant
    /// without regularizing it; behind batch normalization even the weights' size only sets the effective learning rate.
    /// </summary>
    public bool DecayWeightsOnly { get; init; } = true;

    internal override void Validate()
    {
        Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "in [0, 1)");
        Require(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "in [0, 1)");
        Require(Epsilon is > 0 and < double.PositiveInfinity, nameof(Epsilon), Epsilon, "positive and finite");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, nameof(WeightDecay), WeightDecay, "at least 0 and finite");
    }
}

/// <summary>RMSprop (Tieleman and Hinton 2012), in PyTorch's formulation.</summary>
/// <remarks>
/// <c>g += WeightDecay p; v = Smoothing v + (1 - Smoothing) g²; p -= lr g / (sqrt(v) + Epsilon)</c>; centered: the root is that of <c>v - a²</c> with
/// <c>a = Smoothing a + (1 - Smoothing) g</c>; with momentum: <c>b = OptimizerMomentum b + g / (...); p -= lr b</c>.
/// </remarks>
public sealed class RmsPropOptimizer : Optimizer
{
    /// <summary>Decay of the average squared gradient (alpha), in [0, 1). Default 0.99.</summary>
    public double Smoothing { get; init; } = 0.99;

    /// <summary>Added to the root; positive. Default 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Whether the gradient's variance is used instead of its mean square. Default false.</summary>
    public bool Centered { get; init; }

    /// <summary>Weight of the previous direction, in [0, 1). Default 0.</summary>
    public double OptimizerMomentum { get; init; }

    /// <summary>Coefficient of the L2 penalty added to the gradient, at least 0. Default 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether only the weights of linear maps decay, and gamma, beta and biases do not. Default false: all decay, as in PyTorch.</summary>
    public bool DecayWeightsOnly { get; init; }

    internal override void Validate()
    {
        Require(Smoothing is >= 0 and < 1, nameof(Smoothing), Smoothing, "in [0, 1)");
        Require(Epsilon is > 0 and < double.PositiveInfinity, nameof(Epsilon), Epsilon, "positive and finite");
        Require(OptimizerMomentum is >= 0 and < 1, nameof(OptimizerMomentum), OptimizerMomentum, "in [0, 1)");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, nameof(WeightDecay), WeightDecay, "at least 0 and finite");
    }
}
