using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Stochastic gradient descent, with or without (Nesterov) momentum.</summary>
/// <remarks>
/// <c>g += WeightDecay p; b = OptimizerMomentum b + g (b = g at t = 1); p -= lr b</c>, or with Nesterov's form
/// <c>p -= lr (g + OptimizerMomentum b)</c> (Sutskever et al. 2013, in PyTorch's formulation).
/// </remarks>
public sealed class SgdOptimizer : Optimizer
{
    /// <summary>
    /// Weight of the previous direction, in [0, 1). Default 0: plain gradient descent. 0.9 is the usual choice with momentum.
    /// </summary>
    public double OptimizerMomentum { get; init; }

    /// <summary>Whether the gradient is taken ahead of the step. Default false; needs <see cref="OptimizerMomentum"/> above 0.</summary>
    public bool UseNesterov { get; init; }

    /// <summary>Coefficient of the L2 penalty added to the gradient, at least 0. Default 0.</summary>
    public double WeightDecay { get; init; }

    /// <summary>
    /// Whether only the weights of linear maps decay, and gamma, beta and biases do not. Default false: all decay, as in PyTorch.
    /// </summary>
    public bool DecayWeightsOnly { get; init; }

    internal override void Validate()
    {
        Require(OptimizerMomentum is >= 0 and < 1, nameof(OptimizerMomentum), OptimizerMomentum, "in [0, 1)");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, nameof(WeightDecay), WeightDecay, "at least 0 and finite");
        Require(!UseNesterov || OptimizerMomentum > 0, nameof(OptimizerMomentum), OptimizerMomentum, "above 0 when UseNesterov is set");
    }

    internal override OptimizerState CreateState(IReadOnlyList<ParameterBlock> parameters) => new State(this, parameters);

    private sealed class State(SgdOptimizer options, IReadOnlyList<ParameterBlock> parameters)
        : OptimizerState(parameters, options.OptimizerMomentum > 0 ? 1 : 0)
    {
        protected override void Update(
            Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight)
        {
            float decay = isWeight || !options.DecayWeightsOnly ? (float)options.WeightDecay : 0;
            if (states.Length == 0)
                OptimizerKernels.Sgd(values, gradients, LearningRate, decay);
            else
            {
                OptimizerKernels.SgdMomentum(
                    values, gradients, states[0].Span.Slice(start, length), LearningRate,
                    (float)options.OptimizerMomentum, options.UseNesterov, decay);
            }
        }
    }
}
