using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>RMSprop (Tieleman and Hinton 2012), in PyTorch's formulation.</summary>
/// <remarks>
/// <c>g += WeightDecay p; v = Smoothing v + (1 - Smoothing) g²; p -= lr g / (sqrt(v) + Epsilon)</c>; centered: the root is that of
/// <c>v - a²</c> with <c>a = Smoothing a + (1 - Smoothing) g</c>; with momentum: <c>b = OptimizerMomentum b + g / (...); p -= lr b</c>.
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

    /// <summary>
    /// Whether only the weights of linear maps decay, and gamma, beta and biases do not. Default false: all decay, as in PyTorch.
    /// </summary>
    public bool DecayWeightsOnly { get; init; }

    internal override void Validate()
    {
        Require(Smoothing is >= 0 and < 1, nameof(Smoothing), Smoothing, "in [0, 1)");
        Require(Epsilon is > 0 and < double.PositiveInfinity, nameof(Epsilon), Epsilon, "positive and finite");
        Require(OptimizerMomentum is >= 0 and < 1, nameof(OptimizerMomentum), OptimizerMomentum, "in [0, 1)");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, nameof(WeightDecay), WeightDecay, "at least 0 and finite");
    }

    internal override OptimizerState CreateState(IReadOnlyList<ParameterBlock> parameters) => new State(this, parameters);

    private sealed class State(RmsPropOptimizer options, IReadOnlyList<ParameterBlock> parameters)
        : OptimizerState(parameters, 1 + (options.Centered ? 1 : 0) + (options.OptimizerMomentum > 0 ? 1 : 0))
    {
        protected override void Update(
            Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight)
        {
            Span<float> mean = options.Centered ? states[1].Span.Slice(start, length) : default;
            Span<float> velocity = options.OptimizerMomentum > 0 ? states[^1].Span.Slice(start, length) : default;
            float decay = isWeight || !options.DecayWeightsOnly ? (float)options.WeightDecay : 0;
            OptimizerKernels.RmsProp(
                values, gradients, states[0].Span.Slice(start, length), mean, velocity, LearningRate, (float)options.Smoothing,
                (float)(1 - options.Smoothing), (float)options.Epsilon, (float)options.OptimizerMomentum, decay);
        }
    }
}
