using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;
using MLNetBatchNorm.Training;

namespace MLNetBatchNorm;

/// <summary>Adam (Kingma and Ba 2015, arXiv:1412.6980).</summary>
/// <remarks>
/// <c>g += WeightDecay p; m = Beta1 m + (1 - Beta1) g; v = Beta2 v + (1 - Beta2) g²; p -= lr
/// (m / (1 - Beta1^t)) / (sqrt(v / (1 - Beta2^t)) + Epsilon)</c>.
/// </remarks>
public sealed class AdamOptimizer : Optimizer
{
    /// <summary>Decay of the average gradient, in [0, 1). Default 0.9, the paper's.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the average squared gradient, in [0, 1). Default 0.999, the paper's.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root; positive. Default 1e-8, the paper's.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>
    /// Coefficient of the L2 penalty added to the gradient, at least 0. Default 0; for decoupled decay see <see cref="AdamWOptimizer"/>.
    /// </summary>
    public double WeightDecay { get; init; }

    /// <summary>
    /// Whether only the weights of linear maps decay, and gamma, beta and biases do not. Default false: all decay, as in PyTorch.
    /// </summary>
    public bool DecayWeightsOnly { get; init; }

    internal override void Validate()
    {
        Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "in [0, 1)");
        Require(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "in [0, 1)");
        Require(Epsilon is > 0 and < double.PositiveInfinity, nameof(Epsilon), Epsilon, "positive and finite");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, nameof(WeightDecay), WeightDecay, "at least 0 and finite");
    }

    internal override OptimizerState CreateState(IReadOnlyList<ParameterBlock> parameters) => new State(this, parameters);

    private sealed class State(AdamOptimizer options, IReadOnlyList<ParameterBlock> parameters) : OptimizerState(parameters, 2)
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
            OptimizerKernels.Adam(
                values, gradients, states[0].Span.Slice(start, length), states[1].Span.Slice(start, length),
                isWeight ? _decaying : _constant);
    }
}
