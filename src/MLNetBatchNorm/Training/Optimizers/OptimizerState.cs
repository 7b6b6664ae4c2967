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
        _states = parameters.ToDictionary(
            p => p, p => Enumerable.Range(0, arrays).Select(_ => new AlignedBuffer(p.Value.Length)).ToArray());
        Memory = [.. parameters.SelectMany(p => _states[p])];
    }

    /// <summary>The state of <paramref name="optimizer"/> before its first step.</summary>
    public static OptimizerState Create(Optimizer optimizer, IReadOnlyList<ParameterBlock> parameters)
    {
        optimizer.Validate();
        return optimizer.CreateState(parameters);
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
    public void Consume(ParameterBlock block, int start, ReadOnlySpan<float> gradient) =>
        Update(block.Value.Span.Slice(start, gradient.Length), gradient, _states[block], start, gradient.Length, block.IsWeight);

    /// <summary>Changes one part of a block.</summary>
    protected abstract void Update(
        Span<float> values, ReadOnlySpan<float> gradients, AlignedBuffer[] states, int start, int length, bool isWeight);
}
