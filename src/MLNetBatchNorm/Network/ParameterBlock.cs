using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A trained array and its gradient, side by side: what an optimizer works on.</summary>
internal sealed class ParameterBlock(string name, AlignedBuffer value, bool isWeight)
{
    /// <summary>Name for messages and tests, such as <c>linear1.weight</c> or <c>bn1.gamma</c>.</summary>
    public string Name { get; } = name;

    /// <summary>The parameters; the same memory as in <see cref="NetworkParameters"/>.</summary>
    public AlignedBuffer Value { get; } = value;

    /// <summary>
    /// Gradient of the last batch's loss; the part a worker owns is valid when <see cref="IGradientConsumer"/> is told so.
    /// </summary>
    public AlignedBuffer Gradient { get; } = new(value.Length);

    /// <summary>Whether this is the matrix of a linear map (which weight decay applies to) and not a bias, gamma or beta.</summary>
    public bool IsWeight { get; } = isWeight;
}
