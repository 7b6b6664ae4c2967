using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>A trained array and its gradient, side by side: what an optimizer works on.</summary>
/// <param name="name">Name for messages and tests.</param>
/// <param name="value">The parameters.</param>
/// <param name="isWeight">Whether this is the matrix of a linear map.</param>
/// <param name="keepsGradient">
/// Whether there is room for a gradient of all of them; without it whoever computes it has room for the few that a mini-batch touches.
/// </param>
internal sealed class ParameterBlock(string name, AlignedBuffer value, bool isWeight, bool keepsGradient = true)
{
    /// <summary>Name for messages and tests, such as <c>linear1.weight</c> or <c>bn1.gamma</c>.</summary>
    public string Name { get; } = name;

    /// <summary>The parameters; the same memory as in <see cref="NetworkParameters"/>.</summary>
    public AlignedBuffer Value { get; } = value;

    /// <summary>
    /// Gradient of the last batch's loss; the part a worker owns is valid when <see cref="IGradientConsumer"/> is told so. Empty where it
    /// is not kept.
    /// </summary>
    public AlignedBuffer Gradient { get; } = new(keepsGradient ? value.Length : 0);

    /// <summary>Whether this is the matrix of a linear map (which weight decay applies to) and not a bias, gamma or beta.</summary>
    public bool IsWeight { get; } = isWeight;
}
