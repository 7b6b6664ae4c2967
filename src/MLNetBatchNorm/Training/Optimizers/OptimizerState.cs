using MLNetBatchNorm.Kernels;
using MLNetBatchNorm.Network;

namespace MLNetBatchNorm.Training;

/// <summary>An update rule with its memory of past gradients; changes parameters as soon as their gradients are handed to it.</summary>
/// <remarks>Every worker hands in disjoint parts, so nothing is shared between them but the step's scalars.</remarks>
internal abstract class OptimizerState : IGradientConsumer
{
    private readonly Dictionary<ParameterBlock, AlignedBuffer[]> _states;

    private protected OptimizerState(IReadOnlyList<ParameterBlock> parameters, int arrays)
    {
        _states = parameters.ToDictionary(p => p, p => Enumerable.Range(0, arrays).Select(_ => new AlignedBuffer(p.Value.Length)).ToArray());
        Memory = [.. parameters.SelectMany(p => _states[p])];
    }

    /// <summary>The state of <paramref name="optimizer"/> before its first step.</summary>
    public static OptimizerState Create(Optimizer optimizer, IReadOnlyList<ParameterBlock> parameters)
    {
        optimizer.Validate();
        return optimizer switch
        {
            SgdOptimizer sgd => new Sgd(sgd, parameters),
            AdamOptimizer adam => new Adam(adam, parameters),
            AdamWOptimizer adamW => new AdamW(adamW, parameters),
            RmsPropOptimizer rmsProp => new RmsProp(rmsProp, parameters),
            _ => throw new ArgumentException($"Unknown optimizer {optimizer.GetType().Name}.", nameof(optimizer)),
        };
    }

    /// <summary>All arrays it remembers past gradients in, always in the same order; none for an optimizer without memory.</summary>
    public IReadOnlyList<AlignedBuffer> Memory { get; }

    /// <summary>Goes on after so many steps; the caller has filled <see cref="Memory"/> with what it was then.</summary>
    public void Resume(long steps) => Step = steps;

    /// <summary>Steps begun, this one included.</summary>
    protected long Step { get; private set; }

    /// <summary>Rate of this step.</summary>
    protected float LearningRate { get; private set; }

    /// <summary>Called once before each step, while no worker is at work.</summary>
    public virtual void BeginStep(double learningRate)
    {
        Step++;
        LearningRate = (float)learningRate;
    }

    /// <inheritdoc/>
    public void Consume(ParameterBlock block, int start, int length) =>
        Update(block.Value.Span.Slice(start, length), block.Gradient.Span.Slice(start, length), _states[block], start, length, block.IsWeight);

    /// <summary>Changes one part of a block.</summary>
    protected abstract void Update(Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight);

    private sealed class Sgd(SgdOptimizer options, IReadOnlyList<ParameterBlock> parameters)
        : OptimizerState(parameters, options.OptimizerMomentum > 0 ? 1 : 0)
    {
        protected override void Update(Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight)
        {
            float decay = isWeight || !options.DecayWeightsOnly ? (float)options.WeightDecay : 0;
            if (states.Length == 0)
                OptimizerKernels.Sgd(values, gradients, LearningRate, decay);
            else
                OptimizerKernels.SgdMomentum(values, gradients, states[0].Span.Slice(start, length), LearningRate, (float)options.OptimizerMomentum, options.UseNesterov, decay);
        }
    }

    private sealed class Adam(AdamOptimizer options, IReadOnlyList<ParameterBlock> parameters) : OptimizerState(parameters, 2)
    {
        private AdamCoefficients _decaying;
        private AdamCoefficients _constant;

        public override void BeginStep(double learningRate)
        {
            base.BeginStep(learningRate);
            _decaying = new AdamCoefficients(learningRate, options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay, Step);
            _constant = options.DecayWeightsOnly ? new AdamCoefficients(learningRate, options.Beta1, options.Beta2, options.Epsilon, 0, Step) : _decaying;
        }

        protected override void Update(Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight) =>
            OptimizerKernels.Adam(values, gradients, states[0].Span.Slice(start, length), states[1].Span.Slice(start, length), isWeight ? _decaying : _constant);
    }

    private sealed class AdamW(AdamWOptimizer options, IReadOnlyList<ParameterBlock> parameters) : OptimizerState(parameters, 2)
    {
        private AdamCoefficients _decaying;
        private AdamCoefficients _constant;

        public override void BeginStep(double learningRate)
        {
            base.BeginStep(learningRate);
            _decaying = new AdamCoefficients(learningRate, options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay, Step);
            _constant = options.DecayWeightsOnly ? new AdamCoefficients(learningRate, options.Beta1, options.Beta2, options.Epsilon, 0, Step) : _decaying;
        }

        protected override void Update(Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight) =>
            OptimizerKernels.AdamW(values, gradients, states[0].Span.Slice(start, length), states[1].Span.Slice(start, length), isWeight ? _decaying : _constant);
    }

    private sealed class RmsProp(RmsPropOptimizer options, IReadOnlyList<ParameterBlock> parameters)
        : OptimizerState(parameters, 1 + (options.Centered ? 1 : 0) + (options.OptimizerMomentum > 0 ? 1 : 0))
    {
        protected override void Update(Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight)
        {
            Span<float> mean = options.Centered ? states[1].Span.Slice(start, length) : default;
            Span<float> velocity = options.OptimizerMomentum > 0 ? states[^1].Span.Slice(start, length) : default;
            float decay = isWeight || !options.DecayWeightsOnly ? (float)options.WeightDecay : 0;
            OptimizerKernels.RmsProp(
                values, gradients, states[0].Span.Slice(start, length), mean, velocity, LearningRate, (float)options.Smoothing, (float)(1 - options.Smoothing),
                (float)options.Epsilon, (float)options.OptimizerMomentum, decay);
        }
    }
}
