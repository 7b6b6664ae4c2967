using MLNetBatchNorm.Kernels;

namespace MLNetBatchNorm.Network;

/// <summary>Takes gradients as soon as a worker has finished its own part of them, while they are still in its cache.</summary>
internal interface IGradientConsumer
{
    /// <summary>Elements [start, start + length) of the block's gradient are final and owned by the calling worker.</summary>
    void Consume(ParameterBlock block, int start, int length) => Consume(block, start, block.Gradient.Span.Slice(start, length));

    /// <summary>The same of a gradient that lies elsewhere: that of the elements from start on.</summary>
    void Consume(ParameterBlock block, int start, ReadOnlySpan<float> gradient);
}
