using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

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

    internal override OptimizerState CreateState(IReadOnlyList<ParameterBlock> parameters) => new State(this, parameters);

    private sealed class State(AdamWOptimizer options, IReadOnlyList<ParameterBlock> parameters) : OptimizerState(parameters, 2)
    {
        private AdamCoefficients _decaying;
        private AdamCoefficients _constant;

        public override void BeginStep(double learningRate)
        {
            base.BeginStep(learningRate);
            _decaying = new AdamCoefficients(learningRate, options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay, Step);
            _constant = options.DecayWeightsOnly
                ? new AdamCoefficients(learningRate, options.Beta1, options.Beta2, options.Epsilon, 0, Step)
                : _decaying;
        }

        protected override void Update(
            Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight) =>
            OptimizerKernels.AdamW(
                values, gradients, states[0].Span.Slice(start, length), states[1].Span.Slice(start, length),
                isWeight ? _decaying : _constant);
    }
}
